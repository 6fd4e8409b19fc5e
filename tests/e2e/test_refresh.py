"""An expired token is refreshed on demand, once, whoever asks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import httpx
import pytest

from harness.daemon import Daemon
from harness.person import Person
from harness.provider import AuthorizationServer
from harness.waiting import wait_for

CALLERS = 20


def log_in(daemon: Daemon, person: Person) -> str:
    flow = daemon.begin()
    person.log_in(flow["url"])
    return daemon.wait(flow["auth_id"])["token"]


def await_expiry(server: AuthorizationServer, token: str) -> None:
    wait_for("the token to expire", lambda: not server.accepts(token))


@pytest.mark.server(access_token_ttl=3)
def test_an_expired_token_is_refreshed_before_it_is_handed_out(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    old = log_in(daemon, person)
    assert daemon.token() == old
    await_expiry(acme, old)
    new = daemon.token()
    assert new != old
    assert acme.accepts(new)
    assert acme.refreshes == 1


@pytest.mark.server(access_token_ttl=6, token_delay=300)
def test_parallel_callers_share_one_refresh(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    old = log_in(daemon, person)
    await_expiry(acme, old)
    with ThreadPoolExecutor(CALLERS) as pool:
        tokens = set(pool.map(lambda _: daemon.token(), range(CALLERS)))
    assert len(tokens) == 1
    assert old not in tokens
    assert acme.refreshes == 1


@pytest.mark.server(access_token_ttl=2)
def test_rotating_refresh_tokens_are_followed(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    token = log_in(daemon, person)
    for refreshes in (1, 2, 3):
        await_expiry(acme, token)
        token = daemon.token()
        assert acme.refreshes == refreshes
    assert {request["status"] for request in acme.requests()} == {200}


@pytest.mark.server(access_token_ttl=3)
def test_a_refreshed_token_survives_a_kill(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    await_expiry(acme, log_in(daemon, person))
    answer = daemon.authenticate().json()
    daemon.kill()
    daemon.start()
    await_expiry(acme, answer["token"])
    assert acme.accepts(daemon.token())
    assert acme.refreshes == 2


@pytest.mark.server(access_token_ttl=3)
def test_a_grant_ended_at_the_provider_asks_the_person_again(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    old = log_in(daemon, person)
    client = acme.client()
    httpx.post(
        f"{acme.issuer}/token/revocation",
        data={
            "token": acme.requests()[0]["answer"]["refresh_token"],
            "client_id": client.client_id,
            "client_secret": client.client_secret,
        },
        trust_env=False,
    ).raise_for_status()
    expires_at = datetime.fromisoformat(
        daemon.http.get("/v2/auth/tokens").json()[0]["expires_at"].replace("Z", "+00:00")
    )
    wait_for("the token's time", lambda: datetime.now(timezone.utc) > expires_at)
    assert log_in(daemon, person) != old
    assert acme.requests(grant_type="refresh_token")[0]["answer"]["error"] == "invalid_grant"


@pytest.mark.server(access_token_ttl=3)
def test_a_provider_that_is_down_is_503_until_it_comes_back(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    old = log_in(daemon, person)
    await_expiry(acme, old)
    acme.go_down()
    answer = daemon.authenticate()
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "Acme" in answer.json()["detail"] or "acme" in answer.json()["detail"]
    acme.come_back()
    back = wait_for("the provider's return", lambda: daemon.authenticate().json().get("token"))
    assert back != old
    assert acme.accepts(back)


def test_a_provider_that_is_down_at_the_login_says_so_on_the_page(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    way_back = person.allow(daemon.begin()["url"])
    acme.go_down()
    page = person.open(way_back)
    assert page.status in (502, 503)
    assert "Acme" in page.text
