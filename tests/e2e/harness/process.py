"""A child process whose output is read as it comes.

Standard output and standard error are gathered by threads, so that a child
never blocks on a full pipe and a test can wait for a line with a deadline. At
the test's end both are searched for secrets, unless telling them is the child's
business.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import IO, Any, Callable, Container, Dict, List, Mapping, Optional, Sequence

from . import leaks
from .waiting import DEADLINE_SECONDS, wait_for


class Process:
    """A running child, killed at the end of its `with` block if it still lives."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        cwd: Optional[Path] = None,
        uid: Optional[int] = None,
        is_searched: bool = True,
        may_print: Container[str] = (),
    ) -> None:
        """`may_print`: the kinds of secrets that its standard output is there for."""
        self.command = list(command)
        self._is_searched = is_searched
        self._child = subprocess.Popen(
            self.command,
            # The loosest one, so that privacy is the program's own doing.
            umask=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd=cwd,
            text=True,
            errors="replace",
            **_identity(uid),
        )
        self._out: List[str] = []
        self._err: List[str] = []
        self._readers = [
            _gather(self._child.stdout, self._out),
            _gather(self._child.stderr, self._err),
        ]
        if is_searched:
            name = f"of {Path(self.command[0]).name} ({self.pid})"
            leaks.note_stream(f"standard output {name}", lambda: self.stdout.encode(), may_print)
            leaks.note_stream(f"standard error {name}", lambda: self.stderr.encode())

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._child.poll() is None

    @property
    def stdout(self) -> str:
        return "".join(self._out)

    @property
    def stderr(self) -> str:
        return "".join(self._err)

    def wait_for_line(self, what: str, accept: Callable[[str], bool], start: int = 0) -> str:
        """The first line from either stream, from the `start`th on, that is accepted."""

        def probe() -> Optional[str]:
            is_over = not self.is_running and not any(r.is_alive() for r in self._readers)
            lines = self._out[start:] + self._err
            found = next((line for line in lines if accept(line)), None)
            if found is None and is_over:
                raise AssertionError(f"ended before {what}\n{self.describe()}")
            return found

        return wait_for(f"{what} from {self.command[0]}", probe)

    def signal(self, number: signal.Signals) -> None:
        self._be_seen()
        self._child.send_signal(number)

    def wait(self, deadline_seconds: float = DEADLINE_SECONDS) -> int:
        """The exit code, once the child has ended by itself."""
        try:
            code = self._child.wait(deadline_seconds)
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"did not end\n{self.describe()}") from late
        for reader in self._readers:
            reader.join(deadline_seconds)
        return code

    def type(self, line: str) -> None:
        """Types a line at its standard input."""
        assert self._child.stdin is not None
        self._child.stdin.write(f"{line}\n")
        self._child.stdin.flush()

    def kill(self) -> None:
        """`kill -9`, and the child is gone when this returns."""
        if self.is_running:
            self._be_seen()
            self._child.kill()
        self.wait()

    def _be_seen(self) -> None:
        """Notes what the system shows of it, before it ends."""
        if self._is_searched:
            leaks.note_process(self.pid)

    def describe(self) -> str:
        """What a failure should show of this child."""
        return (
            f"command: {' '.join(self.command)}\nexit code: {self._child.poll()}\n"
            f"stdout: {self.stdout[-4000:]}\nstderr: {self.stderr[-4000:]}"
        )


def _gather(stream: Optional[IO[str]], lines: List[str]) -> threading.Thread:
    def read() -> None:
        if stream is not None:
            lines.extend(stream)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _identity(uid: Optional[int]) -> Dict[str, Any]:
    if uid is None:
        return {}
    return {"user": uid, "group": uid, "extra_groups": []}


def environment(home: Path) -> Dict[str, str]:
    """An environment with nothing of the machine's in it but its PATH."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home / "runtime"),
        "LANG": "C.UTF-8",
    }
