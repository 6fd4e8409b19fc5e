"""The units under a live systemd: for every user of the machine, and a user's own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

from harness import binaries
from harness.machine import Machine
from harness.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
SERVICE = "agent-authd.service"
SOCKETS = ("agent-authd.socket", "agent-authd-redirect.socket")
PROVIDER = "http://127.0.0.1:9000"
KEY = "/var/lib/agent-authd-key/vault.key"

# Where systemd reads what is put to a unit: the machine's, and one in a home.
SYSTEM, USER = "etc/systemd/system", ".config/systemd/user"


@pytest.fixture(scope="module")
def booted() -> Iterator[Machine]:
    """A machine with the programs and units as a package has them, and two users."""
    scratch = Path(tempfile.mkdtemp(prefix="aa-machine-"))
    machine = Machine(Path(os.environ.get("SYSTEMD_TREE", "/")), scratch)
    try:
        programs = machine.root / "usr/bin"
        shutil.copy(binaries.daemon(), programs / "agent-authd")
        shutil.copy(binaries.command_line(), programs / "agent-auth")
        for kind in ("system", "user"):
            units = machine.root / "usr/lib/systemd" / kind
            shutil.copytree(ROOT / "systemd" / kind, units, dirs_exist_ok=True)
        # It is for an administrator to copy.
        (machine.root / f"usr/lib/systemd/system/{SERVICE}.d/credential.conf").unlink()
        shutil.copy(ROOT / "tests/e2e/machine/provider.py", machine.root / "usr/local/lib")
        machine.run("systemctl", "daemon-reload")
        provider = ["python3", "/usr/local/lib/provider.py"]
        machine.run("systemd-run", "--unit=provider", *provider)
        for user in ("ada", "grace"):
            machine.add_user(user)
        yield machine
    finally:
        machine.close()
        scratch.rmdir()


@pytest.fixture
def machine(booted: Machine) -> Iterator[Machine]:
    """The machine with the shared service installed and never started."""
    booted.run("systemctl", "enable", "--now", *SOCKETS)
    yield booted
    booted.run("systemctl", "disable", "--now", SERVICE, *SOCKETS)
    booted.run("systemctl", "reset-failed")
    for name in ("agent-authd", "agent-authd-key"):
        booted.run("rm", "-rf", f"/var/lib/{name}", f"/var/lib/private/{name}")
    shutil.rmtree(booted.root / SYSTEM / f"{SERVICE}.d", ignore_errors=True)
    booted.run("systemctl", "daemon-reload")


@pytest.fixture
def ada(booted: Machine) -> Iterator[Machine]:
    """The machine on which Ada may have a service of her own."""
    yield booted
    booted.run("agent-auth", "service", "uninstall", user="ada", check=False)
    booted.run("systemctl", "--user", "reset-failed", user="ada", check=False)
    home = booted.root / "home/ada"
    for name in (".config/agent-authd", ".local/share/agent-authd", f"{USER}/{SERVICE}.d"):
        shutil.rmtree(home / name, ignore_errors=True)


def change(machine: Machine, folder: str, text: str) -> None:
    """Puts settings to the service's own, without a restart."""
    path = machine.root / folder / f"{SERVICE}.d" / "changed.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[Service]\n{text}\n")
    scope = ["--user"] if folder.startswith("home") else []
    machine.run("systemctl", *scope, "daemon-reload", user="ada" if scope else "root")


def log_in(machine: Machine, user: str) -> None:
    """Has a user log in; their browser is Python's own client."""
    endpoints = [f"--auth-url={PROVIDER}/authorize", f"--token-url={PROVIDER}/token"]
    machine.run("agent-auth", "provider", "add", "acme", "--client-id=me", *endpoints, user=user)
    login = machine.entering(user, "agent-auth", "login", "acme", "--no-browser")
    with subprocess.Popen(
        login, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as waiting:
        assert waiting.stdout is not None
        address = next(line for line in waiting.stdout if line.startswith(PROVIDER)).strip()
        visit = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).geturl())"
        ended_on = machine.run("python3", "-c", visit, address, user=user).stdout
        assert ended_on.startswith("http://127.0.0.1:8252/connected/")
        assert f"Connected to acme, for {user}." in waiting.stdout.read()
        assert waiting.wait() == 0


