"""The running process keeps its memory, environment and descriptors to itself."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path
from typing import Iterator, List

import pytest

from harness.users import ADA, PrivateDaemon, run_as
from harness.waiting import wait_for

PTRACE_ATTACH, PTRACE_DETACH = 16, 17
O_CLOEXEC = 0o2000000


@pytest.fixture
def private(home: Path) -> Iterator[PrivateDaemon]:
    daemon = PrivateDaemon(home, ADA)
    daemon.start()
    yield daemon
    daemon.close()


def openings(pid: int) -> List[str]:
    """The ways into a process that another process of its user finds open."""
    found = []
    for name in ("environ", "mem", "maps", "auxv"):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as opened:
                if name == "mem":
                    found.append(name)
                elif opened.read(1):
                    found.append(name)
        except OSError:
            pass
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(PTRACE_ATTACH, pid, None, None) == 0:
        os.waitpid(pid, 0)
        libc.ptrace(PTRACE_DETACH, pid, None, None)
        found.append("ptrace")
    return found


def test_a_process_of_the_same_user_cannot_look_inside(private: PrivateDaemon) -> None:
    assert run_as(ADA, lambda: openings(private.pid)) == []


def test_an_ordinary_process_would_be_open(home: Path) -> None:
    # Else the test above could not fail. A child of the looker, so that a
    # kernel that allows tracing of descendants alone (Yama) allows it too.
    wanted = {"environ", "mem", "ptrace"}

    def look() -> bool:
        child = subprocess.Popen(["sleep", "60"])
        try:
            # It may still be on its way into the program.
            return wait_for("the ways in", lambda: wanted <= set(openings(child.pid)))
        finally:
            child.kill()

    assert run_as(ADA, look)


def test_nothing_is_inherited_by_what_it_might_start(private: PrivateDaemon) -> None:
    private.http.get("/info").raise_for_status()
    folder = Path(f"/proc/{private.pid}/fdinfo")
    inherited = []
    for entry in folder.iterdir():
        try:
            lines = entry.read_text().splitlines()
        except FileNotFoundError:
            continue  # closed meanwhile
        flags = next(line for line in lines if line.startswith("flags:"))
        if not int(flags.split()[1], 8) & O_CLOEXEC:
            inherited.append(int(entry.name))
    own = set(os.listdir("/proc/self/fd"))
    # Its three streams, and what the test itself left open for it.
    assert not [number for number in inherited if number > 2 and str(number) not in own], inherited


def test_a_crash_leaves_no_core(private: PrivateDaemon) -> None:
    limits = Path(f"/proc/{private.pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]


def test_it_is_confined_to_its_own_folders_where_the_kernel_can(private: PrivateDaemon) -> None:
    landlock_create_ruleset, ask_for_version = 444, 1
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(landlock_create_ruleset, None, 0, ask_for_version)
    enforced = "NotEnforced" if version < 1 else "FullyEnforced" if version >= 5 else "Enforced"
    assert f"landlock={enforced}" in private.log.replace("Partially", "")
