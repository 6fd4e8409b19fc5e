"""A machine with a systemd of its own, booted in a container (systemd-nspawn(1)).

Its files are a tree's with a layer over them that is thrown away: this machine's
own, or those of another system (SYSTEMD_TREE). It has a network and users of its
own. What nspawn adds in confinement is taken off, so that what a unit asks for is
all that confines its service.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Dict, List, Optional

from .waiting import wait_for

# Until it has booted, and until it has ended.
_BOOT_SECONDS, _END_SECONDS = 90.0, 30.0

# nspawn's own filter of system calls would hide the units', and the machine's
# hierarchy of control groups may be an old one.
_NSPAWN = {"SYSTEMD_SECCOMP": "0", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}

# Where services are switched on, and what a machine knows of itself.
_LOCAL = ["etc/systemd/system", "etc/systemd/user", "var/lib/systemd", "etc/agent-authd"]


class Machine:
    """A booted machine; `close` ends it."""

    def __init__(self, tree: Path, scratch: Path) -> None:
        assert os.geteuid() == 0, "only root can boot a machine: run this as root"
        self._scratch = scratch
        self._console = scratch / "console"
        self.root = scratch / "root"
        self._child: Optional[subprocess.Popen[bytes]] = None
        try:
            self._lay(tree)
            self._boot()
        except BaseException:
            self.close()
            raise

    def _lay(self, tree: Path) -> None:
        """The tree's files, with a layer of memory over them."""
        _call("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(self._scratch))
        for name in ("upper", "work", "root"):
            (self._scratch / name).mkdir()
        layers = f"lowerdir={tree},upperdir={self._scratch}/upper,workdir={self._scratch}/work"
        _call("mount", "-t", "overlay", "-o", layers, "overlay", str(self.root))
        for name in _LOCAL:
            shutil.rmtree(self.root / name, ignore_errors=True)
            (self.root / name).mkdir(parents=True)

    def _boot(self) -> None:
        command = [
            "systemd-nspawn",
            f"--directory={self.root}",
            *("--quiet", "--register=no", "--keep-unit", "--private-network"),
            *("--capability=all", f"--machine=tested-{os.getpid()}", "--boot"),
        ]
        with self._console.open("wb") as console:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**os.environ, **_NSPAWN},
                start_new_session=True,
            )
        wait_for("systemd to boot", self._has_booted, _BOOT_SECONDS)
        # It lies under a file that has no name any more, which no service's
        # own /proc could be laid over.
        self.run("umount", "/proc/kmsg", check=False)

    def _has_booted(self) -> bool:
        assert self._child is not None
        if self._child.poll() is not None:
            raise AssertionError(f"systemd cannot be booted here:\n{self.console()}")
        if self._leader() is None:
            return False
        return self.state() in ("running", "degraded")

    def _leader(self) -> Optional[int]:
        """The container's process 1, by its number out here."""
        assert self._child is not None
        pid = self._child.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if children else None

    def console(self) -> str:
        """The end of what was shown at the boot."""
        text = self._console.read_text(errors="replace")
        return re.sub(r"\x1b[^a-zA-Z]*[a-zA-Z]", "", text)[-3000:]

    def state(self, user: str = "root") -> str:
        """What systemd says of itself; a user's own for a user."""
        scope = [] if user == "root" else ["--user"]
        asked = self.run("systemctl", *scope, "is-system-running", user=user, check=False)
        return asked.stdout.strip()

    def version(self) -> int:
        """systemd's version."""
        return int(self.run("systemctl", "--version").stdout.split()[1])

    def run(
        self, *command: str, user: str = "root", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        ended = subprocess.run(
            self.entering(user, *command), capture_output=True, text=True, timeout=60, check=False
        )
        assert not check or ended.returncode == 0, (command, ended.stdout, ended.stderr)
        return ended

    def entering(self, user: str, *command: str) -> List[str]:
        """The command that runs another one in there."""
        inside = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
        return [
            *("nsenter", f"--target={self._leader()}", *inside, "--"),
            *("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"),
            *("env", "-i", "--chdir=/", *(f"{k}={v}" for k, v in self._environment(user).items())),
            *command,
        ]

    def _environment(self, user: str) -> Dict[str, str]:
        with (self.root / "etc/passwd").open() as file:
            fields = next(line.split(":") for line in file if line.startswith(f"{user}:"))
        return {
            "HOME": fields[5],
            "LANG": "C.UTF-8",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "USER": user,
            "XDG_RUNTIME_DIR": f"/run/user/{fields[2]}",
        }

    def add_user(self, name: str) -> None:
        """A user who has a service manager without being logged in."""
        self.run("useradd", "--create-home", "--user-group", name)
        self.run("loginctl", "enable-linger", name)
        wait_for(f"{name}'s service manager", lambda: self.state(name) == "running")

    def show(self, unit: str, name: str, user: str = "root") -> str:
        """A property of a unit."""
        scope = [] if user == "root" else ["--user"]
        return self.run("systemctl", *scope, "show", f"-P{name}", unit, user=user).stdout.strip()

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit).stdout

    def close(self) -> None:
        """Ends the machine and leaves nothing of it."""
        if self._child is not None and self._child.poll() is None:
            leader = self._leader()
            if leader is not None:
                os.kill(leader, signal.SIGRTMIN + 4)  # systemd(1): power off
            try:
                self._child.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        for place in (self.root, self._scratch):
            subprocess.run(["umount", "--lazy", str(place)], capture_output=True, check=False)


def _call(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"systemd cannot be booted here: {ended.stderr}"
