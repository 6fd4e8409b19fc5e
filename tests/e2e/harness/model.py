"""The contract's semantics as a few dictionaries: what is stored, and what each
operation makes of it. Secrets, flows and time are left out but for the order in
which tokens were used."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, List, Optional

# Two moments closer than this are the same, so that what came last is open:
# the daemon counts in milliseconds and its clock is not the test's.
SAME_MOMENT_SECONDS = 0.05


@dataclass
class Token:
    """A stored token."""

    id: str
    provider: str
    value: str
    scopes: FrozenSet[str]
    # The agent it was brought for; `None` for the user's own.
    agent: Optional[str]
    is_alive: bool
    is_default: bool = False
    label: Optional[str] = None
    used: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Connection:
    """An agent's permission."""

    id: str
    agent: str
    token: str


class Model:
    """One owner's namespace. Lists are oldest first."""

    def __init__(self) -> None:
        self.providers: List[str] = []
        self.tokens: Dict[str, Token] = {}
        self.connections: List[Connection] = []
        # What happened, by provider.
        self.events: Dict[str, List[str]] = {}

    def tokens_of(self, provider: str) -> List[Token]:
        return [token for token in self.tokens.values() if token.provider == provider]

    def group_of(self, token: Token) -> List[Token]:
        """The tokens of which exactly one is the default: an agent's, or the user's own."""
        return [t for t in self.tokens_of(token.provider) if t.agent == token.agent]

    def add(self, token: Token, is_default: bool) -> None:
        others = self.group_of(token)
        token.is_default = is_default or not any(other.is_default for other in others)
        self.tokens[token.id] = token
        if token.is_default:
            self.make_default(token)
        self.tell(token.provider, "imported")

    def make_default(self, token: Token) -> None:
        for other in self.group_of(token):
            other.is_default = other is token

    def successors(self, group: List[Token]) -> List[Token]:
        """Which of a group may follow its default: those used last."""
        return _used_last([token for token in group if not token.is_default])

    def remove(self, token: Token, event: str) -> None:
        """Deletes a token. Who follows a default is for the daemon to say."""
        del self.tokens[token.id]
        self.connections = [c for c in self.connections if c.token != token.id]
        self.tell(token.provider, event)

    def connect(self, connection: Connection) -> None:
        if connection not in self.connections:
            self.connections.append(connection)
            self.tell(self.tokens[connection.token].provider, "agent_connected")

    def connection(self, agent: str, token: str) -> Optional[Connection]:
        found = (c for c in self.connections if (c.agent, c.token) == (agent, token))
        return next(found, None)

    def disconnect(self, connection: Connection) -> None:
        self.connections.remove(connection)
        self.tell(self.tokens[connection.token].provider, "agent_disconnected")

    def retire(self, agent: str, provider: str) -> None:
        """What an agent used of a provider is replaced: newest first."""
        for connection in reversed(list(self.connections)):
            token = self.tokens[connection.token]
            if (connection.agent, token.provider) != (agent, provider):
                continue
            is_used = any(
                c.token == token.id and c.agent != agent for c in self.connections
            )
            if token.agent is None or is_used:
                self.disconnect(connection)
            else:
                self.remove(token, "deleted")

    def delete_provider(self, provider: str) -> None:
        for token in self.tokens_of(provider):
            self.remove(token, "deleted")
        self.providers.remove(provider)

    def served(self, provider: str, agent: Optional[str], scopes: FrozenSet[str]) -> List[Token]:
        """The tokens of which one answers `authenticate`; empty if none does."""
        permitted = [
            token
            for token in self.tokens_of(provider)
            if token.is_alive and scopes <= token.scopes and self.permits(agent, token)
        ]
        default = [token for token in permitted if token.is_default]
        # An agent may be permitted the defaults of more than one group.
        return _used_last(default or permitted)

    def permits(self, agent: Optional[str], token: Token) -> bool:
        if agent is None:
            return token.agent is None
        return self.connection(agent, token.id) is not None

    def serves_another(self, provider: str, scopes: FrozenSet[str]) -> bool:
        """Whether any token would do, if only the agent may use it."""
        return any(t.is_alive and scopes <= t.scopes for t in self.tokens_of(provider))

    def tell(self, provider: str, event: str) -> None:
        self.events.setdefault(provider, []).append(event)


def _used_last(tokens: List[Token]) -> List[Token]:
    if not tokens:
        return []
    last = max(token.used for token in tokens)
    return [token for token in tokens if token.used > last - SAME_MOMENT_SECONDS]