def token(machine: Machine, user: str) -> str:
    return machine.run("agent-auth", "token", "acme", user=user).stdout.strip()


def hang(machine: Machine, user: str = "root") -> None:
    """Stops the daemon's process, and waits until systemd has replaced it."""
    pid = machine.show(SERVICE, "MainPID", user)
    machine.run("kill", "-STOP", pid)
    wait_for("another daemon", lambda: machine.show(SERVICE, "MainPID", user) not in (pid, "0"))


def test_the_first_request_starts_the_daemon_and_users_are_kept_apart(machine: Machine) -> None:
    assert machine.show(SERVICE, "ActiveState") == "inactive"
    log_in(machine, "ada")
    assert machine.show(SERVICE, "ActiveState") == "active"
    status = "serving /run/agent-authd/agent-auth.sock, redirects at http://127.0.0.1:8252"
    assert machine.show(SERVICE, "StatusText") == status
    log_in(machine, "grace")
    assert token(machine, "ada") != token(machine, "grace")
    for stranger in ("root", "nobody"):
        listed = machine.run("agent-auth", "tokens", "list", user=stranger, check=False)
        assert "acme" not in listed.stdout
    owners = machine.run("stat", "-Lc%u %a", "/var/lib/agent-authd", KEY).stdout.split()
    # systemd.exec(5): where DynamicUser= takes its accounts from.
    assert 61184 <= int(owners[0]) <= 65519
    assert owners == [owners[0], "700", owners[0], "600"]


def test_nothing_that_the_daemon_does_is_forbidden_to_it(machine: Machine) -> None:
    change(machine, SYSTEM, "SystemCallErrorNumber=kill")
    log_in(machine, "ada")
    before = token(machine, "ada")
    machine.run("systemctl", "restart", SERVICE)
    assert token(machine, "ada") == before
    machine.run("systemctl", "stop", SERVICE)
    assert machine.show(SERVICE, "Result") == "success"
    assert machine.show(SERVICE, "NRestarts") == "0"
    assert '"level":"WARN"' not in machine.journal(SERVICE)


def test_a_daemon_that_hangs_is_replaced_and_one_that_is_well_is_not(machine: Machine) -> None:
    change(machine, SYSTEM, "WatchdogSec=3\nRestartSec=0")
    log_in(machine, "ada")
    before = token(machine, "ada")
    limit = int(machine.show(SERVICE, "ActiveEnterTimestampMonotonic")) + 4_000_000
    ping = "WatchdogTimestampMonotonic"
    wait_for("a ping beyond the limit", lambda: int(machine.show(SERVICE, ping)) > limit)
    assert machine.show(SERVICE, "NRestarts") == "0"
    hang(machine)
    assert machine.show(SERVICE, "NRestarts") == "1"
    assert token(machine, "ada") == before


def test_a_daemon_that_cannot_start_leaves_its_port_to_nobody(machine: Machine) -> None:
    change(machine, SYSTEM, "RestartSec=0")
    settings = machine.root / "etc/agent-authd/config.toml"
    settings.write_text("nonsense\n")
    asking = machine.entering("ada", "agent-auth", "status")
    with subprocess.Popen(asking, stdout=subprocess.PIPE, text=True) as waiting:
        # systemd gives up after five starts in ten seconds unless it is told not to.
        wait_for("many starts", lambda: int(machine.show(SERVICE, "NRestarts")) > 6)
        for unit in SOCKETS:
            assert machine.show(unit, "ActiveState") == "active"
        settings.unlink()
        assert waiting.stdout is not None
        assert "status     ok" in waiting.stdout.read()


def test_a_stopped_service_leaves_no_socket_for_clients_to_take(machine: Machine) -> None:
    machine.run("agent-auth", "status", user="ada")
    machine.run("systemctl", "stop", SERVICE, *SOCKETS)
    assert not machine.run("ls", "/run/agent-authd").stdout


def test_what_root_does_to_the_vault_leaves_it_to_the_daemon(machine: Machine) -> None:
    log_in(machine, "ada")
    before = token(machine, "ada")
    machine.run("systemctl", "stop", SERVICE)
    machine.run("agent-auth", "key", "rotate", "--system")
    machine.run("agent-auth", "vault", "check", "--system")
    assert token(machine, "ada") == before


