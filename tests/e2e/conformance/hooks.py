"""What a generated request is changed in before it is sent: it waits for nobody,
names no other machine, and bears a mark on each secret, which no refusal may show."""

from __future__ import annotations

import re
from typing import Any

import schemathesis

# Nothing listens there, so whoever asks is refused at once.
_NOWHERE = "http://127.0.0.1:9"

# harness/canary.py's.
_MARKER = "canary"
_SECRETS = ("access_token", "refresh_token", "client_secret", "code", "state")

# Addresses that the daemon itself calls, and by which operations they come.
_CALLED = ("token_url", "mcp_server_url")


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Keeps a valid value valid, and leaves an invalid one as it is."""
    if case.operation.label == "GET /v2/auth/wait/{auth_id}":
        _wait_for_nobody(case.query)
    if isinstance(case.body, dict):
        for member in _CALLED:
            _call_nowhere(case.body, member)
    for members in (case.body, case.query):
        if isinstance(members, dict):
            _mark(members)


@schemathesis.check
def no_refusal_shows_a_secret(ctx: Any, response: Any, case: Any) -> None:
    assert response.status_code < 400 or _MARKER not in response.text


def _wait_for_nobody(query: Any) -> None:
    if isinstance(query, dict) and _is_a_wait(query.get("timeout", 30)):
        query["timeout"] = 0


def _is_a_wait(timeout: object) -> bool:
    text = str(timeout)
    return bool(re.fullmatch(r"[0-9]{1,4}", text)) and int(text) <= 3600


def _call_nowhere(body: Any, member: str) -> None:
    url = body.get(member)
    if isinstance(url, str):
        body[member] = re.sub(r"^https://[A-Za-z0-9._-]+(:[0-9]*)?(?=[/?]|$)", _NOWHERE, url)


def _mark(members: dict[str, Any]) -> None:
    # An empty text stays invalid.
    for name in _SECRETS:
        value = members.get(name)
        if isinstance(value, str) and value:
            members[name] = f"{_MARKER}-{name}-{value}"
