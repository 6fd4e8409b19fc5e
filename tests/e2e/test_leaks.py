"""What looks for secrets after every test does find one, wherever it is put."""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
from pathlib import Path
from typing import Callable, Iterator, List
from urllib.parse import quote

import httpx
import pytest

from harness import canary, leaks
from harness.cli import CommandLine
from harness.daemon import Daemon
from harness.person import Person
from harness.process import Process, environment
from harness.provider import PROVIDER_ID, AuthorizationServer
from harness.waiting import wait_for

KIND = "access_token"
SECRET = canary.make(KIND)
STATE = "oTq9-state_of-256-random-bits-Kx0Zs_7Yw-Qe4"

SPELLINGS: List[Callable[[str], str]] = [
    str,
    json.dumps,
    lambda text: text.replace("-", "%2D"),
    lambda text: quote(f"state={text}&x=y", safe=""),
    lambda text: text.encode().hex(),
    lambda text: str(list(f"state={text}".encode())),
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: base64.b64encode(f"a:{text}".encode()).decode(),
    lambda text: base64.urlsafe_b64encode(f"client:{text}".encode()).decode(),
]


@pytest.fixture(autouse=True)
def what_was_planted(home: Path) -> Iterator[None]:
    """Forgets it, or the test would fail by what it looks at."""
    yield
    leaks.begin()


@pytest.mark.parametrize("spell", SPELLINGS)
def test_a_secret_is_known_however_it_is_spelt(spell: Callable[[str], str]) -> None:
    marked, learnt = (f"before {spell(secret)} after".encode() for secret in (SECRET, STATE))
    assert canary.kinds_in(marked) == {KIND}
    assert canary.kinds_in(learnt) == set()
    canary.learn_state(f"https://provider.example/auth?scope=a&state={STATE}")
    assert canary.kinds_in(learnt) == {"state"}


def test_the_first_letters_of_a_secret_are_known() -> None:
    assert canary.kinds_in(SECRET[:8].encode()) == {"unnamed"}
    canary.learn("state", STATE)
    assert canary.kinds_in(STATE[:24].encode()) == {"state"}


def test_a_key_is_known_as_text_and_as_bytes(daemon: Daemon) -> None:
    key = daemon.key_file.read_bytes().strip()
    copies = {"text": key, "part": key[:30], "bytes": base64.urlsafe_b64decode(key)}
    assert leaks.found(daemon.home) == []
    for name, copy in copies.items():
        copied = daemon.data_dir / name
        copied.write_bytes(b"before\n" + copy + b"\nafter")
        assert leaks.found(daemon.home) == [f"{copied}: vault_key"]
        copied.unlink()


def test_a_secret_in_a_vault_is_told_by_place_and_kind_alone(daemon: Daemon) -> None:
    vault = (daemon.data_dir / "vault.db").read_bytes()
    backups = daemon.data_dir / "backups"
    backups.mkdir(exist_ok=True)
    for copy in (daemon.data_dir / "vault.db-wal-copy", backups / "vault-20260102T030405Z.db"):
        copy.write_bytes(vault + SECRET.encode() + vault)
        with pytest.raises(AssertionError) as failure:
            leaks.demand_none(daemon.home)
        assert str(failure.value).splitlines()[:2] == ["secrets in clear:", f"{copy}: {KIND}"]
        assert SECRET not in str(failure.value)
        copy.unlink()


def test_streams_environments_and_command_lines_are_searched(home: Path) -> None:
    script = "import sys; print(sys.argv[1]); sys.exit(sys.argv[1] + input())"
    command = [sys.executable, "-c", script, SECRET]
    with Process(command, {**environment(home), "TOKEN": SECRET}) as process:
        process.wait_for_line("the secret", lambda line: SECRET in line)
        leaks.note_process(process.pid)
        process.type("")
        process.wait()
    name = f"of {Path(sys.executable).name} ({process.pid})"
    proc = f"/proc/{process.pid}"
    places = (f"standard output {name}", f"standard error {name}", f"{proc}/cmdline")
    assert leaks.found(home) == [f"{place}: {KIND}" for place in (*places, f"{proc}/environ")]


def test_a_child_is_known_to_be_one(home: Path) -> None:
    with Process(["sh", "-c", "sleep 60; :"], environment(home)) as process:
        (child,) = wait_for("the child", lambda: leaks.children(process.pid))
        os.kill(child, signal.SIGKILL)
        process.wait()


def test_a_body_is_searched_if_it_refuses(home: Path) -> None:
    request = httpx.Request("POST", "http://localhost/v2/auth/tokens/import")
    for status in (200, 400, 422, 500):
        leaks.note_answer(httpx.Response(status, text=f'"{SECRET}"', request=request))
    to = "answer to POST /v2/auth/tokens/import"
    assert leaks.found(home) == [f"the {status} {to}: {KIND}" for status in (400, 422, 500)]


def test_the_daemons_refusals_are_among_those(daemon: Daemon) -> None:
    # What is no secret, and is in the answer.
    body = {"provider_id": f"{canary.MARKER}-name", "access_token": SECRET}
    assert daemon.http.post("/v2/auth/tokens/import", json=body).status_code == 404
    assert leaks.found(daemon.home) == ["the 404 answer to POST /v2/auth/tokens/import: unnamed"]


@pytest.mark.server(access_token_ttl=3)
def test_every_secret_of_a_login_is_one_that_is_known(
    acme: AuthorizationServer, daemon: Daemon, command_line: CommandLine, person: Person
) -> None:
    way_back = person.allow(daemon.begin()["url"])
    assert canary.kinds_in(way_back.encode()) == {"state", "authorization_code"}
    person.open(way_back)
    daemon.await_expiry()
    daemon.token()
    acme.learn_secrets()
    exchange, refresh = acme.requests()
    for message in (exchange["params"], exchange["answer"], refresh["params"], refresh["answer"]):
        for name in {"access_token", "refresh_token", "client_secret", "id_token"} & set(message):
            assert canary.kinds_in(message[name].encode()) == {name}
    assert canary.kinds_in(exchange["params"]["code"].encode()) == {"authorization_code"}
    assert canary.kinds_in(exchange["params"]["code_verifier"].encode()) == {"code_verifier"}
    printed = command_line.expect("token", PROVIDER_ID, "--scope", "api:read", "--user", "ada")
    assert canary.kinds_in(printed.encode()) == {KIND}
