"""The machine's daemon (`--system`) as a process of its own, and what it takes."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import time
from typing import List

from .wire import ask


class Daemon:
    """One installation below a folder."""

    def __init__(self, binary: pathlib.Path, home: pathlib.Path, settings: str = "") -> None:
        home.chmod(0o755)
        self.home = home
        self.socket = str(home / "run" / "s")
        self.log_file = home / "log"
        (home / "settings.toml").write_text(settings)
        command: List[str] = [
            str(binary), "--system", f"--config={home}/settings.toml",
            f"--socket={self.socket}", f"--data-dir={home}/data",
            f"--key-file={home}/key/vault.key", "--redirect-listen=127.0.0.1:0",
            "--log-level=info", "--log-format=json",
        ]
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        end = time.monotonic() + 30
        while not self._serves():
            if not self.is_running or time.monotonic() > end:
                sys.exit(f"the daemon does not start\n{self.log}")
            time.sleep(0.01)
        self.redirect_base: str = ask(self.socket, "GET", "/info")[1]["redirect_base"]

    def _serves(self) -> bool:
        try:
            return ask(self.socket, "GET", "/ok")[0] == 200
        except OSError:
            return False

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def log_bytes(self) -> int:
        return self.log_file.stat().st_size

    def reset_peak(self) -> None:
        """Lets [`peak_mib`] begin anew (proc_pid_clear_refs(5))."""
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def memory_mib(self, what: str = "VmRSS") -> int:
        """Resident memory in MiB, now (`VmRSS`) or at most (`VmHWM`)."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(what))
        return int(line.split()[1]) // 1024

    @property
    def threads(self) -> int:
        return len(list(pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()))

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(45)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
