"""Tokens for an MCP server, from its address alone."""

from __future__ import annotations

from typing import Dict, Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from harness.cli import CommandLine
from harness.daemon import Daemon
from harness.mcp import McpServer, mcp_server
from harness.person import Person
from harness.provider import PROVIDER_ID, AuthorizationServer

# What the server may grant for a resource.
SCOPES = ["api:read", "offline_access"]

pytestmark = pytest.mark.server(registration=True, resource_indicators=True)


@pytest.fixture
def mcp(server: AuthorizationServer) -> Iterator[McpServer]:
    with mcp_server(server) as running:
        yield running


def discover(daemon: Daemon, url: str) -> httpx.Response:
    body = {"provider_id": PROVIDER_ID, "name": "Acme", "mcp_server_url": url}
    return daemon.http.post("/v2/auth/providers/mcp-discover", json=body)


def log_in(daemon: Daemon, person: Person) -> str:
    flow = daemon.begin(scopes=SCOPES)
    assert person.log_in(flow["url"]).status == 200
    return str(daemon.wait(flow["auth_id"])["token"])


def query(url: str) -> Dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_a_provider_is_found_and_a_client_registered(
    server: AuthorizationServer, mcp: McpServer, daemon: Daemon
) -> None:
    answer = discover(daemon, mcp.url)
    assert answer.status_code == 200, answer.text
    provider = answer.json()
    assert provider["auth_url"] == server.auth_url
    assert provider["token_url"] == server.token_url
    assert provider["mcp_server_url"] == mcp.url
    assert provider["is_dynamic_client"] is True
    assert provider["token_endpoint_auth_method"] == "none"
    assert provider["client_id"] not in {
        server.client(method).client_id
        for method in ("none", "client_secret_post", "client_secret_basic")
    }
    assert daemon.http.get(f"/v2/auth/providers/{PROVIDER_ID}").json() == provider


def test_the_token_is_issued_for_the_mcp_server(
    server: AuthorizationServer, mcp: McpServer, daemon: Daemon, person: Person
) -> None:
    assert discover(daemon, mcp.url).status_code == 200
    flow = daemon.begin(scopes=SCOPES)
    assert query(flow["url"])["resource"] == mcp.url
    assert mcp.call("not a token") == 401
    person.log_in(flow["url"])
    token = daemon.wait(flow["auth_id"])["token"]
    assert mcp.call(token) == 200
    (exchange,) = server.requests(grant_type="authorization_code")
    assert exchange["params"]["resource"] == mcp.url


@pytest.mark.server(registration=True, resource_indicators=True, access_token_ttl=3)
def test_a_refreshed_token_is_issued_for_the_mcp_server(
    server: AuthorizationServer, mcp: McpServer, daemon: Daemon, person: Person
) -> None:
    assert discover(daemon, mcp.url).status_code == 200
    first = log_in(daemon, person)
    daemon.await_expiry()
    second = daemon.token(scopes=SCOPES)
    assert second != first
    assert mcp.call(second) == 200
    refreshes = server.requests(grant_type="refresh_token")
    assert {refresh["params"]["resource"] for refresh in refreshes} == {mcp.url}


def test_its_tokens_are_revoked_when_deleted(
    mcp: McpServer, daemon: Daemon, person: Person
) -> None:
    assert discover(daemon, mcp.url).status_code == 200
    token = log_in(daemon, person)
    assert mcp.call(token) == 200
    params = {"provider_id": PROVIDER_ID}
    daemon.http.delete("/v2/auth/tokens", params=params).raise_for_status()
    assert mcp.call(token) == 401


def test_the_command_line_needs_only_the_address(
    mcp: McpServer, daemon: Daemon, command_line: CommandLine
) -> None:
    command_line.expect("provider", "discover", PROVIDER_ID, mcp.url)
    assert mcp.url in command_line.expect("provider", "show", PROVIDER_ID)
    again = command_line.call("provider", "discover", PROVIDER_ID, mcp.url)
    assert again.returncode == 1
    assert "already exists" in again.stderr


@pytest.mark.server(resource_indicators=True)
def test_a_server_without_client_registration_is_reported(mcp: McpServer, daemon: Daemon) -> None:
    answer = discover(daemon, mcp.url)
    assert answer.status_code == 422
    (fault,) = answer.json()["detail"]
    assert fault["loc"] == ["body", "mcp_server_url"]
    assert "does not support client registration" in fault["msg"]
    assert daemon.http.get("/v2/auth/providers").json() == []
