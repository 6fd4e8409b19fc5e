"""Requests as bytes, connections as sockets, processes as other users."""

from __future__ import annotations

# Loaded here, since the interpreter may lie where another user cannot read.
import encodings.idna  # noqa: F401
import json
import os
import pickle
import signal
import socket
import time
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, Tuple, TypeVar

Value = TypeVar("Value")

# Uids that the system has no name for: the one who attacks, the one who works.
HOSTILE, GOOD = 61_001, 61_002

# How long a full queue is tried again, as `agent-auth` does.
QUEUE_SECONDS = 5.0


def request(method: str, path: str, body: Any = None, *headers: str, host: str = "localhost") -> bytes:
    """One request of HTTP/1.1, with a JSON body if there is one."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


def connect(path: str, timeout: float = 30.0) -> socket.socket:
    """A connection to the API; where the queue is full, tried again for a while."""
    end = time.monotonic() + QUEUE_SECONDS
    while True:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        try:
            connection.connect(path)
            return connection
        except BlockingIOError:
            connection.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.002)


def read_answer(connection: socket.socket) -> Tuple[int, bytes]:
    """The status and body of one answer, in one piece or in parts (RFC 9112, section 7.1)."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(connection)
    head, _, rest = received.partition(b"\r\n\r\n")
    status, head = int(head.split()[1]), head.lower()
    if b"\r\ntransfer-encoding: chunked" in head:
        parts = [rest]
        while not parts[-1].endswith(b"0\r\n\r\n"):
            parts.append(_some(connection))
        return status, _joined(b"".join(parts))
    length = 0
    for line in head.split(b"\r\n")[1:]:
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    parts, missing = [rest], length - len(rest)
    while missing > 0:
        parts.append(_some(connection))
        missing -= len(parts[-1])
    return status, b"".join(parts)


def _joined(chunks: bytes) -> bytes:
    parts, at = [], 0
    while True:
        line = chunks.index(b"\r\n", at)
        length = int(chunks[at:line], 16)
        if length == 0:
            return b"".join(parts)
        parts.append(chunks[line + 2:line + 2 + length])
        at = line + 2 + length + 2


def _some(connection: socket.socket) -> bytes:
    chunk = connection.recv(65536)
    if not chunk:
        raise ConnectionResetError("the connection ended before the answer did")
    return chunk


def ask(path: str, method: str, target: str, body: Any = None) -> Tuple[int, Any]:
    """One request over a connection of its own: the status and the JSON."""
    connection = connect(path)
    try:
        connection.sendall(request(method, target, body, "Connection: close"))
        status, content = read_answer(connection)
    finally:
        connection.close()
    return status, json.loads(content or b"null")


def become(uid: int) -> None:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


@contextmanager
def process(uid: int, work: Callable[[], Any]) -> Iterator[int]:
    """A process of that user that works until it is killed."""
    child = os.fork()
    if child == 0:
        try:
            become(uid)
            work()
        finally:
            os._exit(0)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


class Job:
    """Work in a process of that user, whose result is fetched later."""

    def __init__(self, uid: int, work: Callable[[], Value]) -> None:
        reading, writing = os.pipe()
        self.child = os.fork()
        if self.child == 0:
            os.close(reading)
            try:
                become(uid)
                try:
                    outcome = (work(), None)
                except Exception as error:  # handed on
                    outcome = (None, f"{type(error).__name__}: {error}")
                with os.fdopen(writing, "wb") as pipe:
                    pickle.dump(outcome, pipe)
            finally:
                os._exit(0)
        os.close(writing)
        self.pipe = os.fdopen(reading, "rb")

    def result(self) -> Any:
        with self.pipe:
            content = self.pipe.read()
        os.waitpid(self.child, 0)
        value, error = pickle.loads(content)
        if error is not None:
            raise RuntimeError(error)
        return value


def run_as(uid: int, work: Callable[[], Value]) -> Value:
    """What `work` returns or raises in a process of that user."""
    return Job(uid, work).result()


def drop(held: List[socket.socket]) -> None:
    for one in held:
        one.close()
    held.clear()
