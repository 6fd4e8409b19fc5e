"""What lies in the vault is Fernet, and the envelope is as ARCHITECTURE.md says:
checked against Python's `cryptography`, which shares no code with the daemon."""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
import uuid
from contextlib import closing
from typing import Dict, Tuple

from cryptography.fernet import Fernet

from harness import canary
from harness.daemon import Daemon
from harness.provider import PROVIDER_ID, AuthorizationServer

IMPORTED = {name: canary.make(name) for name in ("access_token", "refresh_token")}


def imported(daemon: Daemon) -> None:
    """Stores a token and ends the daemon, so that its file is ours."""
    body = {"provider_id": PROVIDER_ID, "expires_in_seconds": 3600, **IMPORTED}
    daemon.http.post("/v2/auth/tokens/import", json=body).raise_for_status()
    daemon.stop()


def key(daemon: Daemon) -> Fernet:
    return Fernet(daemon.key_file.read_bytes().strip())


def row(daemon: Daemon) -> Tuple[Dict[str, str], Dict[str, str]]:
    """The token's row, and the envelope of each of its sealed columns."""
    with closing(sqlite3.connect(daemon.data_dir / "vault.db")) as vault:
        vault.row_factory = sqlite3.Row
        (vault_id,) = vault.execute("SELECT id FROM vault").fetchone()
        found = dict(vault.execute("SELECT * FROM tokens").fetchone())
    place = f'agent-authd vault 1 {vault_id} {found["owner"]} tokens "{found["id"]}"'
    return found, {column: f"{place} {column}\n" for column in IMPORTED}


def row_code(daemon: Daemon, vault: sqlite3.Connection) -> bytes:
    """The code that authenticates the token's row: HMAC-SHA-256 over its columns, each
    with its type and length, by a key that is derived from the vault's."""
    (vault_id,) = vault.execute("SELECT id FROM vault").fetchone()
    label = b"agent-authd row authentication 1" + uuid.UUID(vault_id).bytes
    secret = hmac.digest(daemon.key_file.read_bytes().strip(), label, "sha256")
    columns = "owner, id, source, provider_id, client_id, token_url, access_token, refresh_token"
    values = vault.execute(f"SELECT {columns} FROM tokens").fetchone()
    parts = [(b"t", b"tokens")]
    for value in values:
        is_number = isinstance(value, int)
        content = value.to_bytes(8, "big") if is_number else value.encode()
        parts.append((b"i" if is_number else b"s", content))
    text = b"".join(kind + len(part).to_bytes(8, "big") + part for kind, part in parts)
    return hmac.digest(secret, text, "sha256")


def test_python_opens_what_the_daemon_sealed(acme: AuthorizationServer, daemon: Daemon) -> None:
    imported(daemon)
    found, envelopes = row(daemon)
    for column, secret in IMPORTED.items():
        opened = key(daemon).decrypt(found[column].encode()).decode()
        assert opened == envelopes[column] + secret


def test_the_daemon_opens_what_python_sealed(acme: AuthorizationServer, daemon: Daemon) -> None:
    imported(daemon)
    _, envelopes = row(daemon)
    # Longer than a block of the cipher, and beyond ASCII.
    secret = canary.make("access_token") + "ä€😀" * 40
    sealed = key(daemon).encrypt((envelopes["access_token"] + secret).encode()).decode()
    with closing(sqlite3.connect(daemon.data_dir / "vault.db")) as vault, vault:
        vault.execute("UPDATE tokens SET access_token = ?", (sealed,))
        vault.execute("UPDATE tokens SET mac = ?", (row_code(daemon, vault),))
    daemon.start()
    answer = daemon.http.post("/v2/auth/authenticate", json={"provider": PROVIDER_ID, "scopes": []})
    assert answer.json()["token"] == secret


def test_a_key_is_named_by_half_of_its_hash(acme: AuthorizationServer, daemon: Daemon) -> None:
    imported(daemon)
    digest = hashlib.sha256(daemon.key_file.read_bytes().strip()).hexdigest()
    found, _ = row(daemon)
    assert found["key_id"] == digest[:16]
