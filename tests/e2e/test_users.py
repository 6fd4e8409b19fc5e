"""Two users of one machine: each sees, uses and changes what is their own."""

from __future__ import annotations

import json
import re
import select
import socket
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from harness import canary
from harness.users import (
    ADA,
    GRACE,
    AsUserError,
    Caller,
    PrivateDaemon,
    SharedDaemon,
    held_connections,
    run_as,
)

CONTRACT = Path(__file__).resolve().parents[2] / "src" / "api" / "openapi.json"

PROVIDER = {
    "provider_id": "adas",
    "name": "adas-provider",
    "client_id": "adas-client",
    "client_secret": canary.make("client_secret"),
    # Nobody listens there, and nobody is to ask.
    "auth_url": "http://127.0.0.1:9/authorize",
    "token_url": "http://127.0.0.1:9/token",
}
SECRETS = {name: canary.make(name) for name in ("access_token", "refresh_token")}
IMPORTED = {"provider_id": "adas", **SECRETS}

Operation = Tuple[str, str]


@pytest.fixture
def shared(home: Path) -> Iterator[SharedDaemon]:
    daemon = SharedDaemon(home)
    daemon.start()
    yield daemon
    daemon.close()


@pytest.fixture
def private(home: Path) -> Iterator[PrivateDaemon]:
    daemon = PrivateDaemon(home, ADA)
    daemon.start()
    yield daemon
    daemon.close()


class Ada:
    """A user with one of everything."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.expect("POST", "/v2/auth/providers", PROVIDER)
        self.token = self.expect("POST", "/v2/auth/tokens/import", IMPORTED)["token_id"]
        connection = {"oauth_token_id": self.token}
        self.connection = self.expect(
            "POST", "/v2/auth/agents/adas-agent/connections", connection
        )["id"]
        wanted = {"provider": "adas", "scopes": ["a"], "user_id": "else"}
        pending = self.expect("POST", "/v2/auth/authenticate", wanted)
        self.flow = pending["auth_id"]
        self.state = parse_qs(urlsplit(pending["url"]).query)["state"][0]

        self.login = self.login_that_ended()

    def login_that_ended(self) -> str:
        """A flow that ended with her token: she lets another agent use it."""
        wanted = {"provider": "adas", "scopes": [], "agent_id": "adas-other-agent"}
        asked = self.expect("POST", "/v2/auth/authenticate", wanted)
        page = self.caller.browse(asked["url"]).text
        form_token = re.search(r'name="form_token" value="([^"]+)"', page)
        assert form_token, page
        form = {"form_token": form_token[1], "account": self.token, "decision": "allow"}
        answer = self.caller.send_form(asked["url"], form)
        assert answer.status_code in (200, 303), answer.text
        return str(asked["auth_id"])

    def expect(self, method: str, path: str, json: Any = None) -> Any:
        answer = self.caller.ask(method, path, json)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def world(self) -> List[Any]:
        """Everything of hers, as she sees it."""
        paths = [
            "/v2/auth/providers",
            "/v2/auth/tokens",
            "/v2/auth/token-events",
            "/v2/auth/agents/adas-agent/connections",
            f"/v2/auth/wait/{self.flow}?timeout=0",
            f"/v2/auth/flows/{self.login}/follow-up",
            "/info",
        ]
        return [self.expect("GET", path) for path in paths]

    @property
    def traces(self) -> List[str]:
        """What a stranger's answer must not hold unless the stranger said it."""
        secrets = [*SECRETS.values(), PROVIDER["client_secret"]]
        return [self.token, self.connection, self.flow, self.login, self.state, "adas-provider", *secrets]


