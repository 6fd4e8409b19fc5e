"""A command at a terminal of its own, as a person sees it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import subprocess
import termios
import threading
from pathlib import Path
from typing import Container, Mapping

from . import leaks
from .waiting import DEADLINE_SECONDS, wait_for

# A line that the command replaces while it waits, and the return to its start.
_REPLACED = re.compile(r"\r\x1b\[K[^\r\n]*(?=\r\x1b\[K)|\r\x1b\[K")
_COLOR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """A command that `bash` runs at a terminal; killed at the end of its `with` block."""

    def __init__(
        self,
        command: str,
        environment: Mapping[str, str],
        cwd: Path,
        may_show: Container[str] = (),
    ) -> None:
        """`may_show`: the kinds of secrets that the command is there to print."""
        self.command = command
        self._screen = bytearray()
        self._keyboard, end = pty.openpty()
        self._child = subprocess.Popen(
            ["bash", "-c", command],
            stdin=end,
            stdout=end,
            stderr=end,
            env=dict(environment),
            cwd=cwd,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(end)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        leaks.note_stream(f"the terminal of {command}", lambda: bytes(self._screen), may_show)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        os.close(self._keyboard)

    @property
    def shown(self) -> str:
        """What is on the screen, without colours and replaced lines."""
        text = self._screen.decode(errors="replace").replace("\r\n", "\n")
        return _COLOR.sub("", _REPLACED.sub("", text))

    def wait_for(self, pattern: str) -> str:
        """The first match of `pattern` on the screen."""

        def probe() -> str:
            found = re.search(pattern, self.shown)
            is_over = self._child.poll() is not None and not self._reader.is_alive()
            assert found or not is_over, f"{self.command} ended without {pattern}:\n{self.shown}"
            return found.group() if found else ""

        return wait_for(f"{pattern} from {self.command}", probe)

    def type_unseen(self, line: str) -> None:
        """Types a line once the terminal shows no input."""
        wait_for("a terminal without echo", self._is_unseen)
        os.write(self._keyboard, f"{line}\n".encode())

    def interrupt(self) -> None:
        """Presses Ctrl-C."""
        os.killpg(self._child.pid, signal.SIGINT)

    def wait(self) -> int:
        """The exit code, once the command has ended."""
        code = self._child.wait(DEADLINE_SECONDS)
        self._reader.join(DEADLINE_SECONDS)
        return code

    def _is_unseen(self) -> bool:
        return not termios.tcgetattr(self._keyboard)[3] & termios.ECHO

    def _read(self) -> None:
        while True:
            try:
                read = os.read(self._keyboard, 4096)
            except OSError:
                return  # the other end is closed
            if not read:
                return
            self._screen += read
