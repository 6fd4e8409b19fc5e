"""The daemon may end at any time, in any way; logins go on and tokens stay."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Tuple

import pytest

from harness.daemon import Daemon
from harness.person import Person
from harness.provider import AuthorizationServer


def end(daemon: Daemon, how: str) -> None:
    if how == "stopped":
        assert daemon.stop() == 0
    else:
        daemon.kill()


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_login_survives_a_restart_in_its_middle(
    acme: AuthorizationServer, daemon: Daemon, person: Person, how: str
) -> None:
    flow = daemon.begin()
    way_back = person.allow(flow["url"])
    end(daemon, how)
    daemon.start()
    assert person.open(way_back).status == 200
    done = daemon.wait(flow["auth_id"])
    assert done["status"] == "completed"
    assert acme.accepts(done["token"])


def test_a_pending_flow_is_the_same_one_after_a_restart(
    acme: AuthorizationServer, daemon: Daemon
) -> None:
    before = daemon.begin()
    daemon.kill()
    daemon.start()
    after = daemon.begin()
    assert (before["url"], before["auth_id"]) == (after["url"], after["auth_id"])


def test_a_kill_right_after_the_login_loses_nothing(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    flow = daemon.begin()
    assert person.log_in(flow["url"]).status == 200
    daemon.kill()
    daemon.start()
    obtained = acme.requests()[0]["answer"]["access_token"]
    assert daemon.token() == obtained
    assert daemon.wait(flow["auth_id"])["token"] == obtained
    assert acme.exchanges == 1


def test_providers_and_identifiers_stay_as_they_were(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    person.log_in(daemon.begin()["url"])

    def view() -> Tuple[Any, ...]:
        return tuple(
            daemon.http.get(path).json() for path in ("/v2/auth/providers", "/v2/auth/tokens")
        )

    before = view()
    daemon.kill()
    daemon.start()
    assert view() == before


def test_a_wait_ends_with_the_daemon_and_says_when_to_ask_again(
    acme: AuthorizationServer, daemon: Daemon
) -> None:
    flow = daemon.begin()
    path = f"/v2/auth/wait/{flow['auth_id']}?timeout=60"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(daemon.http.get, path)
        # A second, shorter wait has ended, so the first one has begun.
        assert daemon.wait(flow["auth_id"], timeout=1)["status"] == "timeout"
        assert daemon.stop() == 0
        answer = waiting.result()
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
