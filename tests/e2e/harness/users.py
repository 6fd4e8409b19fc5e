"""Other users of the machine, as the kernel sees them. The suite runs as root."""

from __future__ import annotations

# Loaded here, since the interpreter may lie where another user cannot read.
import encodings.idna  # noqa: F401
import os
import pickle
import signal
import socket
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional, TypeVar, Union
from urllib.parse import urlsplit

import httpx

from . import leaks
from .daemon import Daemon
from .process import Process, environment

Value = TypeVar("Value")

# Uids that the system has no name for, so that nothing depends on its users.
ADA, GRACE = 61_001, 61_002


def run_as(uid: int, work: Callable[[], Value]) -> Value:
    """What `work` returns or raises in a process of that user."""
    need_root()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # Nothing of the test's own goes on in here, whatever happens.
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            try:
                outcome = (work(), None)
            except Exception as error:  # handed on to the test
                outcome = (None, f"{type(error).__name__}: {error}")
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(outcome, pipe)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    os.waitpid(child, 0)
    value, error = pickle.loads(content)
    if error is not None:
        raise AsUserError(error)
    return value


def need_root() -> None:
    assert os.geteuid() == 0, "only root can be several users: run these tests as root"


@contextmanager
def held_connections(uid: int, where: Union[Path, str], count: int) -> Iterator[None]:
    """So many idle connections of a process of that user, to a socket or a URL."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            held = [_connect(where) for _ in range(count)]  # noqa: F841
            # Holds them until it is killed.
            os.kill(os.getpid(), signal.SIGSTOP)
        finally:
            os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _connect(where: Union[Path, str]) -> socket.socket:
    if isinstance(where, str):
        address = urlsplit(where)
        return socket.create_connection((address.hostname, address.port))
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(where))
    return connection


class AsUserError(Exception):
    """What went wrong in the other user's process."""


class Caller:
    """One user's programs, before one daemon's socket."""

    def __init__(self, uid: int, socket: Path) -> None:
        self.uid = uid
        self._socket = socket

    def ask(self, method: str, path: str, json: Any = None) -> httpx.Response:
        def send() -> httpx.Response:
            transport = httpx.HTTPTransport(uds=str(self._socket))
            with httpx.Client(transport=transport, base_url="http://localhost") as client:
                return client.request(method, path, json=json, timeout=30.0)

        answer = run_as(self.uid, send)
        leaks.note_answer(answer)
        return answer

    def browse(self, url: str, host: Optional[str] = None) -> httpx.Response:
        """What a browser of this user gets, without going where it is sent."""
        headers = {} if host is None else {"Host": host}
        answer = run_as(self.uid, lambda: httpx.get(url, headers=headers, timeout=30.0))
        leaks.note(f"the page at {answer.request.url.path}", answer.content)
        return answer

    def send_form(self, url: str, fields: Dict[str, str]) -> httpx.Response:
        """What a browser of this user gets for the form of the page at `url`."""
        headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
        send = partial(httpx.post, url, data=fields, headers=headers, timeout=30.0)
        return run_as(self.uid, send)


class SharedDaemon(Daemon):
    """The machine's daemon, which serves every user."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        home.chmod(0o755)

    def command(self, *extra: str) -> list[str]:
        return super().command("--system", *extra)

    def caller(self, uid: int) -> Caller:
        return Caller(uid, self.socket)


class PrivateDaemon(Daemon):
    """A daemon that an ordinary user started."""

    def __init__(self, home: Path, uid: int) -> None:
        super().__init__(home)
        self.uid = uid
        need_root()
        os.chown(home, uid, uid)
        home.chmod(0o755)

    def spawn(self, *extra: str) -> Process:
        # The build's own folder may be closed to other users.
        binary, *arguments = self.command(*extra)
        own = self.home / "agent-authd"
        if not own.exists():
            own.write_bytes(Path(binary).read_bytes())
            own.chmod(0o755)
        command = [str(own), *arguments]
        return Process(command, environment(self.home), cwd=self.home, uid=self.uid)

    def caller(self, uid: Optional[int] = None) -> Caller:
        return Caller(self.uid if uid is None else uid, self.socket)
