"""What the hostile user does, one kind at a time. Each is given a [`Target`] and goes
on until its process is killed; refusals and lost connections do not stop it."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from typing import Callable, Dict, List, Tuple
from urllib.parse import parse_qs, urlsplit

from .provider import Provider, definition
from .wire import HOSTILE, Job, ask, connect, drop, read_answer, request, run_as

AUTHENTICATE = "/v2/auth/authenticate"
IMPORT = "/v2/auth/tokens/import"


@dataclass
class Target:
    """Where the daemon is, and the provider whose token endpoint hangs."""

    path: str
    redirect_base: str
    hanging: str


def settle(path: str, provider: Provider, tokens: int) -> int:
    """Stores what the attacks ask for: so many tokens, an eighth of them with as many
    bytes as a request may have. Gives how many there are."""

    def define() -> None:
        for name, url in (("many", provider.url), ("hanging", provider.hanging.url)):
            status, answer = ask(path, "POST", "/v2/auth/providers", definition(name, f"{url}/t"))
            assert status in (200, 409), answer

    def store(count: int) -> int:
        connection, stored = connect(path), 0
        small = {"provider_id": "many", "access_token": "x" * 500, "user_id": "hostile"}
        large = {**small, "scopes": [f"{number:079}" for number in range(100)]}
        for number in range(count):
            body = large if number % 8 == 0 else small
            connection.sendall(request("POST", IMPORT, body))
            stored += read_answer(connection)[0] == 200
        return stored

    run_as(HOSTILE, define)
    jobs = [Job(HOSTILE, lambda: store(tokens // 32)) for _ in range(32)]
    return sum(job.result() for job in jobs)


def again_and_again(step: Callable[[], None]) -> None:
    while True:
        try:
            step()
        except (OSError, ValueError, IndexError):
            time.sleep(0.001)


def connect_and_close(target: Target) -> None:
    def step() -> None:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(target.path)
        finally:
            connection.close()

    again_and_again(step)


def hold_idle(target: Target) -> None:
    """As many idle connections as there can be, half of them after a request."""
    held: List[socket.socket] = []

    def step() -> None:
        one = connect(target.path, 1.0)
        held.append(one)
        if len(held) % 2:
            one.sendall(request("GET", "/ok"))
        if len(held) >= 1000:
            time.sleep(1.0)
            drop(held)

    again_and_again(step)


def send_halves(target: Target) -> None:
    """Requests whose head never ends."""
    hold_saying(target, request("GET", "/ok")[:-2])


def send_bodies_slowly(target: Target) -> None:
    """Bodies that hardly come, a byte at a time."""
    head = request("POST", AUTHENTICATE, None, "Content-Type: application/json", "Content-Length: 60000")
    held = hold_saying(target, head, forever=False)

    def step() -> None:
        for one in held:
            one.send(b" ")
        time.sleep(0.05)

    while True:
        try:
            step()
        except OSError:
            drop(held)
            held = hold_saying(target, head, forever=False)


def hold_saying(target: Target, text: bytes, forever: bool = True) -> List[socket.socket]:
    held: List[socket.socket] = []

    def step() -> None:
        one = connect(target.path, 1.0)
        held.append(one)
        one.sendall(text)
        if len(held) >= 400 and forever:
            time.sleep(0.5)
            drop(held)

    if forever:
        again_and_again(step)
    for _ in range(200):
        try:
            step()
        except OSError:
            break
    return held


def leave_unread(target: Target) -> None:
    """Pages of events asked for by 120 connections and not read."""
    held: List[socket.socket] = []

    def step() -> None:
        one = connect(target.path)
        one.sendall(request("GET", "/v2/auth/token-events?limit=200"))
        held.append(one)
        if len(held) >= 120:
            time.sleep(0.5)
            drop(held)

    again_and_again(step)


def read_lists(target: Target) -> None:
    """Long lists, asked for over sixteen connections at once and read."""
    ask_at_once(target, request("GET", "/v2/auth/tokens"), 16)


def ask_for_many(target: Target) -> None:
    """Tokens of a provider that has all of the user's, over 64 connections."""
    wanted = {"provider": "many", "scopes": [], "user_id": "hostile"}
    ask_at_once(target, request("POST", AUTHENTICATE, wanted), 64)


