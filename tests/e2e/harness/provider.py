"""The authorization server of `provider.mjs`, as a process that tests share: each
has clients of its own, and sees only the requests that came since it began."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, FrozenSet, Iterator, List, Optional, Tuple

import httpx

from . import canary
from .process import Process, environment

_SCRIPT = Path(__file__).parent.parent / "provider.mjs"

# The provider ids whose redirects the server's clients have registered.
PROVIDER_ID = "acme"
SECOND_PROVIDER_ID = "globex"


@dataclass(frozen=True)
class OAuthClient:
    """A client registered with the server."""

    client_id: str
    client_secret: Optional[str]
    auth_method: str


class AuthorizationServer:
    """A running `oidc-provider`."""

    def __init__(self, process: Process, ready: Dict[str, Any], http: httpx.Client) -> None:
        self.process = process
        self.issuer: str = ready["issuer"]
        self._admin: str = ready["admin"]
        self._clients: Dict[str, OAuthClient] = {}
        self._http = http

    def begin_test(self) -> None:
        """Registers new clients, and forgets the requests of the test before."""
        self.come_back()
        answer = self._http.post(f"{self._admin}/tests").raise_for_status()
        self._clients = {each["auth_method"]: OAuthClient(**each) for each in answer.json()}

    @property
    def auth_url(self) -> str:
        return f"{self.issuer}/auth"

    @property
    def token_url(self) -> str:
        return f"{self.issuer}/token"

    @property
    def revocation_url(self) -> str:
        return f"{self.issuer}/revoke"

    def client(self, auth_method: str = "client_secret_post") -> OAuthClient:
        return self._clients[auth_method]

    def definition(
        self,
        provider_id: str = PROVIDER_ID,
        auth_method: str = "client_secret_post",
        **changes: Any,
    ) -> Dict[str, Any]:
        """The body that creates this provider at the daemon."""
        client = self.client(auth_method)
        body = {
            "provider_id": provider_id,
            "name": provider_id.capitalize(),
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "auth_url": self.auth_url,
            "token_url": self.token_url,
            "token_endpoint_auth_method": auth_method,
        }
        return {**body, **changes}

    def requests(
        self, endpoint: str = "token", grant_type: Optional[str] = None
    ) -> List[Dict[str, Any]]:
        """What was asked of an endpoint so far, with what was answered."""
        answer = self._http.get(f"{self._admin}/requests").raise_for_status()
        return [
            request
            for request in answer.json()
            if request["endpoint"] == endpoint
            and grant_type in (None, request["params"].get("grant_type"))
        ]

    @property
    def exchanges(self) -> int:
        """How many codes were brought to the token endpoint."""
        return len(self.requests(grant_type="authorization_code"))

    @property
    def refreshes(self) -> int:
        """How many refresh tokens were brought to the token endpoint."""
        return len(self.requests(grant_type="refresh_token"))

    def accepts(self, token: str) -> bool:
        """Whether a token is good now."""
        return bool(self.introspect(token)["active"])

    def introspect(self, token: str) -> Dict[str, Any]:
        """What the server says of a token (RFC 7662)."""
        client = self.client("client_secret_basic")
        answer = self._http.post(
            f"{self.issuer}/token/introspection",
            data={"token": token},
            auth=(client.client_id, client.client_secret or ""),
        ).raise_for_status()
        return answer.json()

    def learn_secrets(self) -> None:
        """Lets those be known that came by and bear no mark."""
        for request in self.requests():
            canary.learn("code_verifier", request["params"].get("code_verifier"))
            canary.learn("id_token", (request["answer"] or {}).get("id_token"))

    def go_down(self) -> None:
        """Refuses connections, and forgets nothing."""
        self._http.post(f"{self._admin}/outage").raise_for_status()

    def come_back(self) -> None:
        """Listens again, at the same address."""
        self._http.delete(f"{self._admin}/outage").raise_for_status()


class AuthorizationServers:
    """The running servers, one for each set of `provider.mjs`'s options."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._running: Dict[FrozenSet[Tuple[str, object]], AuthorizationServer] = {}
        self._stack = ExitStack()

    def of(self, **options: object) -> AuthorizationServer:
        """The server with these options, such as `access_token_ttl=3`."""
        key = frozenset(options.items())
        if key not in self._running:
            self._running[key] = self._stack.enter_context(_running(self._home, options))
        return self._running[key]

    def close(self) -> None:
        self._stack.close()


@contextmanager
def _running(home: Path, options: Dict[str, object]) -> Iterator[AuthorizationServer]:
    command = ["node", str(_SCRIPT)]
    for provider_id in (PROVIDER_ID, SECOND_PROVIDER_ID):
        command += ["--provider-id", provider_id]
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        command += [flag] if value is True else [flag, str(value)]
    with (
        # Its output holds its clients' secrets, which the daemon's must not.
        Process(command, environment(home), is_searched=False) as process,
        httpx.Client(trust_env=False) as http,
    ):
        line = process.wait_for_line("its address", lambda line: line.startswith("{"))
        yield AuthorizationServer(process, json.loads(line), http)
