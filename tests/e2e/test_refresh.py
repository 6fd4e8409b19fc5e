"""An expired token is refreshed on demand, once, whoever asks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from harness.daemon import Daemon
from harness.person import Person
from harness.provider import AuthorizationServer
from harness.waiting import wait_for

CALLERS = 20


@pytest.fixture
def daemon(stopped_daemon: Daemon) -> Daemon:
    """A daemon whose refreshes a test can count, since it asks for each."""
    stopped_daemon.refresh_on_demand_alone()
    stopped_daemon.start()
    return stopped_daemon


def log_in(daemon: Daemon, person: Person) -> str:
    flow = daemon.begin()
    person.log_in(flow["url"])
    return daemon.wait(flow["auth_id"])["token"]


@pytest.mark.server(access_token_ttl=3)
def test_an_expired_token_is_refreshed_before_it_is_handed_out(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    old = log_in(daemon, person)
    daemon.await_expiry()
    before = acme.refreshes
    new = daemon.token()
    assert new != old
    assert acme.accepts(new)
    assert acme.refreshes == before + 1


@pytest.mark.server(access_token_ttl=6, token_delay=300)
def test_parallel_callers_share_one_refresh(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    old = log_in(daemon, person)
    daemon.await_expiry()
    before = acme.refreshes
    with ThreadPoolExecutor(CALLERS) as pool:
        tokens = set(pool.map(lambda _: daemon.token(), range(CALLERS)))
    assert len(tokens) == 1
    assert old not in tokens
    assert acme.refreshes == before + 1


@pytest.mark.server(access_token_ttl=2)
def test_rotating_refresh_tokens_are_followed(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    log_in(daemon, person)
    for _ in range(3):
        daemon.await_expiry()
        before = acme.refreshes
        daemon.token()
        assert acme.refreshes == before + 1
    assert {request["status"] for request in acme.requests()} == {200}


@pytest.mark.server(access_token_ttl=3)
def test_a_refreshed_token_survives_a_kill(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    log_in(daemon, person)
    daemon.await_expiry()
    daemon.token()
    daemon.kill()
    daemon.start()
    daemon.await_expiry()
    before = acme.refreshes
    assert acme.accepts(daemon.token())
    assert acme.refreshes == before + 1


@pytest.mark.server(access_token_ttl=3)
def test_a_grant_ended_at_the_provider_asks_the_person_again(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    old = log_in(daemon, person)
    client = acme.client()
    httpx.post(
        acme.revocation_url,
        data={
            "token": acme.requests()[0]["answer"]["refresh_token"],
            "client_id": client.client_id,
            "client_secret": client.client_secret,
        },
        trust_env=False,
    ).raise_for_status()
    daemon.await_expiry()
    assert log_in(daemon, person) != old
    assert acme.requests(grant_type="refresh_token")[0]["answer"]["error"] == "invalid_grant"


@pytest.mark.server(access_token_ttl=3)
def test_a_provider_that_is_down_is_503_until_it_comes_back(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    old = log_in(daemon, person)
    daemon.await_expiry()
    acme.go_down()
    answer = daemon.authenticate()
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["detail"]
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