def ask_at_once(target: Target, text: bytes, count: int) -> None:
    held: List[socket.socket] = []

    def step() -> None:
        if not held:
            held.extend(connect(target.path) for _ in range(count))
        try:
            for one in held:
                one.sendall(text)
            for one in held:
                read_answer(one)
        except OSError:
            drop(held)
            raise

    again_and_again(step)


def import_tokens(target: Target) -> None:
    """Imports of one process after another, until the quota and on."""
    body = {"provider_id": "many", "access_token": "x" * 1000, "user_id": "hostile"}
    ask_at_once(target, request("POST", IMPORT, body), 32)


def begin_flows(target: Target) -> None:
    """Logins, each of another user, until the quota and on."""
    number = [0]
    held: List[socket.socket] = []

    def step() -> None:
        if not held:
            held.extend(connect(target.path) for _ in range(32))
        try:
            for one in held:
                number[0] += 1
                wanted = {"provider": "many", "scopes": ["a"], "user_id": f"u{os.getpid()}-{number[0]}"}
                one.sendall(request("POST", AUTHENTICATE, wanted))
            for one in held:
                read_answer(one)
        except OSError:
            drop(held)
            raise

    again_and_again(step)


def wait_on_flows(target: Target) -> None:
    """As many waiters as there can be, given up and begun anew."""
    wanted = {"provider": "many", "scopes": ["w"], "user_id": "waiter"}
    held: List[socket.socket] = []
    flow: List[str] = []

    def step() -> None:
        if not flow:
            flow.append(ask(target.path, "POST", AUTHENTICATE, wanted)[1].get("auth_id", "none"))
        one = connect(target.path)
        one.sendall(request("GET", f"/v2/auth/wait/{flow[0]}?timeout=60"))
        held.append(one)
        if len(held) >= 240:
            time.sleep(0.2)
            drop(held)

    again_and_again(step)


def send_nonsense(target: Target) -> None:
    """What is answered with 400, 404, 405 and 422, and might be logged."""
    faults = [
        request("GET", "/nowhere"),
        request("POST", AUTHENTICATE, {"provider": 7, "scopes": "x" * 50_000}),
        request("GET", f"{AUTHENTICATE}"),
        request("POST", AUTHENTICATE, {"provider": "nobody", "scopes": []}),
        request("GET", "/v2/auth/tokens/00000000-0000-0000-0000-000000000000"),
    ]
    held: List[socket.socket] = []

    def step() -> None:
        if not held:
            held.append(connect(target.path))
        try:
            for fault in faults:
                held[0].sendall(fault)
                read_answer(held[0])
        except OSError:
            drop(held)
            raise

    def broken() -> None:
        with connect(target.path) as one:
            one.sendall(b"\0\xff\r\n\r\n")
            one.recv(100)

    def both() -> None:
        step()
        broken()

    again_and_again(both)


def bring_codes(target: Target) -> None:
    """Flows whose token endpoint hangs, and browsers that bring a code for each."""
    address = urlsplit(target.redirect_base)
    held: List[socket.socket] = []
    number = [0]

    def step() -> None:
        number[0] += 1
        wanted = {"provider": "hanging", "scopes": ["a"], "user_id": f"u{os.getpid()}-{number[0]}"}
        status, answer = ask(target.path, "POST", AUTHENTICATE, wanted)
        state = "none"
        if status == 200:
            state = parse_qs(urlsplit(answer["url"]).query)["state"][0]
        browser = socket.create_connection((address.hostname, address.port), timeout=10)
        held.append(browser)
        page = f"/host-oauth-callback/hanging?code=canary-code&state={state}"
        browser.sendall(request("GET", page, host=address.netloc))
        if len(held) >= 1030:
            drop(held)

    again_and_again(step)


# Name, what it does, and from how many processes.
ATTACKS: Dict[str, Tuple[Callable[[Target], None], int]] = {
    "connect and close": (connect_and_close, 3),
    "idle connections": (hold_idle, 1),
    "half requests": (send_halves, 1),
    "slow bodies": (send_bodies_slowly, 1),
    "unread events": (leave_unread, 1),
    "long lists": (read_lists, 1),
    "asking among many": (ask_for_many, 1),
    "imports": (import_tokens, 1),
    "flows": (begin_flows, 1),
    "waiters": (wait_on_flows, 1),
    "refused requests": (send_nonsense, 1),
    "codes, provider hangs": (bring_codes, 1),
}


def spin(_: Target) -> None:
    """A busy process that leaves the daemon alone: what the machine itself does."""
    while True:
        json.dumps(list(range(100)))