def test_the_key_comes_as_a_sealed_credential(machine: Machine) -> None:
    log_in(machine, "ada")
    before = token(machine, "ada")
    drop_in = ROOT / f"systemd/system/{SERVICE}.d/credential.conf"
    text = drop_in.read_text()
    sealing = re.search(r"#   (systemd-creds .*) \\\n#     (\S+)\n", text)
    assert sealing, text
    machine.run("install", "-d", "-m700", "/etc/credstore.encrypted")
    machine.run(*sealing[1].split(), sealing[2])
    folder = machine.root / SYSTEM / f"{SERVICE}.d"
    folder.mkdir(parents=True)
    shutil.copy(drop_in, folder)
    machine.run("rm", KEY)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", SERVICE)
    assert token(machine, "ada") == before
    assert machine.run("ls", str(Path(KEY).parent)).stdout == ""


def test_a_user_installs_a_service_and_takes_it_away_again(ada: Machine) -> None:
    first = ada.run("agent-auth", "service", "install", user="ada")
    assert "namespaces.conf" in first.stdout
    second = ada.run("agent-auth", "service", "install", user="ada")
    assert "wrote" not in second.stdout
    assert ada.run("agent-auth", "service", "status", user="ada", check=False).returncode == 3
    log_in(ada, "ada")
    assert ada.run("agent-auth", "service", "status", user="ada").returncode == 0
    assert '"message":"ready"' in ada.run("agent-auth", "service", "logs", user="ada").stdout
    # The namespaces: root is nobody in there.
    own = "/run/user/" + ada.run("id", "-u", "ada").stdout.strip() + "/agent-authd/agent-auth.sock"
    probe = f"import socket as s; c = s.socket(s.AF_UNIX); c.connect('{own}'); print(c.recv(1))"
    assert "b''" in ada.run("python3", "-c", probe, check=False).stdout
    before = token(ada, "ada")
    ada.run("systemctl", "--user", "restart", SERVICE, user="ada")
    assert token(ada, "ada") == before
    ada.run("agent-auth", "service", "uninstall", user="ada")
    assert not ada.run("ls", str(Path(own).parent)).stdout
    assert (ada.root / "home/ada/.config/agent-authd/vault.key").exists()


def test_a_users_key_comes_as_a_sealed_credential(ada: Machine) -> None:
    if ada.version() < 258:
        pytest.skip(f"systemd {ada.version()} cannot unseal for a user's services; 258 can")
    ada.run("agent-auth", "service", "install", user="ada")
    log_in(ada, "ada")
    before = token(ada, "ada")
    settings = "/home/ada/.config/agent-authd"
    places = (f"{settings}/vault.key", f"{settings}/vault-key.cred")
    ada.run("systemd-creds", "--user", "encrypt", "--name=vault-key", *places, user="ada")
    ada.run("rm", places[0], user="ada")
    sealed = "LoadCredentialEncrypted=vault-key:%E/agent-authd/vault-key.cred"
    assert f"#{sealed}\n" in (ROOT / "systemd/user" / SERVICE).read_text()
    change(ada, f"home/ada/{USER}", sealed)
    ada.run("systemctl", "--user", "restart", SERVICE, user="ada")
    assert token(ada, "ada") == before
    assert not (ada.root / places[0][1:]).exists()


def test_nothing_that_a_users_daemon_does_is_forbidden_to_it(ada: Machine) -> None:
    ada.run("agent-auth", "service", "install", user="ada")
    changes = "SystemCallErrorNumber=kill\nWatchdogSec=3\nRestartSec=0"
    change(ada, f"home/ada/{USER}", changes)
    log_in(ada, "ada")
    before = token(ada, "ada")
    assert ada.show(SERVICE, "NRestarts", "ada") == "0"
    hang(ada, "ada")
    assert token(ada, "ada") == before


def test_a_package_may_bring_the_namespaces_and_no_folders(ada: Machine) -> None:
    ada.run("systemctl", "--user", "enable", "--now", "agent-authd.socket", user="ada")
    assert ada.show(SERVICE, "PrivateUsers", "ada") == "yes"
    ada.run("agent-auth", "status", user="ada")
    ada.run("systemctl", "--user", "disable", "--now", "agent-authd.socket", user="ada")
    folders = ada.run("stat", "-c%a %U", "/home/ada/.local/share/agent-authd").stdout
    assert folders == "700 ada\n"
