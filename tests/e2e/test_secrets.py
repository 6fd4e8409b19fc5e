"""No secret of a whole story lies anywhere in clear, and files are private.

Every test is searched for secrets at its end (harness/leaks.py). Here is the
story with all of them in it.
"""

from __future__ import annotations

import stat
from typing import Dict, List, Set
from urllib.parse import parse_qs, urlsplit

import pytest

from harness import canary, leaks
from harness.cli import CommandLine
from harness.daemon import Daemon
from harness.person import Person
from harness.provider import PROVIDER_ID, AuthorizationServer

# What programs say that is none of the daemon's business, or malformed.
CANARIES = [canary.make("malformed") for _ in range(10)]

IMPORTED = {name: canary.make(name) for name in ("access_token", "refresh_token")}


def whole_story(server: AuthorizationServer, daemon: Daemon, person: Person) -> Set[str]:
    """Login, refresh, refusal, import and malformed requests; every secret in it."""
    way_back = person.allow(daemon.begin()["url"])
    person.open(way_back)
    daemon.await_expiry()
    daemon.token()
    refused = daemon.begin(user_id="grace")
    person.refuse(refused["url"])
    pending = daemon.begin(user_id="edsger")
    daemon.http.post("/v2/auth/tokens/import", json={"provider_id": PROVIDER_ID, **IMPORTED})
    daemon.http.post("/v2/auth/tokens/import", json={"provider_id": 7, **IMPORTED})
    daemon.http.post("/v2/auth/providers", json=server.definition(name=7))
    person.open(way_back)
    unwelcome_story(daemon)

    secrets = {*IMPORTED.values(), *CANARIES, server.client().client_secret or ""}
    for url in (way_back, refused["url"], pending["url"]):
        query = parse_qs(urlsplit(url).query)
        secrets |= {value for name in ("state", "code") for value in query.get(name, [])}
    for request in server.requests():
        secrets |= secret_members(request["params"]) | secret_members(request["answer"])
    return secrets


def unwelcome_story(daemon: Daemon) -> None:
    """A canary wherever a request can hold one, well-formed or not."""
    ask = daemon.http.request
    imports, provider = "/v2/auth/tokens/import", f"/v2/auth/providers/{PROVIDER_ID}"
    canary = iter(CANARIES)
    token = {"provider_id": PROVIDER_ID, "access_token": 1, "refresh_token": next(canary)}
    ask("POST", imports, json=token)
    json = {"Content-Type": "application/json"}
    ask("POST", imports, content=f'{{"access_token": "{next(canary)}"', headers=json)
    ask("POST", imports, content=f"access_token={next(canary)}")
    ask("PATCH", provider, json={"client_secret": next(canary), "token_url": "no address"})
    ask("POST", f"/v2/auth/callback/{PROVIDER_ID}", json={"code": next(canary), "state": 7})
    brought = {"code": next(canary), "state": next(canary)}
    ask("POST", f"/v2/auth/callback/{PROVIDER_ID}", json=brought)
    ask("GET", f"/v2/auth/callback/{PROVIDER_ID}", params={**brought, "error": ["a", "b"]})
    keys = {"X-Api-Key": next(canary), "Authorization": f"Bearer {next(canary)}"}
    ask("GET", "/v2/auth/nowhere", headers=keys)
    agents = f"/v2/auth/agents/bot/providers/{PROVIDER_ID}/tokens"
    ask("POST", agents, json={"access_token": next(canary), "scopes": "none"})


def secret_members(message: Dict[str, object]) -> Set[str]:
    names = ("code", "code_verifier", "client_secret", "access_token", "refresh_token", "id_token")
    return {str(message[name]) for name in names if message.get(name)}


def keep_copies(daemon: Daemon, command_line: CommandLine) -> List[str]:
    """A backup, then another key for the vault; the old key and the new."""
    places = [f"--data-dir={daemon.data_dir}", f"--key-file={daemon.key_file}"]
    command_line.expect("vault", "backup", *places)
    old = daemon.key_file.read_text()
    assert daemon.stop() == 0
    command_line.expect("key", "rotate", *places)
    daemon.start()
    return [old, daemon.key_file.read_text()]


@pytest.mark.server(access_token_ttl=3)
def test_no_secret_of_a_whole_story_is_left_in_clear(
    acme: AuthorizationServer, daemon: Daemon, command_line: CommandLine, person: Person
) -> None:
    secrets = whole_story(acme, daemon, person)
    keys = keep_copies(daemon, command_line)
    acme.learn_secrets()
    for key in keys:
        canary.learn_keys(key)
    assert len(secrets) >= 12 + len(CANARIES)
    assert len(set(keys)) == 2
    assert sum("answer to" in place for place in leaks.places()) >= 10
    assert all(canary.kinds_in(secret.encode()) for secret in {*secrets, *keys})
    # What is no secret is found where it should be, so the search is a search.
    backups = list((daemon.data_dir / "backups").iterdir())
    assert backups
    for file in (daemon.data_dir / "vault.db", *backups):
        assert PROVIDER_ID.encode() in file.read_bytes(), file
    assert PROVIDER_ID in daemon.log
    assert "TRACE" in daemon.log
    assert leaks.found(daemon.home) == []


def test_revoked_tokens_leave_no_ciphertext_behind(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    person.log_in(daemon.begin()["url"])
    daemon.http.delete("/v2/auth/tokens", params={"provider_id": PROVIDER_ID}).raise_for_status()
    log = daemon.data_dir / "vault.db-wal"
    assert not log.exists() or log.stat().st_size == 0


def test_what_holds_secrets_is_its_owners_alone(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    person.log_in(daemon.begin()["url"])
    for folder in (daemon.data_dir, daemon.key_file.parent, daemon.socket.parent):
        for path in (folder, *folder.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode == (0o700 if path.is_dir() else 0o600), f"{path}: {mode:o}"


def test_the_key_is_not_beside_the_vault(daemon: Daemon) -> None:
    assert daemon.key_file.is_file()
    assert daemon.data_dir not in daemon.key_file.parents
    key = daemon.key_file.read_bytes().strip()
    for path in daemon.data_dir.rglob("*"):
        assert not path.is_file() or key not in path.read_bytes(), path
