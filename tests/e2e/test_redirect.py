"""The loopback listener: refusals, replays and requests of other sites."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest

from harness import canary, leaks
from harness.daemon import Daemon
from harness.person import Page, Person
from harness.provider import PROVIDER_ID, SECOND_PROVIDER_ID, AuthorizationServer

NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
CANARY = canary.make("secret")


def assert_private(page: Page) -> None:
    """The properties of every page."""
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.html


def test_a_refusal_ends_the_flow_and_the_page_explains_it(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    flow = daemon.begin()
    page = person.refuse(flow["url"])
    ended = daemon.wait(flow["auth_id"])
    assert ended["status"] == "not_found"
    assert ended["error"] == "access_denied"
    assert "token" not in ended or ended["token"] is None
    assert "Nothing was connected" in page.text
    assert "Acme" in page.text
    assert_private(page)
    assert acme.exchanges == 0


def test_after_a_refusal_the_same_request_starts_a_new_flow(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    first = daemon.begin()
    person.refuse(first["url"])
    second = daemon.begin()
    assert second["auth_id"] != first["auth_id"]
    assert person.log_in(second["url"]).status == 200


def test_a_callback_redirects_to_a_page_without_code_in_its_url(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    way_back = person.allow(daemon.begin()["url"])
    assert way_back.startswith(f"{daemon.redirect_base}/host-oauth-callback/{PROVIDER_ID}?")
    page = person.open(way_back)
    assert page.status == 200
    assert "You are connected" in page.text
    assert not urlsplit(page.url).query or "code" not in urlsplit(page.url).query
    assert_private(page)


def test_a_replayed_callback_does_not_exchange_twice(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    way_back = person.allow(daemon.begin()["url"])
    person.open(way_back)
    token = daemon.token()
    again = person.open(way_back)
    assert_private(again)
    assert acme.exchanges == 1
    assert daemon.token() == token
    assert acme.accepts(token)


def test_an_unknown_state_changes_nothing_and_is_not_echoed(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    flow = daemon.begin()
    page = person.open(
        f"{daemon.redirect_base}/host-oauth-callback/{PROVIDER_ID}?code={CANARY}&state={CANARY}"
    )
    assert page.status == 400
    assert CANARY not in page.html
    assert_private(page)
    assert daemon.wait(flow["auth_id"], timeout=0)["status"] == "pending"
    assert acme.exchanges == 0


def test_a_state_is_valid_only_for_its_provider(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    daemon.create_provider(acme.definition(provider_id=SECOND_PROVIDER_ID))
    way_back = person.allow(daemon.begin()["url"])
    page = person.open(way_back.replace(f"/{PROVIDER_ID}?", f"/{SECOND_PROVIDER_ID}?"))
    assert page.status >= 400
    assert acme.exchanges == 0


def test_a_repeated_code_or_state_is_rejected(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    way_back = person.allow(daemon.begin()["url"])
    assert person.open(f"{way_back}&code={CANARY}").status == 400
    assert acme.exchanges == 0


def test_another_host_is_rejected(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    way_back = person.allow(daemon.begin()["url"])
    page = person.open(way_back, headers={"Host": "rebound.example"})
    assert page.status == 421
    assert acme.exchanges == 0


@pytest.mark.parametrize("mode", ["no-cors", "cors", "same-origin", "websocket"])
def test_a_request_that_is_not_a_navigation_is_rejected(
    acme: AuthorizationServer, daemon: Daemon, person: Person, mode: str
) -> None:
    way_back = person.allow(daemon.begin()["url"])
    assert person.open(way_back, headers={"Sec-Fetch-Mode": mode}).status in (400, 403)
    assert acme.exchanges == 0


@pytest.mark.parametrize("path", ["/", "/v2/auth/providers", "/ok", "/host-oauth-callback"])
def test_the_listener_has_no_other_paths(daemon: Daemon, path: str) -> None:
    answer = httpx.get(f"{daemon.redirect_base}{path}", headers=NAVIGATION, trust_env=False)
    assert answer.status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "OPTIONS"])
def test_a_callback_must_use_get(
    acme: AuthorizationServer, daemon: Daemon, person: Person, method: str
) -> None:
    way_back = person.allow(daemon.begin()["url"])
    answer = httpx.request(method, way_back, headers=NAVIGATION, trust_env=False)
    leaks.note_answer(answer)
    assert 400 <= answer.status_code < 500
    assert acme.exchanges == 0


@pytest.mark.parametrize("path", ["v2/auth/callback", "v2/auth/setup"])
def test_callbacks_work_on_the_hosted_services_paths(
    acme: AuthorizationServer, daemon: Daemon, person: Person, path: str
) -> None:
    flow = daemon.begin()
    way_back = person.allow(flow["url"]).replace("/host-oauth-callback/", f"/{path}/")
    assert person.open(way_back).status == 200
    assert daemon.wait(flow["auth_id"])["status"] == "completed"
