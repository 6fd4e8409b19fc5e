"""Logging in: who waits is woken, and each kind of client gets its token."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest

from harness.daemon import SCOPES, Daemon
from harness.person import Person
from harness.provider import PROVIDER_ID, SECOND_PROVIDER_ID, AuthorizationServer


@pytest.mark.parametrize(
    ("auth_method", "authorization"),
    [("client_secret_post", None), ("client_secret_basic", "Basic"), ("none", None)],
)
def test_every_kind_of_client_gets_a_token(
    daemon: Daemon,
    server: AuthorizationServer,
    person: Person,
    auth_method: str,
    authorization: str,
) -> None:
    daemon.create_provider(server.definition(auth_method=auth_method))
    flow = daemon.begin()
    person.log_in(flow["url"])
    assert server.accepts(daemon.wait(flow["auth_id"])["token"])
    assert [request["authorization"] for request in server.requests()] == [authorization]


def test_every_waiter_is_woken_with_the_same_token(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    flow = daemon.begin()
    with ThreadPoolExecutor(5) as pool:
        waiting = [pool.submit(daemon.wait, flow["auth_id"]) for _ in range(5)]
        person.log_in(flow["url"])
        answers = [waiter.result() for waiter in waiting]
    assert {answer["status"] for answer in answers} == {"completed"}
    assert len({answer["token"] for answer in answers}) == 1


def test_asking_twice_opens_one_flow(acme: AuthorizationServer, daemon: Daemon) -> None:
    first, second = daemon.begin(), daemon.begin()
    assert (first["url"], first["auth_id"]) == (second["url"], second["auth_id"])


def test_waiting_for_nobody_times_out_or_says_pending_at_once(
    acme: AuthorizationServer, daemon: Daemon
) -> None:
    flow = daemon.begin()
    assert daemon.wait(flow["auth_id"], timeout=0)["status"] == "pending"
    assert daemon.wait(flow["auth_id"], timeout=1)["status"] == "timeout"


def test_the_answer_says_what_was_granted_and_to_whom(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    flow = daemon.begin()
    page = person.log_in(flow["url"])
    assert "ada@people.test" in page.text
    assert "code=" not in page.url
    assert "state=" not in page.url
    answer = daemon.authenticate().json()
    metadata = answer["metadata"]
    assert answer["user_id"] == "ada"
    assert metadata["provider_account_label"] == "ada@people.test"
    assert metadata["missing_scopes"] == ["offline_access"]
    assert set(metadata["scopes"]) == set(SCOPES) - {"offline_access"}
    assert metadata["token_type"].lower() == "bearer"


def test_a_scope_never_asked_for_asks_the_person_again(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    person.log_in(daemon.begin()["url"])
    narrow = daemon.token()
    flow = daemon.begin(scopes=["api:write"])
    person.log_in(flow["url"])
    wide = daemon.wait(flow["auth_id"])["token"]
    assert wide != narrow
    # Renewed in place, with the union of old and new: both askers are content.
    assert daemon.token() == daemon.token(scopes=["api:write"]) == wide


def test_each_provider_has_its_own_token(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    daemon.create_provider(acme.definition(provider_id=SECOND_PROVIDER_ID))
    person.log_in(daemon.begin()["url"])
    person.log_in(daemon.begin(provider=SECOND_PROVIDER_ID)["url"])
    assert daemon.token(provider=PROVIDER_ID) != daemon.token(provider=SECOND_PROVIDER_ID)


def test_each_user_label_has_its_own_token(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    person.log_in(daemon.begin()["url"])
    assert daemon.authenticate(user_id="grace").json()["status"] == "pending"
    assert daemon.authenticate(user_id="ada").json()["status"] == "completed"


def test_a_code_carried_by_hand_finishes_the_flow(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    flow = daemon.begin()
    carried = dict(
        pair.split("=", 1) for pair in person.allow(flow["url"]).split("?", 1)[1].split("&")
    )
    answer = daemon.http.post(
        f"/v2/auth/callback/{PROVIDER_ID}",
        json={"code": carried["code"], "state": carried["state"]},
    )
    assert answer.status_code == 200, answer.text
    assert daemon.wait(flow["auth_id"])["status"] == "completed"


def test_a_front_end_finishes_a_flow_that_an_agent_began(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    # The code comes back to the front end, and never to the daemon's listener.
    front_end = f"http://127.0.0.1:1/host-oauth-callback/{PROVIDER_ID}"
    flow = daemon.begin(redirect_uri=front_end)
    arrived = person.allow(flow["url"])
    assert arrived.startswith(f"{front_end}?")
    brought = {name: values[0] for name, values in parse_qs(urlsplit(arrived).query).items()}
    body = {"code": brought["code"], "state": brought["state"]}
    callback = f"/v2/auth/callback/{PROVIDER_ID}"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(daemon.wait, flow["auth_id"])
        answer = daemon.http.post(callback, json=body)
        assert answer.status_code == 200, answer.text
        woken = waiting.result()
    assert woken["status"] == "completed"
    assert acme.accepts(woken["token"])
    assert woken["token"] not in answer.text
    assert daemon.http.post(callback, json=body).status_code == 400
    assert acme.exchanges == 1
