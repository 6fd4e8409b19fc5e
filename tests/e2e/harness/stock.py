"""A vault with something in it, for a generator of requests to find.

What is there to be deleted is apart from what stays: else the first deletions
would leave nothing to ask about.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List

from . import canary
from .daemon import Daemon
from .provider import AuthorizationServer

AGENT = "agent"

_KEPT = 4
_DOOMED = 12


class Stock:
    """Names of what is stored, by the names of schemathesis' dictionaries."""

    def __init__(self, daemon: Daemon, server: AuthorizationServer) -> None:
        self._daemon = daemon
        self._server = server
        self.names: Dict[str, List[str]] = {"agents": [AGENT], "flows": []}
        self._store("kept", _KEPT)
        self._store("doomed", _DOOMED)

    def write(self, folder: Path) -> None:
        """Each dictionary as a file, in libFuzzer's form."""
        for name, values in self.names.items():
            lines = "".join(f'"{value}"\n' for value in values)
            (folder / f"{name}.dict").write_text(lines)

    def _store(self, prefix: str, count: int) -> None:
        providers = [f"{prefix}-{index}" for index in range(count)]
        tokens = [self._store_provider(provider) for provider in providers]
        self.names[f"{prefix}_providers"] = providers
        self.names[f"{prefix}_tokens"] = tokens
        self.names[f"{prefix}_connections"] = [self._connect(token) for token in tokens]
        asked = self._daemon.begin(provider=providers[0], force_new=True)
        self.names["flows"].append(asked["auth_id"])

    def _store_provider(self, provider: str) -> str:
        self._daemon.create_provider(self._server.definition(provider_id=provider))
        token = canary.make("access_token")
        body = {"provider_id": provider, "access_token": token, "scopes": ["a"]}
        answer = self._daemon.http.post("/v2/auth/tokens/import", json=body)
        return str(answer.raise_for_status().json()["token_id"])

    def _connect(self, token: str) -> str:
        path = f"/v2/auth/agents/{AGENT}/connections"
        answer = self._daemon.http.post(path, json={"oauth_token_id": token})
        return str(answer.raise_for_status().json()["id"])
