"""The service manager's files: well-formed, tight, and they start the daemon."""

from __future__ import annotations

import plistlib
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import httpx
import pytest

from harness import binaries
from harness.process import Process, environment
from harness.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "systemd"

# What the exposure may be at most, of 10.
LIMITS = {"system": 1.5, "user": 6.5, "user with namespaces": 2.0}

# The keys of launchd.plist(5) that may be used, by their type.
PLIST_KEYS = {
    "ExitTimeOut": int,
    "KeepAlive": dict,
    "Label": str,
    "ProcessType": str,
    "ProgramArguments": list,
    "RunAtLoad": bool,
    "SoftResourceLimits": dict,
    "StandardErrorPath": str,
    "Umask": int,
}


def analyzed(*arguments: str, home: Path) -> str:
    ended = subprocess.run(
        ["systemd-analyze", *arguments],
        capture_output=True,
        text=True,
        env=environment(home),
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


@pytest.fixture(params=["system", "user", "user with namespaces"])
def units(request: pytest.FixtureRequest, home: Path) -> Tuple[str, Path]:
    """A copy of one kind's units, with a daemon that exists."""
    kind = request.param
    folder = home / "units"
    shutil.copytree(UNITS / kind.split()[0], folder)
    if kind == "user":
        shutil.rmtree(folder / "agent-authd.service.d")
    service = folder / "agent-authd.service"
    text = service.read_text()
    assert "ExecStart=/usr/bin/agent-authd " in text
    service.write_text(text.replace("/usr/bin/agent-authd", str(binaries.daemon())))
    return kind, folder


def test_systemd_finds_no_fault_with_the_units(units: Tuple[str, Path], home: Path) -> None:
    kind, folder = units
    scope = [] if kind == "system" else ["--user"]
    files = [str(path) for path in sorted(folder.iterdir()) if path.is_file()]
    assert analyzed(*scope, "verify", *files, home=home) == ""


def test_the_services_are_hardly_exposed(units: Tuple[str, Path], home: Path) -> None:
    kind, folder = units
    scope = [] if kind == "system" else ["--user"]
    service = str(folder / "agent-authd.service")
    report = analyzed(*scope, "security", "--offline=true", service, home=home)
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", report)
    assert level, report
    print(f"exposure of the {kind} unit: {level[1]}")
    assert float(level[1]) <= LIMITS[kind], report


def test_the_shared_daemon_sees_every_user_as_they_are() -> None:
    for path in (UNITS / "system").rglob("*"):
        if path.is_file():
            assert not re.search(r"^PrivateUsers=", path.read_text(), re.MULTILINE), path


@pytest.fixture
def activated(home: Path) -> Iterator[Process]:
    """systemd-socket-activate with the API's socket, and both for redirects."""
    (home / "run").mkdir(mode=0o700)
    command = [
        "systemd-socket-activate",
        f"--listen={home / 'run' / 's'}",
        f"--listen=127.0.0.1:{free_port()}",
        str(binaries.daemon()),
        f"--data-dir={home / 'data'}",
        f"--key-file={home / 'config' / 'vault.key'}",
        "--redirect-listen=127.0.0.1:0",
        "--log-level=trace",
    ]
    # It binds the socket by its own umask, as a unit's SocketMode= would.
    shell = ["sh", "-c", 'umask 077; exec "$@"', "sh", *command]
    with Process(shell, environment(home)) as process:
        wait_for("the socket", lambda: (home / "run" / "s").exists())
        yield process


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_first_request_starts_the_daemon_and_is_served(home: Path, activated: Process) -> None:
    path = home / "run" / "s"
    assert "ready" not in activated.stderr
    with httpx.Client(
        transport=httpx.HTTPTransport(uds=str(path)), base_url="http://localhost", timeout=60
    ) as client:
        info = client.get("/info").raise_for_status().json()
    inherited = next(word for word in activated.command if word.startswith("--listen=127"))
    assert info["redirect_base"] == f"http://{inherited.partition('=')[2]}"
    assert httpx.get(info["redirect_base"]).status_code == 404
    activated.signal(signal.SIGTERM)
    assert activated.wait() == 0
    assert path.exists(), "the service manager's socket is not the daemon's to remove"


def test_an_inherited_socket_that_others_may_use_is_refused(home: Path, activated: Process) -> None:
    path = home / "run" / "s"
    path.chmod(0o666)
    with pytest.raises(httpx.TransportError):
        httpx.Client(transport=httpx.HTTPTransport(uds=str(path))).get("http://localhost/ok")
    assert activated.wait() == 1
    assert "SocketMode=0600" in activated.stderr


class Notified:
    """The socket at which a service manager hears of its service."""

    def __init__(self, home: Path) -> None:
        self.path = home / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.settimeout(30)

    def next(self) -> str:
        return self._socket.recv(4096).decode()


def test_the_service_manager_is_told_of_readiness_health_and_the_end(home: Path) -> None:
    notified = Notified(home)
    told = {"NOTIFY_SOCKET": str(notified.path), "WATCHDOG_USEC": "300000"}
    command = [
        str(binaries.daemon()),
        f"--socket={home / 'run' / 's'}",
        f"--data-dir={home / 'data'}",
        f"--key-file={home / 'config' / 'vault.key'}",
        "--redirect-listen=127.0.0.1:0",
        "--log-level=trace",
    ]
    with Process(command, {**environment(home), **told}) as process:
        ready, status = notified.next().splitlines()
        assert ready == "READY=1" and status.startswith(f"STATUS=serving {home / 'run' / 's'}, ")
        assert notified.next() == "WATCHDOG=1\n"
        assert notified.next() == "WATCHDOG=1\n"
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
        rest = [notified.next()]
        while rest[-1] == "WATCHDOG=1\n":
            rest.append(notified.next())
        assert rest[-1] == "STOPPING=1\n"


@pytest.mark.parametrize("name", ["agent", "daemon"])
def test_the_property_lists_hold_known_keys_alone(name: str) -> None:
    with (ROOT / "launchd" / f"{name}.plist").open("rb") as file:
        content = plistlib.load(file)
    assert {key: type(value) for key, value in content.items()} == {
        key: PLIST_KEYS[key] for key in content
    }
    assert content["ProgramArguments"][0] == "/usr/local/bin/agent-authd"
    assert ("--system" in content["ProgramArguments"]) == (name == "daemon")
    assert content["Umask"] == 0o077


class Installation:
    """`agent-auth service` before a systemctl that only takes notes."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.notes = home / "calls"
        tools = home / "tools"
        tools.mkdir()
        for name in ("systemctl", "systemd-run", "journalctl"):
            tool = tools / name
            tool.write_text(f'#!/bin/sh\necho "{name} $*" >> "{self.notes}"\nexit 3\n')
            tool.chmod(0o755)
        (tools / "systemctl").write_text(
            f'#!/bin/sh\necho "systemctl $*" >> "{self.notes}"\n[ "$2" != status ] || exit 3\n'
        )
        # Namespaces are tried, and are there to be had.
        (tools / "systemd-run").write_text("#!/bin/sh\n")
        surroundings = environment(home)
        self.environment = {**surroundings, "PATH": f"{tools}:{surroundings['PATH']}"}

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(binaries.command_line()), "service", *arguments],
            capture_output=True,
            text=True,
            env=self.environment,
            check=False,
        )

    def calls(self) -> List[str]:
        """What was asked of the service manager since the last time."""
        text = self.notes.read_text() if self.notes.exists() else ""
        self.notes.unlink(missing_ok=True)
        return text.splitlines()

    def files(self) -> Dict[str, str]:
        folder = self.home / ".config" / "systemd" / "user"
        found = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): path.read_text() for path in found}


@pytest.fixture
def installation(home: Path) -> Installation:
    return Installation(home)


def test_a_dry_run_says_all_and_does_nothing(installation: Installation) -> None:
    for scope in ([], ["--system"]):
        if scope and str(binaries.daemon()).startswith(("/root", "/home", "/tmp")):
            continue  # refused, since the service could not see it: tested below
        ended = installation.call("install", "--dry-run", *scope)
        assert ended.returncode == 0, ended.stderr
        assert "would write" in ended.stdout
        assert "would run systemctl" in ended.stdout
        assert ended.stdout.splitlines()[-1].startswith("Would install: ")
    assert installation.files() == {}
    assert installation.calls() == []


def test_installing_twice_is_installing_once(installation: Installation, home: Path) -> None:
    first = installation.call("install")
    assert first.returncode == 0, first.stderr
    files = installation.files()
    service = files["agent-authd.service"]
    assert f'ExecStart="{binaries.command_line().with_name("agent-authd")}" serve' in service
    assert "SocketMode=0600" in files["agent-authd.socket"]
    expected = [
        "systemctl --user daemon-reload",
        "systemctl --user enable --now agent-authd.socket",
        "systemctl --user try-restart agent-authd.service",
    ]
    assert installation.calls() == expected
    analyzed(
        "--user", "verify", str(home / ".config/systemd/user/agent-authd.service"), home=home
    )

    second = installation.call("install")
    assert second.returncode == 0
    assert "wrote" not in second.stdout
    assert second.stdout.count("unchanged:") == len(files)
    assert installation.files() == files


def test_uninstalling_leaves_the_vault_and_can_be_repeated(installation: Installation) -> None:
    installation.call("install")
    installation.calls()
    vault = installation.home / ".local" / "share" / "agent-authd" / "vault.db"
    vault.parent.mkdir(parents=True)
    vault.write_text("kept")
    for _ in range(2):
        ended = installation.call("uninstall")
        assert ended.returncode == 0, ended.stderr
        assert installation.files() == {}
        assert installation.calls() == [
            "systemctl --user disable --now agent-authd.socket agent-authd.service",
            "systemctl --user daemon-reload",
        ]
    assert vault.read_text() == "kept"


def test_status_and_logs_end_as_the_service_manager_does(installation: Installation) -> None:
    assert installation.call("status").returncode == 3
    assert installation.call("logs").returncode == 3
    units = "agent-authd.socket agent-authd.service"
    assert installation.calls() == [
        f"systemctl --user status --no-pager {units}",
        "journalctl --user --unit agent-authd.service --lines=200 --no-pager",
    ]


def test_the_shared_service_needs_a_daemon_that_it_can_see(home: Path) -> None:
    copy = home / "copy"
    copy.mkdir()
    shutil.copy(binaries.command_line(), copy / "agent-auth")
    (copy / "agent-authd").touch()
    ended = subprocess.run(
        [str(copy / "agent-auth"), "service", "install", "--system", "--dry-run"],
        capture_output=True,
        text=True,
        env=environment(home),
        check=False,
    )
    assert ended.returncode == 1
    assert "/usr/local/bin" in ended.stderr
