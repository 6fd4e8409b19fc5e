"""A token endpoint that rotates refresh tokens, fails as it is told to, and
remembers what it gave out.

Half of its grants are strict: the second use of a refresh token ends the grant.
The other half have a grace period: for a minute, a second use of the newest
spent token gets the same answer again. A fault that spends a token and loses
the answer is injected for those alone, since no client can survive it at a
strict server.
"""

from __future__ import annotations

import collections
import json
import math
import random
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Deque, Dict, Optional, Tuple

# Of an access token, and of the answer that a grace period repeats, in seconds.
LIFE = 2
GRACE = 60.0


@dataclass
class Exchange:
    """One request for a refresh: when it came in, and when its answer had been sent."""

    came_at: float
    answered_at: Optional[float] = None
    is_handled: bool = False


@dataclass(frozen=True)
class Access:
    """An access token's life, and what it came from."""

    grant: str
    source: str
    issued_at: float
    dies_at: float


@dataclass
class Grant:
    """One login, and what was asked for it lately."""

    name: str
    is_strict: bool
    current: str = ""
    previous: str = ""
    repeated: dict = field(default_factory=dict)
    spent_at: float = 0.0
    exchanges: Deque[Exchange] = field(default_factory=lambda: collections.deque(maxlen=100))


class Provider(ThreadingHTTPServer):
    """Serves from threads of its own until the process ends."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, faults: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.handled = threading.Condition(self.lock)
        self.faults = faults
        self.grants: Dict[str, Grant] = {}
        self.owner_of: Dict[str, Grant] = {}
        # As `owner_of`, and of ended grants too.
        self.named: Dict[str, Grant] = {}
        self.access: Dict[str, Access] = {}
        self.count = self.refreshes = self.failed = self.lost_answers = self.reuses = 0
        # Until when requests fail at once, and until when they are held.
        self.away_until = self.frozen_until = 0.0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def new_grant(self, name: str, is_strict: bool) -> Tuple[str, str]:
        """A grant as a login makes one: its access and refresh token. The access
        token lives from `note_import` on."""
        with self.lock:
            grant = Grant(name, is_strict)
            self.grants[name] = grant
            answer = self._issue(grant, "import")
            self.access[answer["access_token"]] = Access(name, "import", math.inf, math.inf)
        return answer["access_token"], answer["refresh_token"]

    def note_import(self, access_token: str) -> None:
        """Lets an access token's life begin now: an import says how long a token
        lives from then on, not when it was issued."""
        now = time.monotonic()
        with self.lock:
            grant = self.access[access_token].grant
            self.access[access_token] = Access(grant, "import", now, now + LIFE)

    def life_of(self, access_token: str) -> Access:
        """When an access token was issued, and when it dies."""
        with self.lock:
            return self.access[access_token]

    def note_request(self, refresh_token: str) -> Exchange:
        """Remembers that a refresh token came in."""
        exchange = Exchange(time.monotonic())
        with self.lock:
            if refresh_token in self.named:
                self.named[refresh_token].exchanges.append(exchange)
        return exchange

    def refresh(self, refresh_token: str, exchange: Exchange) -> Tuple[Optional[int], dict]:
        """A status, or none where the answer is lost, and its body. The requests
        of a grant are handled in the order in which they came, as a server does
        that reads them from one queue: a killed client's request that was handled
        after two later ones would end a grant that no client could have kept."""
        with self.handled:
            grant = self.named.get(refresh_token)
            self.handled.wait_for(lambda: grant is None or _is_next(grant, exchange))
            try:
                return self._answer(refresh_token)
            finally:
                exchange.is_handled = True
                self.handled.notify_all()

    def _answer(self, refresh_token: str) -> Tuple[Optional[int], dict]:
        now = time.monotonic()
        if now < self.away_until or random.random() < self.faults:
            self.failed += 1
            return random.choice([500, 503, 429]), {}
        grant = self.owner_of.get(refresh_token)
        if grant is None:
            return 400, {"error": "invalid_grant"}
        if refresh_token != grant.current:
            return self._used_again(grant, refresh_token, now)
        grant.previous, grant.spent_at = refresh_token, now
        self.refreshes += 1
        grant.repeated = self._issue(grant, "refresh")
        if not grant.is_strict and random.random() < self.faults:
            self.lost_answers += 1
            return random.choice([None, 502, 504]), {}
        return 200, grant.repeated

    def _used_again(self, grant: Grant, token: str, now: float):
        is_repeat = token == grant.previous and now - grant.spent_at < GRACE
        if not grant.is_strict and is_repeat:
            # The same refresh token, with an access token that is good as long
            # as the answer says.
            fresh = self._new_access(grant, "repeated refresh")
            return 200, {**grant.repeated, "access_token": fresh}
        self.reuses += 1
        # RFC 9700, section 4.14.2: reuse ends the grant.
        self.owner_of = {t: g for t, g in self.owner_of.items() if g is not grant}
        return 400, {"error": "invalid_grant"}

    def _issue(self, grant: Grant, source: str) -> dict:
        access, refresh = self._new_access(grant, source), f"r{self.count}"
        self.owner_of[refresh] = self.named[refresh] = grant
        grant.current = refresh
        return {
            "access_token": access, "refresh_token": refresh,
            "token_type": "Bearer", "expires_in": LIFE,
        }

    def _new_access(self, grant: Grant, source: str) -> str:
        self.count += 1
        access, now = f"a{self.count}", time.monotonic()
        self.access[access] = Access(grant.name, source, now, now + LIFE)
        return access


def _is_next(grant: Grant, exchange: Exchange) -> bool:
    """Whether all that came before it has been handled."""
    for earlier in grant.exchanges:
        if earlier is exchange:
            return True
        if not earlier.is_handled:
            return False
    return True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Provider

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        token = dict(urllib.parse.parse_qsl(body)).get("refresh_token", "")
        exchange = self.server.note_request(token)
        while (held := self.server.frozen_until - time.monotonic()) > 0:
            time.sleep(held)
        status, answer = self.server.refresh(token, exchange)
        if status is None:
            self.close_connection = True
            return
        try:
            self._send(status, json.dumps(answer).encode())
        except OSError:
            # The daemon was killed while it waited.
            self.close_connection = True
            return
        exchange.answered_at = time.monotonic()

    def _send(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """A line per request would be most of the output."""
