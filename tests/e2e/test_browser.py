"""A real browser at the loopback listener: pages of other sites cannot use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict
from urllib.parse import parse_qs, urlsplit

from harness import canary
from harness.browser import FOREIGN, Site, open_page, shown
from harness.daemon import Daemon
from harness.waiting import wait_for

PAGE = Path(__file__).with_name("attack.html")

PROVIDER = {
    "provider_id": "acme",
    "name": "Acme",
    "client_id": "c",
    "client_secret": canary.make("client_secret"),
    # Nobody listens there, and nobody is to ask.
    "auth_url": "http://127.0.0.1:9/authorize",
    "token_url": "http://127.0.0.1:9/token",
}

# What one page's attempts come to where nothing stops them but the browser.
READ_NOTHING = {
    "fetch": "TypeError",
    "credentials": "TypeError",
    "frame": "TypeError",
    "form": "TypeError",
}


def attacked(home: Path, get: str, post: str) -> Dict[str, str]:
    """The results that a page of another site reports."""
    with Site() as site:
        page = PAGE.read_text().replace("@GET@", get).replace("@POST@", post)
        site.pages["/"] = ({}, page)
        with open_page(home, f"http://{FOREIGN}:{site.port}/"):
            report = wait_for("the page's report", lambda: site.posted("/report"), 120)
        return json.loads(report[0])


def pending(daemon: Daemon) -> Dict[str, str]:
    """A pending login: `auth_id`, and the callback that would finish it."""
    begun = daemon.begin(scopes=["a"])
    state = parse_qs(urlsplit(begun["url"]).query)["state"][0]
    base = daemon.redirect_base
    redirect = f"{base}/host-oauth-callback/acme?error=access_denied&state={state}"
    return {"auth_id": begun["auth_id"], "redirect": redirect}


def asked_for_consent(daemon: Daemon) -> Dict[str, str]:
    """A pending consent request of an agent."""
    access = canary.make("access_token")
    token = {"provider_id": "acme", "access_token": access, "scopes": ["b"]}
    daemon.http.post("/v2/auth/tokens/import", json=token).raise_for_status()
    wanted = {"provider": "acme", "scopes": ["b"], "agent_id": "bot"}
    asked = daemon.http.post("/v2/auth/authenticate", json=wanted).json()
    assert asked["status"] == "connection_required", asked
    return asked


def test_a_page_of_another_site_can_neither_read_nor_act(daemon: Daemon, home: Path) -> None:
    daemon.create_provider(PROVIDER)
    login, question = pending(daemon), asked_for_consent(daemon)
    # The worst case: the page knows addresses that nobody can guess.
    outcomes = attacked(home, login["redirect"], question["url"])
    assert {name: outcomes[name] for name in READ_NOTHING} == READ_NOTHING
    assert outcomes["image"] == "error"
    assert outcomes["script"] == "error"
    for flow in (login["auth_id"], question["auth_id"]):
        assert daemon.wait(flow, timeout=0)["status"] == "pending"
    # The person's own browser, sent there, ends it.
    document, _ = shown(home, login["redirect"])
    assert "Nothing was connected" in document
    assert daemon.wait(login["auth_id"], timeout=0)["status"] == "not_found"


def test_the_same_page_can_attack_an_unprotected_site(home: Path) -> None:
    # Else the test above could not fail.
    with Site() as careless:
        base = f"http://127.0.0.1:{careless.port}"
        careless.pages["/get"] = ({"Access-Control-Allow-Origin": "*"}, "var known = 1")
        outcomes = attacked(home, f"{base}/get", f"{base}/post")
        assert outcomes["fetch"] == "read 13"
        assert outcomes["opaque"] == "opaque"
        assert outcomes["script"] == "load"
        assert len([request for request in careless.requests if request[1] == "/get"]) >= 5
        assert careless.posted("/post") == ["decision=allow"] * 2


def test_a_rebound_host_name_is_rejected(daemon: Daemon, home: Path) -> None:
    daemon.create_provider(PROVIDER)
    login = pending(daemon)
    foreign = login["redirect"].replace("127.0.0.1", FOREIGN)
    document, _ = shown(home, foreign)
    assert "This is the wrong address" in document
    assert daemon.wait(login["auth_id"], timeout=0)["status"] == "pending"


def test_the_pages_do_not_violate_their_policy(daemon: Daemon, home: Path) -> None:
    daemon.create_provider(PROVIDER)
    question = asked_for_consent(daemon)
    for url, words in {
        f"{daemon.redirect_base}/nowhere": "There is nothing here",
        pending(daemon)["redirect"]: "Nothing was connected",
        question["url"]: "bot",
    }.items():
        document, complaints = shown(home, url)
        assert words in document, url
        assert "Content Security Policy" not in complaints, complaints


def test_the_browser_reports_a_policy_violation(home: Path) -> None:
    with Site() as site:
        policy = {"Content-Security-Policy": "default-src 'none'"}
        site.pages["/"] = (policy, "<style>p { color: red }</style><p>words")
        document, complaints = shown(home, f"http://127.0.0.1:{site.port}/")
        assert "words" in document
        assert "Content Security Policy" in complaints
