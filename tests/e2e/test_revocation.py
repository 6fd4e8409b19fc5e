"""Giving tokens back: revoked at the provider first, then deleted here."""

from __future__ import annotations

import pytest

from harness.daemon import Daemon
from harness.person import Person
from harness.provider import PROVIDER_ID, AuthorizationServer


@pytest.fixture
def revocable(daemon: Daemon, server: AuthorizationServer) -> AuthorizationServer:
    """A provider of a kind known to have its revocation endpoint where this server has it."""
    daemon.create_provider(server.definition(provider_type="salesforce"))
    return server


def log_in(daemon: Daemon, person: Person) -> str:
    flow = daemon.begin()
    person.log_in(flow["url"])
    return str(daemon.wait(flow["auth_id"])["token"])


def give_back(daemon: Daemon) -> None:
    answer = daemon.http.delete("/v2/auth/tokens", params={"provider_id": PROVIDER_ID})
    assert answer.status_code == 200, answer.text
    assert answer.json()["provider_id"] == PROVIDER_ID
    assert daemon.http.get("/v2/auth/tokens").json() == []


def test_a_token_given_back_is_no_longer_accepted(
    revocable: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    token = log_in(daemon, person)
    assert revocable.accepts(token)
    give_back(daemon)
    assert not revocable.accepts(token)


def test_a_revocation_endpoint_is_found_in_the_servers_metadata(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    token = log_in(daemon, person)
    give_back(daemon)
    assert not acme.accepts(token)


def test_a_token_is_deleted_even_if_its_provider_is_down(
    revocable: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    token = log_in(daemon, person)
    revocable.go_down()
    give_back(daemon)
    revocable.come_back()
    assert revocable.accepts(token)


def test_after_giving_back_the_person_is_asked_again(
    revocable: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    first = log_in(daemon, person)
    give_back(daemon)
    assert log_in(daemon, person) != first


def test_deleting_a_provider_deletes_its_tokens_and_flows(
    revocable: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    log_in(daemon, person)
    pending = daemon.begin(user_id="grace")
    daemon.http.delete(f"/v2/auth/providers/{PROVIDER_ID}").raise_for_status()
    assert daemon.http.get("/v2/auth/tokens").json() == []
    assert daemon.wait(pending["auth_id"], timeout=5)["status"] == "not_found"


def test_a_client_changed_since_asks_the_person_and_sends_nothing_old(
    revocable: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    log_in(daemon, person)
    asked = len(revocable.requests()) + len(revocable.requests("revocation"))
    change = {"client_id": revocable.client("client_secret_basic").client_id}
    daemon.http.patch(f"/v2/auth/providers/{PROVIDER_ID}", json=change).raise_for_status()
    assert daemon.authenticate().json()["status"] == "pending"
    give_back(daemon)
    assert len(revocable.requests()) + len(revocable.requests("revocation")) == asked