def attempts(ada: Ada) -> Dict[Operation, List[Tuple[str, Any, Any]]]:
    """For every operation: paths with Ada's identifiers, a body, and what a
    stranger must get, a status or the whole answer."""
    adas = "/v2/auth/providers/adas"
    token = f"/v2/auth/tokens/{ada.token}"
    agent = "/v2/auth/agents/adas-agent"
    wanted = {"provider": "adas", "scopes": []}
    brought = {"code": canary.make("authorization_code"), "state": ada.state}
    code = urlencode(brought)
    access = {"access_token": canary.make("access_token")}
    return {
        ("POST", "/v2/auth/authenticate"): [
            ("/v2/auth/authenticate", wanted, 404),
            ("/v2/auth/authenticate", {**wanted, "token_id": ada.token}, 404),
            ("/v2/auth/authenticate", {**wanted, "provider": "graces", "token_id": ada.token}, 404),
        ],
        ("GET", "/v2/auth/wait/{auth_id}"): [
            (f"/v2/auth/wait/{ada.flow}", None, {"status": "not_found", "token": None})
        ],
        ("POST", "/v2/auth/flows/{auth_id}/browser-link"): [
            (f"/v2/auth/flows/{ada.flow}/browser-link", {}, 404)
        ],
        ("GET", "/v2/auth/flows/{auth_id}/follow-up"): [
            (f"/v2/auth/flows/{ada.login}/follow-up", None, 404)
        ],
        ("POST", "/v2/auth/flows/{auth_id}/follow-up"): [
            (f"/v2/auth/flows/{ada.login}/follow-up", {"same_account": True}, 404)
        ],
        ("GET", "/v2/auth/callback/{provider_id}"): [
            (f"/v2/auth/callback/adas?{code}", None, 400),
            (f"/v2/auth/callback/adas?error=access_denied&state={ada.state}", None, 400),
        ],
        ("POST", "/v2/auth/callback/{provider_id}"): [
            ("/v2/auth/callback/adas", brought, 404),
            ("/v2/auth/callback/graces", brought, 400),
        ],
        ("GET", "/v2/auth/setup/{provider_id}"): [(f"/v2/auth/setup/adas?{code}", None, 400)],
        ("GET", "/v2/auth/providers"): [("/v2/auth/providers", None, ["graces"])],
        ("POST", "/v2/auth/providers"): [],  # she makes one of the same name, last of all
        ("POST", "/v2/auth/providers/mcp-discover"): [],  # finds a server, and nobody's provider
        ("GET", "/v2/auth/providers/{provider_id}"): [(adas, None, 404)],
        ("PATCH", "/v2/auth/providers/{provider_id}"): [(adas, {"name": "graces"}, 404)],
        ("DELETE", "/v2/auth/providers/{provider_id}"): [(adas, None, 404)],
        ("GET", "/v2/auth/platform-providers"): [("/v2/auth/platform-providers", None, [])],
        ("GET", "/v2/auth/platform-providers/{provider_id}"): [
            ("/v2/auth/platform-providers/adas", None, 404)
        ],
        ("GET", "/v2/auth/tokens"): [
            ("/v2/auth/tokens", None, []),
            ("/v2/auth/tokens?provider_id=adas", None, []),
        ],
        ("DELETE", "/v2/auth/tokens"): [("/v2/auth/tokens?provider_id=adas", None, 404)],
        ("POST", "/v2/auth/tokens/import"): [("/v2/auth/tokens/import", IMPORTED, 404)],
        ("GET", "/v2/auth/tokens/exists"): [
            ("/v2/auth/tokens/exists?provider_id=adas", None, {"has_token": False})
        ],
        ("POST", "/v2/auth/tokens/exists/batch"): [
            (
                "/v2/auth/tokens/exists/batch",
                {"provider_ids": ["adas"]},
                {"has_token": {"adas": False}},
            )
        ],
        ("GET", "/v2/auth/tokens/workspace/slack/exists"): [
            ("/v2/auth/tokens/workspace/slack/exists", None, {"has_token": False})
        ],
        ("DELETE", "/v2/auth/tokens/workspace/slack"): [
            ("/v2/auth/tokens/workspace/slack", None, None)
        ],
        ("DELETE", "/v2/auth/tokens/{token_id}"): [(token, None, 404)],
        ("PATCH", "/v2/auth/tokens/{token_id}/metadata"): [
            (f"{token}/metadata", {"provider_account_label": "graces"}, 404)
        ],
        ("GET", "/v2/auth/token-events"): [
            ("/v2/auth/token-events", None, []),
            ("/v2/auth/token-events?provider_id=adas", None, []),
        ],
        ("GET", "/v2/auth/agents/{agent_id}/connections"): [
            (f"{agent}/connections", None, {"data": []})
        ],
        ("POST", "/v2/auth/agents/{agent_id}/connections"): [
            (f"{agent}/connections", {"oauth_token_id": ada.token}, 404)
        ],
        ("DELETE", "/v2/auth/agents/{agent_id}/connections/{connection_id}"): [
            (f"{agent}/connections/{ada.connection}", None, 404)
        ],
        ("POST", "/v2/auth/agents/{agent_id}/providers/{provider_id}/tokens"): [
            (f"{agent}/providers/adas/tokens", access, 404)
        ],
    }


