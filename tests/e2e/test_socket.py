"""The path of the socket: existing files, owners, and the servers a client trusts."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from harness import binaries, leaks
from harness.daemon import Daemon
from harness.process import environment
from harness.users import ADA, GRACE, PrivateDaemon, run_as


def complaint(daemon: Daemon) -> str:
    """The error of a start that fails."""
    with daemon.spawn() as process:
        assert process.wait() == 1, process.describe()
        return process.stderr


def test_the_socket_of_a_crashed_daemon_is_replaced(daemon: Daemon) -> None:
    daemon.kill()
    assert daemon.socket.exists()
    daemon.start()
    assert daemon.http.get("/ok").status_code == 200


def test_the_socket_of_a_running_daemon_is_not_replaced(daemon: Daemon, home: Path) -> None:
    other = Daemon(home)
    other.data_dir, other.key_file = home / "other", home / "other-key" / "vault.key"
    said = complaint(other)
    assert f"another agent-authd (process {daemon.pid}) listens on {daemon.socket};" in said, said
    assert daemon.http.get("/ok").status_code == 200


def test_another_file_at_the_path_is_kept(stopped_daemon: Daemon, home: Path) -> None:
    precious = home / "precious"
    precious.write_text("kept")
    stopped_daemon.socket.parent.mkdir(mode=0o700)
    for make in (stopped_daemon.socket.symlink_to, stopped_daemon.socket.hardlink_to):
        make(precious)
        assert "it exists and is not a socket" in complaint(stopped_daemon)
        assert precious.read_text() == "kept"
        stopped_daemon.socket.unlink()


def test_a_lock_that_is_a_link_is_not_followed(stopped_daemon: Daemon, home: Path) -> None:
    precious = home / "precious"
    stopped_daemon.socket.parent.mkdir(mode=0o700)
    lock = Path(f"{stopped_daemon.socket}.lock")
    lock.symlink_to(precious)
    complaint(stopped_daemon)
    assert not precious.exists()


def test_a_folder_that_others_created_or_can_change_is_rejected(home: Path) -> None:
    home.chmod(0o755)
    foreign = home / "foreign"
    foreign.mkdir(mode=0o755)
    os.chown(foreign, GRACE, GRACE)
    open_to_all = home / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    inside = open_to_all / "inside"
    inside.mkdir(mode=0o700)
    os.chown(inside, ADA, ADA)
    shared = home / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    link = shared / "link"
    target = home / "target"
    target.mkdir(mode=0o700)
    os.chown(target, ADA, ADA)
    link.symlink_to(target)
    os.chown(link, GRACE, GRACE, follow_symlinks=False)
    for folder, why in {
        foreign: f"belongs to uid {GRACE}",
        open_to_all: "others can write",
        inside: "others can write",
        link: f"belongs to uid {GRACE}",
    }.items():
        daemon = PrivateDaemon(home, ADA)
        daemon.socket = folder / "s"
        assert why in complaint(daemon), folder


def test_the_folders_and_files_are_private(daemon: Daemon) -> None:
    for path, mode in {daemon.socket.parent: 0o700, daemon.socket: 0o600}.items():
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_clean_shutdown_leaves_the_socket_for_the_next_daemon(daemon: Daemon) -> None:
    assert daemon.stop() == 0
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
        client.connect(str(daemon.socket))
    daemon.start()
    assert daemon.http.get("/ok").status_code == 200


def test_a_client_sends_nothing_to_another_users_server(home: Path) -> None:
    home.chmod(0o777)
    path = home / "s"

    def listen() -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        socket.send_fds(theirs, [b"x"], [listener.fileno()])

    # Grace listens; the descriptor comes back to the test over a socket pair.
    ours, theirs = socket.socketpair()
    run_as(GRACE, listen)
    _, [descriptor], _, _ = socket.recv_fds(ours, 1, 1)
    path.chmod(0o666)
    listener = socket.socket(fileno=descriptor)
    listener.settimeout(30)
    client = subprocess.Popen(
        [str(binaries.command_line()), "--socket", str(path), "status"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(home),
    )
    connection, _ = listener.accept()
    connection.settimeout(30)
    received = connection.recv(1)
    _, said = client.communicate(timeout=30)
    assert client.returncode == 1
    assert f"runs as uid {GRACE}" in said
    assert received == b""


SYSTEMS = """
set -eu
mount -t tmpfs -o mode=755 tmpfs /run
install -d -m 755 -o {uid} -g {uid} /run/agent-authd
install -d -m 700 -o {uid} -g {uid} {home}/data {home}/key
setpriv --reuid={uid} --regid={uid} --clear-groups {home}/agent-authd --system \
    --data-dir={home}/data --key-file={home}/key/vault.key --log-level=trace \
    --redirect-listen=127.0.0.1:0 &
until [ -S /run/agent-authd/agent-auth.sock ]; do sleep 0.05; done
status=0
setpriv --reuid={other} --regid={other} --clear-groups {home}/agent-auth status || status=$?
kill $!
wait $! || :
exit $status
"""


def test_the_system_socket_is_found_and_its_account_is_trusted(home: Path) -> None:
    home.chmod(0o755)
    for binary in (binaries.daemon(), binaries.command_line()):
        (home / binary.name).write_bytes(binary.read_bytes())
        (home / binary.name).chmod(0o755)
    script = SYSTEMS.format(uid=ADA, other=GRACE, home=home)
    surroundings = environment(home)
    del surroundings["XDG_RUNTIME_DIR"]
    ended = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script],
        capture_output=True,
        text=True,
        env=surroundings,
        timeout=100,
        check=False,
    )
    leaks.note("what both wrote", f"{ended.stdout}{ended.stderr}".encode())
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "/run/agent-authd/agent-auth.sock" in ended.stdout
    assert "status     ok" in ended.stdout
