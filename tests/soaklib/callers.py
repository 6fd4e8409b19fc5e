"""Programs that ask for tokens, and some that hang up before the answer."""

from __future__ import annotations

import datetime
import http.client
import random
import threading
import time
from dataclasses import dataclass
from typing import List

from .daemon import Connection
from .provider import Access, Provider


@dataclass(frozen=True)
class Dead:
    """A token that was handed out although it had expired when it was asked for."""

    access: Access
    # When it was asked for and when the answer was there; and when the daemon
    # thought that it dies. All by this process's monotonic clock.
    asked_at: float
    answered_at: float
    thought_to_die_at: float
    generation: int


class Caller(threading.Thread):
    """Asks again and again for a random grant's token until `end`."""

    def __init__(self, socket: str, provider: Provider, names: List[str], end: float) -> None:
        super().__init__(daemon=True)
        self.socket, self.provider, self.names, self.end = socket, provider, names, end
        self.served = self.refused = self.cut_off = self.hung_up = 0
        self.dead: List[Dead] = []
        self.times: List[float] = []

    def run(self) -> None:
        connection = Connection(self.socket)
        while time.monotonic() < self.end:
            try:
                if random.random() < 0.02:
                    self._hang_up(connection)
                else:
                    self._ask(connection)
            except (OSError, http.client.HTTPException):
                # The daemon was killed; the next call finds its successor.
                self.cut_off += 1
                connection.close()
            time.sleep(0.005)

    def _request(self) -> dict:
        return {"provider": random.choice(self.names), "scopes": [], "check_only": True}

    def _ask(self, connection: Connection) -> None:
        started = time.monotonic()
        status, answer = connection.call("POST", "/v2/auth/authenticate", self._request())
        answered = time.monotonic()
        self.times.append(answered - started)
        if status == 200 and answer["token"]:
            self.served += 1
            self._judge(answer, started, answered)
        else:
            self.refused += 1

    def _judge(self, answer: dict, asked_at: float, answered_at: float) -> None:
        access = self.provider.life_of(answer["token"])
        # Good when it was asked for; the way here is not the daemon's.
        if access.dies_at >= asked_at:
            return
        metadata = answer["metadata"]
        expires_at = datetime.datetime.fromisoformat(metadata["expires_at"].replace("Z", "+00:00"))
        thought = expires_at.timestamp() - time.time() + time.monotonic()
        self.dead.append(Dead(access, asked_at, answered_at, thought, metadata["generation"]))

    def _hang_up(self, connection: Connection) -> None:
        connection.send_call("POST", "/v2/auth/authenticate", self._request())
        time.sleep(random.random() * 0.01)
        connection.close()
        self.hung_up += 1
