"""No secret of a whole story lies anywhere in clear, and files are private."""

from __future__ import annotations

import base64
import stat
from pathlib import Path
from typing import Dict, Iterator, List, Set
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from harness.daemon import Daemon
from harness.person import Person
from harness.provider import PROVIDER_ID, AuthorizationServer

# What programs say that is none of the daemon's business, or malformed.
CANARIES = [f"canary-{number}-of-a-program" for number in range(10)]

IMPORTED = {"access_token": "canary-imported-access", "refresh_token": "canary-imported-refresh"}


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

    secrets = set(IMPORTED.values()) | {server.client().client_secret or ""}
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


def errors_of(daemon: Daemon) -> List[bytes]:
    """The bodies of refusals, from now on."""
    bodies: List[bytes] = []

    def note(answer: httpx.Response) -> None:
        if answer.status_code >= 400:
            bodies.append(answer.read())

    daemon.http.event_hooks = {"response": [note]}
    return bodies


def secret_members(message: Dict[str, object]) -> Set[str]:
    names = ("code", "code_verifier", "client_secret", "access_token", "refresh_token", "id_token")
    return {str(message[name]) for name in names if message.get(name)}


def in_every_form(secrets: Set[str]) -> Iterator[bytes]:
    for secret in secrets:
        yield secret.encode()
        yield quote(secret, safe="").encode()
        yield base64.b64encode(secret.encode()).rstrip(b"=")
        yield secret.encode().hex().encode()


def places(daemon: Daemon) -> Dict[str, bytes]:
    """All that the daemon leaves where something else might read it."""
    process = Path(f"/proc/{daemon.pid}")
    files = [path for path in daemon.home.rglob("*") if path.is_file()]
    files += [process / name for name in ("cmdline", "environ", "comm") if process.is_dir()]
    return {**{str(path): path.read_bytes() for path in files}, "the log": daemon.log.encode()}


@pytest.mark.server(access_token_ttl=3)
def test_no_secret_of_a_whole_story_is_left_in_clear(
    acme: AuthorizationServer, daemon: Daemon, person: Person
) -> None:
    refusals = errors_of(daemon)
    secrets = whole_story(acme, daemon, person)
    unwelcome_story(daemon)
    assert len(secrets) >= 12
    assert len(refusals) >= 10
    secrets |= set(CANARIES)
    assert "" not in secrets
    found = {**places(daemon), "the refusals": b"\n".join(refusals)}
    # What is no secret is found where it should be, so the search is a search.
    for place in (str(daemon.data_dir / "vault.db"), "the log"):
        assert PROVIDER_ID.encode() in found[place], place
    assert "TRACE" in daemon.log
    for form in in_every_form(secrets):
        leaks = [place for place, content in found.items() if form in content]
        assert not leaks, f"{form!r} is in {leaks}"


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
