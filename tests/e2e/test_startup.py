"""Starting where something is wrong: a clear word, and nothing is harmed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from pathlib import Path

import httpx
import pytest

from harness import binaries
from harness.daemon import Daemon
from harness.person import Person
from harness.process import Process, environment
from harness.provider import AuthorizationServer

# Neither root nor anybody: no such account need exist.
STRANGER = 48_213


def complaint(process: Process) -> str:
    """What a start that must fail says; it ends by itself, and not by a panic."""
    with process:
        assert process.wait() != 0, process.describe()
        assert "panicked" not in process.stderr
        return process.stderr


def test_it_says_where_it_listens(daemon: Daemon) -> None:
    assert daemon.process is not None
    for place in (str(daemon.socket), daemon.redirect_base):
        daemon.process.wait_for_line(place, lambda line, place=place: place in line)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(daemon: Daemon, ending: signal.Signals) -> None:
    process = daemon.process
    assert process is not None
    process.signal(ending)
    assert process.wait() == 0
    with pytest.raises(httpx.ConnectError):
        daemon.http.get("/ok")


def test_without_settings_everything_has_its_place(stopped_daemon: Daemon) -> None:
    home = stopped_daemon.home
    command = [str(binaries.daemon()), "--redirect-listen=127.0.0.1:0", "--log-level=trace"]
    with Process(command, environment(home), cwd=home) as process:
        stopped_daemon.socket = home / "runtime" / "agent-authd" / "agent-auth.sock"
        process.wait_for_line("its socket", lambda line: str(stopped_daemon.socket) in line)
        made = [path.name for path in home.rglob("*") if path.is_file()]
        assert "vault.db" in made
        assert "vault.key" in made


def test_a_second_daemon_names_the_first(daemon: Daemon) -> None:
    assert str(daemon.pid) in complaint(daemon.spawn())
    assert daemon.http.get("/ok").status_code == 200


def test_a_socket_left_by_a_kill_is_no_obstacle(daemon: Daemon) -> None:
    daemon.kill()
    assert daemon.socket.exists()
    daemon.start()
    assert daemon.http.get("/ok").status_code == 200


def test_a_wrong_key_is_named_and_harms_nothing(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    person.log_in(daemon.begin()["url"])
    token = daemon.token()
    daemon.stop()
    right = daemon.key_file.rename(daemon.key_file.with_name("right.key"))
    other = Daemon(daemon.home / "other")
    try:
        other.home.mkdir()
        other.start()
        shutil.copy(other.key_file, daemon.key_file)
    finally:
        other.close()
    said = complaint(daemon.spawn())
    assert "key" in said
    assert str(daemon.key_file) in said
    right.replace(daemon.key_file)
    daemon.start()
    assert daemon.token() == token


def test_a_missing_key_is_never_made_anew_over_a_vault(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    person.log_in(daemon.begin()["url"])
    daemon.stop()
    daemon.key_file.unlink()
    assert str(daemon.key_file) in complaint(daemon.spawn())
    assert not daemon.key_file.exists()


def test_a_key_that_others_may_read_is_refused(daemon: Daemon) -> None:
    daemon.stop()
    daemon.key_file.chmod(0o644)
    assert str(daemon.key_file) in complaint(daemon.spawn())


def test_a_corrupt_vault_is_named_and_left_as_it_is(daemon: Daemon) -> None:
    daemon.stop()
    vault = daemon.data_dir / "vault.db"
    vault.write_bytes(b"this is no database" * 1000)
    before = vault.read_bytes()
    assert "vault.db" in complaint(daemon.spawn())
    assert vault.read_bytes() == before


def test_a_busy_port_names_the_setting(stopped_daemon: Daemon) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        stopped_daemon.redirect_listen = f"127.0.0.1:{busy.getsockname()[1]}"
        said = complaint(stopped_daemon.spawn())
    assert stopped_daemon.redirect_listen in said
    assert "redirect-listen" in said or "redirect_listen" in said


def test_a_redirect_address_beyond_this_machine_is_refused(stopped_daemon: Daemon) -> None:
    stopped_daemon.redirect_listen = "0.0.0.0:0"
    assert "this machine" in complaint(stopped_daemon.spawn())


def test_a_data_folder_below_a_file_is_named(stopped_daemon: Daemon) -> None:
    stopped_daemon.data_dir = stopped_daemon.home / "file" / "data"
    stopped_daemon.data_dir.parent.write_text("in the way")
    assert str(stopped_daemon.data_dir) in complaint(stopped_daemon.spawn())


def test_a_data_folder_that_may_not_be_written_is_named(stopped_daemon: Daemon) -> None:
    home = stopped_daemon.home
    stopped_daemon.data_dir.mkdir(mode=0o500)
    command = stopped_daemon.command()
    uid = None
    if os.geteuid() == 0:
        # Permissions hold root back from nothing.
        uid = STRANGER
        command[0] = str(shutil.copy(binaries.daemon(), home / "agent-authd"))
        for path in (home, *home.rglob("*")):
            os.chown(path, uid, uid)
    said = complaint(Process(command, environment(home), cwd=home, uid=uid))
    assert str(stopped_daemon.data_dir) in said


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("redirect_lisen = 'x'", "redirect_listen"),
        ("max_events = 'many'", "max_events"),
        ("nonsense", "line 1"),
    ],
)
def test_a_fault_in_the_file_of_settings_is_named(
    stopped_daemon: Daemon, line: str, named: str
) -> None:
    settings: Path = stopped_daemon.home / "config.toml"
    settings.write_text(line)
    said = complaint(stopped_daemon.spawn(f"--config={settings}"))
    assert named in said
    assert str(settings) in said
