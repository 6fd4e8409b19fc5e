"""A user who does no harm: asks for stored tokens, has some refreshed, loads a page."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Dict, List
from urllib.parse import urlsplit

from .provider import Provider, definition
from .wire import GOOD, Job, ask, connect, read_answer, request, run_as

# The user ids of the grants that are refreshed all the time.
REFRESHED = [f"refreshed-{number}" for number in range(4)]

# How often a stored token is asked for: some two hundred times a second.
PAUSE = 0.005

# How often one of the short-lived tokens is asked for, and how often a page.
REFRESH_PAUSE, PAGE_PAUSE = 0.05, 0.1


@dataclass
class Times:
    """How long calls took, in milliseconds, by what they asked for."""

    taken: Dict[str, List[float]] = field(default_factory=dict)
    errors: List[str] = field(default_factory=list)

    def quantile(self, kind: str, share: float) -> float:
        taken = sorted(self.taken.get(kind, []))
        return taken[min(len(taken) - 1, int(len(taken) * share))] if taken else float("nan")


def settle(path: str, provider: Provider) -> None:
    """Gives the user a token that lasts, and grants that do not."""
    grants = {name: provider.new_grant(name) for name in REFRESHED}

    def store() -> None:
        for name in ("lasting", "short"):
            expect(path, "POST", "/v2/auth/providers", definition(name, f"{provider.url}/token"))
        lasting = {"provider_id": "lasting", "access_token": "canary-access-lasting"}
        expect(path, "POST", "/v2/auth/tokens/import", lasting)
        for name, (access, refresh) in grants.items():
            expect(path, "POST", "/v2/auth/tokens/import", {
                "provider_id": "short", "user_id": name, "access_token": access,
                "refresh_token": refresh, "expires_in_seconds": 1,
            })

    run_as(GOOD, store)


def expect(path: str, method: str, target: str, body: Any = None) -> Any:
    status, answer = ask(path, method, target, body)
    assert status == 200, (target, status, answer)
    return answer


def grants_alive(path: str) -> int:
    """How many of the user's grants serve now."""

    def count() -> int:
        wanted = [("lasting", None), *(("short", name) for name in REFRESHED)]
        answers = [ask(path, "POST", "/v2/auth/authenticate", _wanted(*one)) for one in wanted]
        return sum(answer[1].get("status") == "completed" for answer in answers)

    return run_as(GOOD, count)


def work(path: str, redirect_base: str, seconds: float) -> Job:
    """Works for so long in a process of the user's own; its result is [`Times`]."""
    return Job(GOOD, lambda: _Worker(path, redirect_base, seconds).run())


def _wanted(provider: str, user_id: Any = None) -> dict:
    wanted = {"provider": provider, "scopes": []}
    return wanted if user_id is None else {**wanted, "user_id": user_id}


class _Worker:
    def __init__(self, path: str, redirect_base: str, seconds: float) -> None:
        self.path, self.base = path, urlsplit(redirect_base)
        self.end = time.monotonic() + seconds
        self.times = Times()

    def run(self) -> Times:
        threads = [
            threading.Thread(target=work) for work in (self.ask_stored, self.ask_short, self.load)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.times

    def timed(self, kind: str, call: Any) -> None:
        start = time.perf_counter()
        try:
            call()
        except (OSError, AssertionError) as error:
            self.times.errors.append(f"{kind}: {type(error).__name__}: {error}"[:200])
        taken = (time.perf_counter() - start) * 1000
        self.times.taken.setdefault(kind, []).append(taken)

    def ask_stored(self) -> None:
        """Over a connection that is kept and over new ones, in turn."""
        body = _wanted("lasting")
        kept = connect(self.path)

        def over_kept() -> None:
            kept.sendall(request("POST", "/v2/auth/authenticate", body))
            self.require(read_answer(kept))

        def over_new() -> None:
            with connect(self.path) as fresh:
                fresh.sendall(request("POST", "/v2/auth/authenticate", body, "Connection: close"))
                self.require(read_answer(fresh))

        while time.monotonic() < self.end:
            self.timed("kept", over_kept)
            time.sleep(PAUSE)
            self.timed("new", over_new)
            time.sleep(PAUSE)

    def ask_short(self) -> None:
        number = 0
        while time.monotonic() < self.end:
            body = _wanted("short", REFRESHED[number % len(REFRESHED)])
            number += 1

            def call() -> None:
                with connect(self.path) as fresh:
                    fresh.sendall(request("POST", "/v2/auth/authenticate", body))
                    self.require(read_answer(fresh))

            self.timed("short", call)
            time.sleep(REFRESH_PAUSE)

    def load(self) -> None:
        host = self.base.netloc

        def page() -> None:
            address = (self.base.hostname, self.base.port)
            with socket.create_connection(address, timeout=30) as browser:
                browser.sendall(request("GET", "/nowhere", None, "Connection: close", host=host))
                status, _ = read_answer(browser)
                assert status == 404, status

        while time.monotonic() < self.end:
            self.timed("page", page)
            time.sleep(PAGE_PAUSE)

    @staticmethod
    def require(answer: Any) -> None:
        status, content = answer
        assert status == 200 and b'"completed"' in content, (status, content[:200])
