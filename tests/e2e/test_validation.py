"""422 replies, compared with those of FastAPI and pydantic for the same requests."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

import httpx
import pytest

from harness import canary
from harness.daemon import Daemon
from harness.fastapi_oracle import BODIES, oracle

JSON = {"Content-Type": "application/json"}
CANARY = canary.make("secret")
CALLBACK = {"code": canary.make("authorization_code"), "state": canary.make("state")}
TOKENS = {name: canary.make(name) for name in ("access_token", "refresh_token")}

# What each operation takes, in full.
VALID: Dict[str, Dict[str, Any]] = {
    "POST /v2/auth/authenticate": {
        "provider": "nobody",
        "scopes": ["a"],
        "user_id": "ada",
        "ls_user_id": "ls",
        "agent_id": "agent",
        "token_id": "00000000-0000-4000-8000-000000000000",
        "redirect_uri": "http://127.0.0.1/",
        "use_agent_builder_public_oauth": False,
        "force_new": False,
        "is_default": True,
        "check_only": False,
    },
    "POST /v2/auth/callback/{provider_id}": CALLBACK,
    "POST /v2/auth/providers": {
        "provider_id": "made",
        "name": "Made",
        "client_id": "c",
        "client_secret": canary.make("client_secret"),
        "auth_url": "https://example.com/auth",
        "token_url": "https://example.com/token",
        "uses_pkce": True,
        "code_challenge_method": "S256",
        "provider_type": "slack",
        "token_endpoint_auth_method": "client_secret_post",
        "authorization_params": {"prompt": "consent"},
        "allowed_redirect_uris": ["https://example.com/back"],
    },
    "POST /v2/auth/providers/mcp-discover": {
        "provider_id": "found",
        "name": "Found",
        "mcp_server_url": "http://127.0.0.1:9/mcp",
    },
    "PATCH /v2/auth/providers/{provider_id}": {
        "name": "Made",
        "client_id": "c",
        "client_secret": canary.make("client_secret"),
        "auth_url": "https://example.com/auth",
        "token_url": "https://example.com/token",
        "uses_pkce": True,
        "code_challenge_method": "plain",
        "authorization_params": {"prompt": "consent"},
        "allowed_redirect_uris": ["https://example.com/back"],
    },
    "POST /v2/auth/tokens/import": {
        "provider_id": "nobody",
        **TOKENS,
        "expires_in_seconds": 60,
        "scopes": ["a"],
        "metadata": {"team": "T1"},
        "is_default": True,
    },
    "POST /v2/auth/tokens/exists/batch": {"provider_ids": ["nobody"]},
    "PATCH /v2/auth/tokens/{token_id}/metadata": {
        "provider_account_label": "ada",
        "is_default": True,
    },
    "POST /v2/auth/agents/{agent_id}/connections": {"oauth_token_id": "nothing"},
    "POST /v2/auth/agents/{agent_id}/providers/{provider_id}/tokens": {
        **TOKENS,
        "expires_in_seconds": 60,
        "scopes": ["a"],
        "metadata": {"team": "T1"},
        "provider_account_label": "ada",
    },
}

# One of every kind of JSON, and those that pydantic looks at more closely.
VALUES: List[Any] = [
    None,
    True,
    0,
    1,
    2,
    -1,
    3.0,
    1.5,
    "",
    "text",
    "true",
    "7",
    "00000000-0000-4000-8000-00000000000",
    "https://example.com/ok",
    [],
    ["a"],
    ["a", 1, None, [], {}],
    {},
    {"a": "b"},
    {"a": 1, "b": None, "c": ["d"]},
]

# Our readers say why a text is no address or UUID in the words of the crates
# that parse them.
OWN_WORDS = {"url_parsing", "uuid_parsing", "json_invalid"}

BOOLEANS = {
    "check_only",
    "force_new",
    "is_default",
    "use_agent_builder_public_oauth",
    "uses_pkce",
}
NUMBERS = {"expires_in_seconds"}

Fault = Tuple[Tuple[Any, ...], str, str]


def faults(answer: httpx.Response) -> Optional[Set[Fault]]:
    """The errors of a 422 reply; `None` for any other."""
    if answer.status_code != 422:
        return None
    return {_fault(**fault) for fault in answer.json()["detail"]}


def _fault(loc: List[Any], type: str, msg: str, **_: Any) -> Fault:
    return (tuple(loc), type, type if type in OWN_WORDS else msg)


def is_stricter(field: str, value: Any) -> bool:
    """What pydantic takes and the daemon does not: a boolean or a number is
    itself in JSON, and neither a text nor the other."""
    if field in BOOLEANS:
        return value in ("true", 0, 1) and value is not True
    return field in NUMBERS and (value is True or value == "7")


def bodies(operation: str) -> Iterator[Tuple[str, Any]]:
    """Bodies with one invalid field, and bodies without fields."""
    valid = VALID[operation]
    assert set(valid) == set(BODIES[operation].model_fields)
    for field in valid:
        yield field, {name: valid[name] for name in valid if name != field}
        for value in VALUES:
            if not is_stricter(field, value):
                yield field, {**valid, field: value}
    for body in (None, True, 1, "text", [], [valid], {}):
        yield "", body


def is_own_rule(ours: Optional[Set[Fault]], theirs: Optional[Set[Fault]]) -> bool:
    """The daemon's own rules, for bodies of valid form."""
    if theirs is not None or ours is None:
        return False
    return {kind for _, kind, _ in ours} <= {"value_error", "url_scheme"}