def operations() -> set[Operation]:
    """Every operation of the contract, read from its document."""
    document = json.loads(CONTRACT.read_text())
    return {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        if path.startswith("/v2/")
        for method in operations
    }


def test_nothing_of_anothers_is_seen_used_guessed_at_or_changed(shared: SharedDaemon) -> None:
    ada, grace = Ada(shared.caller(ADA)), shared.caller(GRACE)
    graces = {**PROVIDER, "provider_id": "graces", "name": "graces"}
    assert grace.ask("POST", "/v2/auth/providers", graces).is_success
    before = ada.world()
    table = attempts(ada)
    assert set(table) == operations()
    for (method, _), tries in table.items():
        for path, body, expected in tries:
            answer = grace.ask(method, path, body)
            what = f"{method} {path} {body}: {answer.status_code} {answer.text}"
            if isinstance(expected, int):
                assert answer.status_code == expected, what
            elif expected == ["graces"]:
                assert [one["provider_id"] for one in answer.json()] == expected, what
            elif expected is not None:
                said = answer.json()
                seen = {key: said.get(key) for key in expected} if expected and isinstance(
                    expected, dict
                ) else said
                assert (answer.status_code, seen) == (200, expected), what
            for trace in ada.traces:
                assert trace not in answer.text or trace in path, what
    assert ada.world() == before


def test_two_users_can_use_the_same_names(shared: SharedDaemon) -> None:
    ada, grace = Ada(shared.caller(ADA)), shared.caller(GRACE)
    before = ada.world()
    assert grace.ask("POST", "/v2/auth/providers", PROVIDER).is_success
    graces = canary.make("access_token")
    imported = {**IMPORTED, "access_token": graces}
    assert grace.ask("POST", "/v2/auth/tokens/import", imported).is_success
    wanted = {"provider": "adas", "scopes": []}
    tokens = [one.ask("POST", "/v2/auth/authenticate", wanted) for one in (ada.caller, grace)]
    assert [answer.json().get("token") for answer in tokens] == [SECRETS["access_token"], graces]
    assert grace.ask("DELETE", "/v2/auth/providers/adas").is_success
    assert ada.world() == before


def test_whoever_is_nobody_is_refused(shared: SharedDaemon) -> None:
    with pytest.raises(AsUserError):
        shared.caller(65_534).ask("GET", "/ok")


def test_one_user_cannot_take_every_connection(home: Path) -> None:
    settings = home / "settings.toml"
    settings.write_text("max_connections = 8\n")
    daemon = SharedDaemon(home)
    plain = daemon.command
    daemon.command = lambda *extra: [*plain(*extra), f"--config={settings}"]
    try:
        daemon.start()
        with held_connections(ADA, daemon.socket, 16):
            assert daemon.caller(GRACE).ask("GET", "/ok").is_success
    finally:
        daemon.close()


def test_one_users_browsers_cannot_take_every_place_of_the_redirect_listener(home: Path) -> None:
    settings = home / "settings.toml"
    settings.write_text("max_connections = 8\n")
    daemon = SharedDaemon(home)
    plain = daemon.command
    daemon.command = lambda *extra: [*plain(*extra), f"--config={settings}"]

    try:
        daemon.start()
        base = daemon.redirect_base
        with held_connections(ADA, base, 16):
            assert daemon.caller(GRACE).browse(f"{base}/nowhere").status_code == 404
        assert run_as(ADA, lambda: closed_of(base, 16)) == 14
    finally:
        daemon.close()


