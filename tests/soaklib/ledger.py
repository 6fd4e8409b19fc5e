"""What became of each grant: lost, and whether any client could have kept it."""

from __future__ import annotations

import os
import time
from typing import List

from .callers import Dead
from .daemon import Connection, Daemon
from .faults import Faults
from .provider import LIFE, Exchange, Grant, Provider

# How long after its answer a refresh may still be on its way to the disk, in
# seconds: what docs/reliability.md promises.
WINDOW = 0.06

# How long a request may take from the daemon to this provider, whose threads
# share two busy cores with everything else.
LATENCY = 0.25


class Ledger:
    """Makes the grants, finds those that ended, and replaces them."""

    def __init__(self, daemon: Daemon, provider: Provider, faults: Faults, grants: int) -> None:
        self.daemon, self.provider, self.faults = daemon, provider, faults
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
        self.provider.note_import(access)

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
        if grant.is_strict and any(self._was_cut_off(each) for each in grant.exchanges):
            self.lost_on_the_wire += 1
        else:
            self.unexcused.append(self._story(grant, reason))

    def _was_cut_off(self, exchange: Exchange) -> bool:
        """Whether a kill came between a request and the storing of its answer. A
        strict server has spent the refresh token then, and ends the grant at the
        next use of it; no client can do anything about that."""
        end = (exchange.answered_at or time.monotonic()) + WINDOW
        return any(exchange.came_at - LATENCY <= kill <= end for kill in self.daemon.kills)

    def story_of_dead(self, dead: Dead) -> str:
        """What happened around a dead token, by the seconds until it was asked for."""
        since = lambda at: f"{at - dead.asked_at:+.3f}"
        access = dead.access
        kind = "strict" if self.provider.grants[access.grant].is_strict else "grace"
        kills = ", ".join(since(kill) for kill in self.daemon.kills if -10 < kill - dead.asked_at < 1)
        faults = ", ".join(
            f"{name} {since(at)}" for at, name in self.faults.history if -10 < at - dead.asked_at < 1
        )
        return (
            f"{access.grant} ({kind}): generation {dead.generation} from {access.source}, "
            f"issued {since(access.issued_at)}, died {since(access.dies_at)}, the daemon thought "
            f"{since(dead.thought_to_die_at)}, answered {since(dead.answered_at)}; "
            f"killed {kills or 'not'}; faults {faults or 'none'}"
        )

    def _story(self, grant: Grant, reason: str) -> str:
        """What happened around a grant's last requests, by the seconds until now."""
        now = time.monotonic()
        ago = lambda at: "never" if at is None else f"{at - now:.3f}"
        asked = ", ".join(f"{ago(e.came_at)}..{ago(e.answered_at)}" for e in list(grant.exchanges)[-4:])
        kills = ", ".join(ago(kill) for kill in self.daemon.kills[-3:])
        faults = ", ".join(f"{name} {ago(at)}" for at, name in self.faults.history[-5:])
        kind = "strict" if grant.is_strict else "grace"
        return (
            f"{grant.name} ({kind}): {reason}; asked {asked}; killed {kills} "
            f"({self._window(grant)}); faults {faults}; load {os.getloadavg()[0]:.1f}"
        )

    def _window(self, grant: Grant) -> str:
        """The shortest time from an answer to a kill: what is a little longer than
        `WINDOW` on a busy machine may be the machine's lateness."""
        answers = [each.answered_at for each in grant.exchanges if each.answered_at is not None]
        times = [kill - at for at in answers for kill in self.daemon.kills if kill > at]
        return f"{min(times) * 1000:.0f} ms after an answer" if times else "never after an answer"
