"""What became of each grant: lost, and whether any client could have kept it."""

from __future__ import annotations

import time
from typing import List

from .daemon import Connection, Daemon
from .provider import LIFE, Provider

# How long after its answer a refresh may still be on its way to the disk, in
# seconds: what docs/reliability.md promises.
WINDOW = 0.06


class Ledger:
    """Makes the grants, finds those that ended, and replaces them."""

    def __init__(self, daemon: Daemon, provider: Provider, grants: int) -> None:
        self.daemon, self.provider = daemon, provider
        self.names = [f"soak-{number}" for number in range(grants)]
        self.lost_on_the_wire = 0
        self.unexcused: List[str] = []

    def prepare(self) -> None:
        connection = Connection(self.daemon.socket)
        url = self.provider.url
        for name in self.names:
            status, reply = connection.call("POST", "/v2/auth/providers", {
                "provider_id": name, "name": "Soak", "client_id": "c",
                "client_secret": "s", "auth_url": f"{url}/authorize", "token_url": f"{url}/token",
            })
            assert status == 200, reply
            self._log_in(connection, name)

    def _log_in(self, connection: Connection, name: str) -> None:
        is_strict = self.names.index(name) % 2 == 0
        access, refresh = self.provider.new_grant(name, is_strict)
        status, reply = connection.call("POST", "/v2/auth/tokens/import", {
            "provider_id": name, "access_token": access,
            "refresh_token": refresh, "expires_in_seconds": LIFE,
        })
        assert status == 200, reply

    def look(self) -> int:
        """Judges and replaces every grant that has ended; how many tokens stand."""
        connection = Connection(self.daemon.socket)
        status, tokens = connection.call("GET", "/v2/auth/tokens")
        assert status == 200, tokens
        ended = [token for token in tokens if token["reconnect_reason"] is not None]
        for token in ended:
            name = token["provider_id"]
            self._judge(name, token["reconnect_reason"])
            connection.call("DELETE", f"/v2/auth/tokens/{token['id']}")
            self._log_in(connection, name)
        return len(tokens) - len(ended)

    def _judge(self, name: str, reason: str) -> None:
        grant = self.provider.grants[name]
        # Not yet answered counts as on the wire; the server is strict, so a
        # kill from then on until the answer is stored ends the grant.
        end = (grant.answered_at or time.monotonic()) + WINDOW
        on_the_wire = any(grant.asked_at <= kill <= end for kill in self.daemon.kills)
        if grant.is_strict and on_the_wire:
            self.lost_on_the_wire += 1
            return
        kills = [f"{kill - grant.asked_at:+.3f}" for kill in self.daemon.kills[-3:]]
        self.unexcused.append(
            f"{name} ({'strict' if grant.is_strict else 'grace'}): {reason}; answered "
            f"{grant.answered_at - grant.asked_at:+.3f} s, kills at {', '.join(kills)} s after it was asked"
        )
