"""The exact JSON of each operation, compared with the files in `golden`.

An answer that was changed on purpose: `GOLDEN_REWRITE=1 tests/run e2e -k golden`
writes the files anew; the difference is then there to be read.
"""

from __future__ import annotations

from typing import Any, Dict
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from harness import canary
from harness.daemon import SCOPES, Daemon
from harness.golden import Recorder
from harness.mcp import mcp_server
from harness.person import Person
from harness.provider import PROVIDER_ID, AuthorizationServer

V2 = "/v2/auth"
SLACK = {
    "provider_id": "slack",
    "name": "Slack",
    "client_id": "c",
    "client_secret": canary.make("client_secret"),
    "auth_url": "http://127.0.0.1:9/auth",
    "token_url": "http://127.0.0.1:9/token",
    "provider_type": "slack",
    "authorization_params": {"prompt": "consent"},
    "allowed_redirect_uris": ["https://app.example.com/back"],
}
UNKNOWN = {"code": canary.make("authorization_code"), "state": canary.make("state")}
PLATFORM = """
provider_id = "shared"
name = "Shared"
client_id = "c"
auth_url = "http://127.0.0.1:9/auth"
token_url = "http://127.0.0.1:9/token"
"""


@pytest.fixture
def recorder(stopped_daemon: Daemon, server: AuthorizationServer) -> Recorder:
    """A daemon whose administrator offers a provider."""
    settings = stopped_daemon.home / "config.toml"
    settings.write_text("platform_dir = 'platform'\n")
    folder = stopped_daemon.home / "platform"
    folder.mkdir()
    (folder / "shared.toml").write_text(PLATFORM)
    stopped_daemon.start(f"--config={settings}")
    recorder = Recorder(stopped_daemon.http)
    recorder.is_new(stopped_daemon.redirect_base, "redirect_base")
    recorder.is_new(quote(stopped_daemon.redirect_base, safe=""), "redirect_base")
    recorder.is_new(stopped_daemon.info["version"], "version")
    recorder.is_new(server.issuer, "issuer")
    return recorder


def import_token(recorder: Recorder, name: str, provider: str, **more: Any) -> str:
    token = canary.make("access_token")
    body = {"provider_id": provider, "access_token": token, "scopes": ["a"], **more}
    return str(recorder.ask(name, "POST", f"{V2}/tokens/import", json=body)["token_id"])


def begin(recorder: Recorder, name: str, **more: Any) -> Dict[str, Any]:
    body = {"provider": PROVIDER_ID, "scopes": SCOPES, "user_id": "ada", **more}
    flow: Dict[str, Any] = recorder.ask(name, "POST", f"{V2}/authenticate", json=body)
    return flow


def about_the_daemon(recorder: Recorder) -> None:
    recorder.ask("ok", "GET", "/ok")
    recorder.ask("info", "GET", "/info")
    recorder.ask("metrics", "GET", "/metrics")
    recorder.ask("openapi", "GET", "/openapi.json")
    recorder.ask("vault_copied", "GET", "/vault")


def providers(recorder: Recorder, server: AuthorizationServer) -> None:
    path = f"{V2}/providers"
    recorder.ask("provider_created", "POST", path, json=SLACK)
    recorder.ask("provider_exists", "POST", path, json=SLACK)
    definition = {**server.definition(auth_method="none"), "client_secret": None}
    recorder.is_new(definition["client_id"], "client")
    recorder.ask("public_provider_created", "POST", path, json=definition)
    recorder.ask("provider_shown", "GET", f"{path}/slack")
    recorder.ask("provider_unknown", "GET", f"{path}/nobody")
    recorder.ask("provider_updated", "PATCH", f"{path}/slack", json={"name": "Renamed"})
    recorder.ask("provider_malformed", "POST", path, json={"name": 7, "auth_url": "http://x.y/"})
    recorder.ask("providers_listed", "GET", path)
    recorder.ask("platform_providers_listed", "GET", f"{V2}/platform-providers")
    recorder.ask("platform_provider_shown", "GET", f"{V2}/platform-providers/shared")
    with mcp_server(server) as mcp:
        recorder.is_new(mcp.url, "mcp_server_url")
        body = {"provider_id": "mcp", "name": "MCP", "mcp_server_url": mcp.url}
        found = recorder.ask("provider_discovered", "POST", f"{path}/mcp-discover", json=body)
        recorder.is_new(found["client_id"], "client_id")


