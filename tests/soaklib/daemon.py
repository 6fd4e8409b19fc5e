"""The daemon under test: started, killed, frozen and started again."""

from __future__ import annotations

import http.client
import json
import pathlib
import signal
import socket
import subprocess
import sys
import time
from typing import Any, List, Optional, Tuple


class Connection(http.client.HTTPConnection):
    """To the daemon's socket, kept open."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def call(self, method: str, path: str, body: Any = None) -> Tuple[int, Any]:
        self.send_call(method, path, body)
        reply = self.getresponse()
        return reply.status, json.loads(reply.read() or "null")

    def send_call(self, method: str, path: str, body: Any = None) -> None:
        data = None if body is None else json.dumps(body)
        self.request(method, path, data, {"Content-Type": "application/json"})


class Daemon:
    """One installation below a folder."""

    def __init__(self, binary: pathlib.Path, home: pathlib.Path, log: pathlib.Path) -> None:
        self.binary, self.home, self.log_file = binary, home, log
        self.socket = str(home / "s")
        self.process: Optional[subprocess.Popen] = None
        self.kills: List[float] = []
        self.processor_seconds = 0.0

    def start(self) -> None:
        """Starts it, and returns once it serves."""
        log = open(self.log_file, "ab")
        self.process = subprocess.Popen(
            [self.binary, f"--socket={self.socket}", f"--data-dir={self.home}/data",
             f"--key-file={self.home}/key/vault.key", "--redirect-listen=127.0.0.1:0",
             "--log-level=error"],
            stdout=subprocess.DEVNULL, stderr=log,
        )
        log.close()
        end = time.monotonic() + 30
        while not self._serves():
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"tests/soak: the daemon does not start\n{self.log()}")
            time.sleep(0.005)

    def require_running(self) -> None:
        """Ends the soak if the daemon ended by itself."""
        if self.process.poll() is not None:
            sys.exit(f"tests/soak: the daemon ended with {self.process.returncode}\n{self.log()}")

    def _serves(self) -> bool:
        try:
            return Connection(self.socket).call("GET", "/ok")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def kill(self) -> None:
        """kill -9, and the moment it happened."""
        self._count_processor()
        self.process.kill()
        self.kills.append(time.monotonic())
        self.process.wait()

    def stop(self) -> int:
        """An orderly stop; its exit code."""
        self._count_processor()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def freeze(self, seconds: float) -> None:
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)

    def memory(self) -> float:
        """Resident, in MiB."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0

    def log(self) -> str:
        return self.log_file.read_text()

    def _count_processor(self) -> None:
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        # utime and stime (proc_pid_stat(5)) in clock ticks of 10 ms.
        self.processor_seconds += (int(fields[11]) + int(fields[12])) / 100
