"""The server the other tests log in to is as strict as they take it to be."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Dict
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from harness.person import Person
from harness.provider import PROVIDER_ID, AuthorizationServer

REDIRECT = f"http://127.0.0.1:9/host-oauth-callback/{PROVIDER_ID}"


def token_request(server: AuthorizationServer, **form: str) -> httpx.Response:
    client = server.client()
    form = {**form, "client_id": client.client_id, "client_secret": client.client_secret or ""}
    return httpx.post(server.token_url, data=form, trust_env=False)


def authorize_url(server: AuthorizationServer, **parameters: str) -> str:
    query = {
        "client_id": server.client().client_id,
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "scope": "openid email api:read",
        **parameters,
    }
    return f"{server.auth_url}?{urlencode(query)}"


def log_in(server: AuthorizationServer, person: Person) -> Dict[str, str]:
    verifier = secrets.token_urlsafe(32)
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    url = authorize_url(server, code_challenge=challenge, code_challenge_method="S256")
    code = parse_qs(urlsplit(person.allow(url)).query)["code"][0]
    answer = token_request(
        server,
        grant_type="authorization_code",
        code=code,
        redirect_uri=REDIRECT,
        code_verifier=verifier,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_pkce_is_required_of_confidential_clients_too(
    server: AuthorizationServer, person: Person
) -> None:
    redirect = person.allow(authorize_url(server))
    assert parse_qs(urlsplit(redirect).query)["error"] == ["invalid_request"]


def test_every_refresh_makes_a_new_refresh_token(
    server: AuthorizationServer, person: Person
) -> None:
    first = log_in(server, person)
    second = token_request(
        server, grant_type="refresh_token", refresh_token=first["refresh_token"]
    ).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert server.refreshes == 1


def test_a_refresh_token_used_twice_ends_the_whole_grant(
    server: AuthorizationServer, person: Person
) -> None:
    first = log_in(server, person)
    second = token_request(
        server, grant_type="refresh_token", refresh_token=first["refresh_token"]
    ).json()
    assert server.accepts(second["access_token"])
    reused = token_request(server, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert reused.json()["error"] == "invalid_grant"
    assert not server.accepts(second["access_token"])


def test_a_person_can_refuse(server: AuthorizationServer, person: Person) -> None:
    url = authorize_url(server, code_challenge="c" * 43, code_challenge_method="S256", state="s")
    redirect = parse_qs(urlsplit(person.decline(url)).query)
    assert redirect["error"] == ["access_denied"]
    assert redirect["state"] == ["s"]


def test_an_outage_refuses_connections_and_forgets_nothing(
    server: AuthorizationServer, person: Person
) -> None:
    grant = log_in(server, person)
    server.go_down()
    with pytest.raises(httpx.ConnectError):
        server.accepts(grant["access_token"])
    server.come_back()
    assert server.accepts(grant["access_token"])