@pytest.mark.parametrize("operation", sorted(BODIES))
def test_the_errors_of_a_body_are_fastapis(daemon: Daemon, operation: str) -> None:
    method, path = operation.split(" ")
    path = re.sub(r"{[a-z_]+}", "nobody", path)
    differences = []
    with oracle() as theirs:
        for field, body in bodies(operation):
            sent: Any = {"content": json.dumps(body), "headers": JSON}
            expected = faults(theirs.request(method, path, **sent))
            answer = daemon.http.request(method, path, **sent)
            assert answer.status_code < 500 or answer.status_code in (502, 503), answer.text
            said = faults(answer)
            if said != expected and not is_own_rule(said, expected):
                shown = {field: body.get(field, "left out")} if field else body
                differences.append((shown, said, expected))
    assert not differences, "\n".join(
        f"{body}\n  ours    {ours}\n  FastAPI {expected}" for body, ours, expected in differences
    )


@pytest.mark.parametrize("operation", sorted(BODIES))
def test_booleans_and_numbers_are_not_converted(daemon: Daemon, operation: str) -> None:
    method, path = operation.split(" ")
    path = re.sub(r"{[a-z_]+}", "nobody", path)
    for field, value in itertools.product(VALID[operation], VALUES):
        if is_stricter(field, value):
            body = {**VALID[operation], field: value}
            said = faults(daemon.http.request(method, path, json=body)) or set()
            kinds = {(loc, kind) for loc, kind, _ in said}
            expected = {(("body", field), kind) for kind in ("bool_parsing", "int_parsing")}
            expected.add((("body", field), "int_type"))
            assert len(kinds) == 1, (field, value)
            assert kinds <= expected, (field, value)


@pytest.mark.parametrize(
    "text", ["{", '{"a": }', "[1,", '{"a": 1}}', "nonsense", '{"a": "\x01"}', "{'a': 1}"]
)
def test_the_error_of_a_body_that_is_not_json_is_fastapis(daemon: Daemon, text: str) -> None:
    path = "/v2/auth/authenticate"
    with oracle() as theirs:
        expected = theirs.post(path, content=text, headers=JSON).json()["detail"]
    said = daemon.http.post(path, content=text, headers=JSON).json()["detail"]
    shape = [(fault["loc"][0], fault["type"], fault["msg"], fault["input"]) for fault in said]
    assert shape == [(f["loc"][0], f["type"], f["msg"], f["input"]) for f in expected]


@pytest.mark.parametrize(
    "target",
    [
        f"/v2/auth/wait/x?timeout={text}"
        for text in ("", "soon", "-1", "3601", "1.5", "0", "1e3", "0x1", "9" * 30)
    ]
    + [f"/v2/auth/token-events?limit={text}" for text in ("", "0", "1", "200", "201", "all")]
    + [f"/v2/auth/{target}" for target in ("token-events?provider_id=", "tokens/exists?a=b")],
)
def test_the_errors_of_a_query_are_fastapis(daemon: Daemon, target: str) -> None:
    with oracle() as theirs:
        expected = faults(theirs.get(target))
    assert faults(daemon.http.get(target)) == expected


@pytest.mark.parametrize("text", ["%205", "%2B5", "+5", "5.0", "%2B0.0", "-", "1_0", "٣"])
def test_an_integer_in_another_notation_is_rejected(daemon: Daemon, text: str) -> None:
    (fault,) = daemon.http.get(f"/v2/auth/wait/x?timeout={text}").json()["detail"]
    assert fault["loc"] == ["query", "timeout"] and fault["type"] == "int_parsing"


def test_no_reply_echoes_a_secret(daemon: Daemon) -> None:
    secret_fields = ("client_secret", "access_token", "refresh_token", "code", "state")
    planted: List[Any] = [[CANARY], {"a": CANARY}, {"refresh_token": CANARY}]
    for operation, valid in VALID.items():
        method, path = operation.split(" ")
        for field in secret_fields:
            for value in planted:
                body = {**valid, field: value, "scopes": 1, "provider_ids": 1}
                answer = daemon.http.request(method, path, json=body)
                assert CANARY not in answer.text, (operation, field)
    assert CANARY not in daemon.log
