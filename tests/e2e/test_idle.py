"""Connections that common clients keep idle and reuse."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, List

import httpx
import requests
import requests.adapters
import urllib3
import urllib3.connection

from harness.daemon import Daemon

# Around the five seconds after which popular clients give an idle connection up,
# and after which a server must not do the same.
PAUSES = [4.9 + number / 100 for number in range(21)] + [0.5, 1.0, 3.0, 5.5, 6.0]

PATH = "/v2/auth/tokens/exists/batch"
BODY = {"provider_ids": ["acme"]}

Post = Callable[[], int]


class Connection(urllib3.connection.HTTPConnection):
    """urllib3's connection, to a socket of the file system."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Pool(urllib3.HTTPConnectionPool):
    """urllib3's pool: it looks whether a connection was closed before using it again."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", maxsize=1)
        self.path = path

    def _new_conn(self) -> Connection:
        self.num_connections += 1
        return Connection(self.path)


class Adapter(requests.adapters.HTTPAdapter):
    """requests, over such a pool."""

    def __init__(self, path: str) -> None:
        super().__init__(max_retries=0)
        self.pool = Pool(path)

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Pool:
        return self.pool


def with_httpx(path: str) -> Post:
    client = httpx.Client(transport=httpx.HTTPTransport(uds=path), base_url="http://localhost")
    return lambda: client.post(PATH, json=BODY).status_code


def with_patient_httpx(path: str) -> Post:
    """Keeps connections for longer than httpx does by itself."""
    limits = httpx.Limits(keepalive_expiry=60.0)
    transport = httpx.HTTPTransport(uds=path, limits=limits)
    client = httpx.Client(transport=transport, base_url="http://localhost")
    return lambda: client.post(PATH, json=BODY).status_code


def with_requests(path: str) -> Post:
    session = requests.Session()
    session.mount("http://", Adapter(path))
    return lambda: session.post(f"http://localhost{PATH}", json=BODY).status_code


def with_urllib3(path: str) -> Post:
    pool = Pool(path)

    def post() -> int:
        status = pool.request("POST", PATH, json=BODY, retries=False).status
        assert pool.num_connections == 1, "the connection was not kept"
        return status

    return post


def test_an_idle_connection_accepts_the_next_request(daemon: Daemon) -> None:
    path = str(daemon.socket)

    def use(client: Callable[[str], Post], pause: float) -> str:
        try:
            post = client(path)
            first = post()
            time.sleep(pause)  # what is tested is what an idle time does
            assert (first, post()) == (200, 200)
        except Exception as error:  # told with all others
            return f"{client.__name__} after {pause:.2f} s: {error!r}"
        return ""

    clients = [with_httpx, with_patient_httpx, with_requests, with_urllib3]
    uses = [(client, pause) for client in clients for pause in PAUSES]
    script = Path(__file__).with_name("idle.mjs")
    command: List[str] = ["node", str(script), path, *map(str, PAUSES)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as undici:
        with ThreadPoolExecutor(len(uses)) as threads:
            failed = [why for why in threads.map(lambda one: use(*one), uses) if why]
        assert undici.stdout is not None
        failed += json.loads(undici.stdout.read())
    assert failed == []
