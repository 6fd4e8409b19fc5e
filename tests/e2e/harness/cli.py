"""`agent-auth` as a person or a script calls it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import List, Optional

from . import binaries, leaks
from .process import Process, environment
from .waiting import DEADLINE_SECONDS


# The kinds of secrets that commands are there to print. What `run` prints is its
# command's; such a command may show what it asked for.
_MAY_PRINT = {
    "login": {"state"},
    "token": {"access_token"},
    "run": {"access_token", "state", "relay_key"},
}


class CommandLine:
    """The command line, pointed at one daemon's socket."""

    def __init__(self, home: Path, socket: Path) -> None:
        self._home = home
        self._environment = {**environment(home), "AGENT_AUTH_SOCK": str(socket)}

    def command(self, *arguments: str) -> List[str]:
        return [str(binaries.command_line()), *arguments]

    def call(
        self, *arguments: str, typed: Optional[str] = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs it to its end. Standard input is what was typed, else empty."""
        ended = subprocess.run(
            self.command(*arguments),
            input=typed or "",
            capture_output=True,
            text=True,
            env=self._environment,
            cwd=self._home,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        name = f"of agent-auth {arguments[0]}"
        may_print = _MAY_PRINT.get(arguments[0], ())
        leaks.note_stream(f"standard output {name}", ended.stdout.encode, may_print)
        leaks.note_stream(f"standard error {name}", ended.stderr.encode)
        return ended

    def expect(self, *arguments: str, typed: Optional[str] = None) -> str:
        """Runs it, and it must succeed; what it printed."""
        ended = self.call(*arguments, typed=typed)
        assert ended.returncode == 0, (
            f"{ended.args}: {ended.returncode}\n{ended.stdout}{ended.stderr}"
        )
        return ended.stdout

    def start(self, *arguments: str) -> Process:
        """Runs it beside the test."""
        return Process(
            self.command(*arguments),
            self._environment,
            cwd=self._home,
            may_print=_MAY_PRINT.get(arguments[0], ()),
        )