def flows(recorder: Recorder, person: Person) -> None:
    begin(recorder, "nothing_yet", check_only=True)
    asked = begin(recorder, "login_needed")
    waiting = f"{V2}/wait/{asked['auth_id']}"
    link = f"{V2}/flows/{asked['auth_id']}/browser-link"
    made = recorder.ask("browser_link_made", "POST", link, json={})
    recorder.is_new(made["url"].rpartition("/")[2], "link")
    recorder.ask("login_awaited", "GET", f"{waiting}?timeout=0")
    arrived = parse_qs(urlsplit(person.allow(asked["url"])).query)
    carried = {"code": arrived["code"][0], "state": arrived["state"][0]}
    callback = f"{V2}/callback/{PROVIDER_ID}"
    recorder.ask("login_finished", "POST", callback, json=carried)
    recorder.ask("login_finished_again", "POST", callback, json=carried)
    recorder.is_new(recorder.peek("GET", waiting)["token"], "token")
    recorder.ask("login_done", "GET", waiting)
    begin(recorder, "token_handed_out")
    begin(recorder, "consent_needed", agent_id="agent")
    refused = begin(recorder, "login_forced", force_new=True)
    state = parse_qs(urlsplit(refused["url"]).query)["state"][0]
    brought = {"error": "access_denied", "error_description": "no", "state": state}
    recorder.is_new(state, "state")
    recorder.ask("redirect_passed_on", "GET", callback, params=brought)
    recorder.ask("login_refused", "GET", f"{V2}/wait/{refused['auth_id']}")
    recorder.ask("redirect_unknown", "GET", callback, params=UNKNOWN)
    recorder.ask("app_installed", "GET", f"{V2}/setup/acme?setup_action=update&installation_id=1")


def follow_up(recorder: Recorder, person: Person) -> None:
    """A login that renews an imported token, whose account is not known."""
    import_token(recorder, "token_to_renew", PROVIDER_ID, user_id="bob")
    asked = begin(recorder, "renewal_needed", user_id="bob")
    arrived = parse_qs(urlsplit(person.allow(asked["url"])).query)
    carried = {"code": arrived["code"][0], "state": arrived["state"][0]}
    recorder.ask("renewal_finished", "POST", f"{V2}/callback/{PROVIDER_ID}", json=carried)
    question = f"{V2}/flows/{asked['auth_id']}/follow-up"
    recorder.ask("follow_up_shown", "GET", question)
    recorder.ask("follow_up_malformed", "POST", question, json={"same_account": "yes"})
    recorder.ask("follow_up_answered", "POST", question, json={"same_account": True})
    recorder.ask("follow_up_answered_again", "POST", question, json={"same_account": False})


def tokens(recorder: Recorder) -> None:
    slack = import_token(recorder, "token_imported", "slack", expires_in_seconds=3600)
    listed = f"{V2}/tokens"
    label = {"provider_account_label": "work"}
    recorder.ask("token_named", "PATCH", f"{listed}/{slack}/metadata", json=label)
    recorder.ask("tokens_listed", "GET", f"{listed}?provider_id=slack")
    recorder.ask("token_exists", "GET", f"{listed}/exists?provider_id=slack")
    body = {"provider_ids": ["slack", "nobody"]}
    recorder.ask("tokens_exist", "POST", f"{listed}/exists/batch", json=body)
    recorder.ask("slack_token_exists", "GET", f"{listed}/workspace/slack/exists")
    agents(recorder, slack)
    recorder.ask("token_deleted", "DELETE", f"{listed}/{slack}")
    recorder.ask("token_unknown", "DELETE", f"{listed}/{slack}")
    recorder.ask("slack_tokens_deleted", "DELETE", f"{listed}/workspace/slack")
    recorder.ask("tokens_deleted", "DELETE", f"{listed}?provider_id=slack")
    recorder.ask("events_listed", "GET", f"{V2}/token-events?provider_id=slack")
    recorder.ask("provider_deleted", "DELETE", f"{V2}/providers/slack")


def agents(recorder: Recorder, token: str) -> None:
    path = f"{V2}/agents/agent/connections"
    body = {"oauth_token_id": token}
    made = recorder.ask("agent_connected", "POST", path, json=body)
    recorder.ask("connections_listed", "GET", path)
    recorder.ask("agent_disconnected", "DELETE", f"{path}/{made['id']}")
    upsert = f"{V2}/agents/agent/providers/slack/tokens"
    token = canary.make("access_token")
    body = {"access_token": token, "scopes": ["a"], "provider_account_label": "bot"}
    recorder.ask("agent_token_replaced", "POST", upsert, json=body)


@pytest.mark.server(registration=True, resource_indicators=True)
def test_every_answer_is_the_golden_one(
    recorder: Recorder, server: AuthorizationServer, person: Person
) -> None:
    about_the_daemon(recorder)
    providers(recorder, server)
    flows(recorder, person)
    follow_up(recorder, person)
    tokens(recorder)
    assert recorder.operations - recorder.succeeded == set(), "operations without an answer"
    assert not recorder.faults, "\n".join(recorder.faults)
    differences = recorder.differences()
    assert not differences, "\n".join(differences)