def closed_of(base: str, count: int) -> int:
    """How many of so many connections to the redirect listener are closed at once,
    sooner than silent ones are."""
    address = urlsplit(base)
    held = [socket.create_connection((address.hostname, address.port)) for _ in range(count)]
    end, closed = time.monotonic() + 4.0, 0
    while closed < 14 and time.monotonic() < end:
        for one in select.select(held, [], [], 0.1)[0]:
            held.remove(one)
            one.close()
            closed += 1
    return closed


def test_a_users_own_daemon_refuses_others_even_through_an_open_socket(
    private: PrivateDaemon,
) -> None:
    private.socket.parent.chmod(0o777)
    private.socket.chmod(0o666)
    with pytest.raises(AsUserError):
        private.caller(GRACE).ask("GET", "/ok")
    assert private.caller(ADA).ask("GET", "/ok").is_success
    # Root acts as the daemon's one owner.
    assert private.http.post("/v2/auth/providers", json=PROVIDER).status_code == 200
    assert len(private.caller(ADA).ask("GET", "/v2/auth/providers").json()) == 1


def refusal_for(caller: Caller, base: str) -> Tuple[str, str]:
    """A flow of the caller's, and the redirect that would end it."""
    if caller.ask("GET", "/v2/auth/providers/adas").status_code == 404:
        assert caller.ask("POST", "/v2/auth/providers", PROVIDER).is_success
    wanted = {"provider": "adas", "scopes": ["a"]}
    pending = caller.ask("POST", "/v2/auth/authenticate", wanted).json()
    state = parse_qs(urlsplit(pending["url"]).query)["state"][0]
    url = f"{base}/host-oauth-callback/adas?error=access_denied&state={state}"
    return pending["auth_id"], url


def status(caller: Caller, flow: str) -> str:
    return caller.ask("GET", f"/v2/auth/wait/{flow}?timeout=0").json()["status"]


def test_another_users_browser_cannot_bring_a_redirect(private: PrivateDaemon) -> None:
    ada, grace = private.caller(ADA), private.caller(GRACE)
    flow, url = refusal_for(ada, private.redirect_base)
    port = urlsplit(url).port
    # A socket of IPv6 can speak IPv4.
    mapped = url.replace("127.0.0.1", "[::ffff:127.0.0.1]")
    assert grace.browse(mapped, host=f"127.0.0.1:{port}").status_code == 403
    for address in (url, url.replace("127.0.0.1", "[::1]"), url.replace("127.0.0.1", "localhost")):
        refused = grace.browse(address)
        assert refused.status_code == 403
        assert "another user" in refused.text
        assert status(ada, flow) == "pending"
    assert ada.browse(url).status_code == 303
    assert status(ada, flow) == "not_found"


def test_the_check_can_be_switched_off(home: Path) -> None:
    (home / "settings.toml").write_text("redirect_check_uid = false\n")
    daemon = PrivateDaemon(home, ADA)
    plain = daemon.command
    daemon.command = lambda *extra: [*plain(*extra), f"--config={home / 'settings.toml'}"]
    try:
        daemon.start()
        ada, grace = daemon.caller(ADA), daemon.caller(GRACE)
        flow, url = refusal_for(ada, daemon.redirect_base)
        assert grace.browse(url).status_code == 303
        assert status(ada, flow) == "not_found"
    finally:
        daemon.close()


def test_on_a_shared_daemon_each_users_browser_ends_their_own_flows(shared: SharedDaemon) -> None:
    ada, grace = shared.caller(ADA), shared.caller(GRACE)
    flow, url = refusal_for(ada, shared.redirect_base)
    stranger = grace.browse(url)
    assert stranger.status_code == 400
    assert status(ada, flow) == "pending"
    ended = ada.browse(url)
    assert ended.status_code == 303
    assert status(ada, flow) == "not_found"
    page = f"{shared.redirect_base}{ended.headers['location']}"
    assert grace.browse(page).status_code == 404
    assert ada.browse(page).status_code == 200
