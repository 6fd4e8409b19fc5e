"""Secrets that are known again wherever they turn up.

A secret that the tests make begins with a marker and its kind, so one search
finds all of them, even one that was cut short. A secret that the programs make
(a state, a verifier, a key) cannot be marked and is learnt when it is met.
"""

from __future__ import annotations

import base64
import re
import secrets
import string
from typing import Dict, Iterator, List, Optional, Set
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

# Letters alone, which no way of escaping changes. provider.mjs and
# conformance/hooks.py have it too.
MARKER = "canary"

# What is left of a secret that is told in part is a secret still, if it is as
# long as this; whatever is shorter may be part of something else.
_RECOGNIZABLE = 24

# The kinds of those that bear a mark: here those that do not come from `make`.
_kinds = {"access_token", "refresh_token", "authorization_code", "client_secret", "code", "state"}

# A Fernet key (32 bytes), of which a key file holds one a line.
_KEY = re.compile(r"[0-9A-Za-z_-]{43}=")

# Bytes as Rust shows them.
_BYTES = re.compile(rb"\[([0-9]{1,3}(?:, [0-9]{1,3}){5,})")

# Whatever cannot be part of a learnt secret, however it is spelt, as the end of a
# line: to search each line once is much faster than to search a long log for
# each secret.
_WORDS = bytes(
    byte if chr(byte) in f"{string.ascii_letters}{string.digits}_-+/%" else 0x0A
    for byte in range(256)
)

# The kind of each spelling of each secret that was learnt, and of those that
# are raw bytes.
_learnt: Dict[bytes, str] = {}
_learnt_raw: Dict[bytes, str] = {}


def make(kind: str) -> str:
    """A new secret of this kind."""
    _kinds.add(kind)
    return f"{MARKER}-{kind}-{secrets.token_hex(8)}"


def learn(kind: str, value: Optional[str]) -> None:
    """Remembers a secret that a program made."""
    # Shorter ones were made up by a test, to be refused.
    if value is not None and len(value) >= _RECOGNIZABLE:
        _learnt.update(dict.fromkeys(_spellings(value[:_RECOGNIZABLE].encode()), kind))


def learn_state(url: str) -> None:
    """Remembers the state in an address that sends a person to log in."""
    for state in parse_qs(urlsplit(url).query).get("state", []):
        learn("state", state)


def learn_keys(text: str) -> None:
    """Remembers the keys in a key file, as text and as the bytes they stand for."""
    for key in _KEY.findall(text):
        learn("vault_key", key)
        raw = base64.urlsafe_b64decode(key)
        _learnt_raw[raw] = "vault_key"
        _learnt.update(dict.fromkeys(_spellings(raw), "vault_key"))


def forget() -> None:
    """Forgets what was learnt."""
    _learnt.clear()
    _learnt_raw.clear()


def kinds_in(content: bytes) -> Set[str]:
    """The kinds of the secrets in there, however they are spelt."""
    # Beside it, not in its place: a `%` may stand before a secret by chance.
    content = b"\n".join((content, *_unescaped(content)))
    words = b"\n".join(set(content.translate(_WORDS).split(b"\n")))
    kinds = {kind for spelling, kind in _learnt.items() if spelling in words}
    kinds |= {kind for raw, kind in _learnt_raw.items() if raw in content}
    if any(spelling in content for spelling in _MARKER_SPELLINGS):
        kinds |= {kind for kind in _kinds if _is_marked_in(content, kind)} or {"unnamed"}
    return kinds


def _is_marked_in(content: bytes, kind: str) -> bool:
    return any(spelling in content for spelling in _spellings(f"{MARKER}-{kind}-".encode()))


def _unescaped(content: bytes) -> Iterator[bytes]:
    if b"%" in content:
        yield unquote_to_bytes(content)
    for numbers in _BYTES.findall(content):
        yield bytes(int(number) & 0xFF for number in numbers.split(b", "))


def _spellings(secret: bytes) -> List[bytes]:
    """A secret in clear, in hexadecimal, and within something in base64."""
    digits = secret.hex().encode()
    found = {secret, digits, digits.upper()}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            # Only the digits that what stands before and after does not change.
            first, end = (before * 8 + 5) // 6, (before + len(secret)) * 8 // 6
            found.add(encode(bytes(before) + secret)[first:end])
    return sorted(found)


_MARKER_SPELLINGS = _spellings(MARKER.encode())
