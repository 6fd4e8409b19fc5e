"""What bad requests get over the socket: the contract's form, and no harm."""

from __future__ import annotations

import json
import os
import socket
from typing import Any, Callable, Dict, List, Set

import httpx
import pytest

from harness import canary
from harness.daemon import Daemon
from harness.provider import PROVIDER_ID, AuthorizationServer

CANARY = canary.make("secret")
STRANGER = 48_213
JSON = {"Content-Type": "application/json"}


def faults(answer: httpx.Response) -> List[Dict[str, Any]]:
    assert answer.status_code == 422, answer.text
    for fault in answer.json()["detail"]:
        assert {"loc", "msg", "type"} <= fault.keys()
    return answer.json()["detail"]


def assert_error(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    detail = answer.json()["detail"]
    assert isinstance(detail, str)
    assert detail
    return detail


def test_a_body_that_is_no_json_is_422(daemon: Daemon) -> None:
    for body in (b"", b"{", b'{"provider": ', b"\xff\xfe", b"nonsense"):
        answer = daemon.http.post("/v2/auth/authenticate", content=body, headers=JSON)
        assert faults(answer)[0]["type"] in ("json_invalid", "missing"), body


def test_every_fault_of_a_body_is_in_one_answer(daemon: Daemon) -> None:
    body = {"scopes": "api:read", "force_new": "yes", "token_id": "not-a-uuid"}
    answer = daemon.http.post("/v2/auth/authenticate", json=body)
    assert {(tuple(fault["loc"]), fault["type"]) for fault in faults(answer)} == {
        (("body", "provider"), "missing"),
        (("body", "scopes"), "list_type"),
        (("body", "force_new"), "bool_parsing"),
        (("body", "token_id"), "uuid_parsing"),
    }


def test_an_echoed_body_holds_no_secret(daemon: Daemon) -> None:
    for path, body in {
        "/v2/auth/providers": {"client_secret": CANARY},
        "/v2/auth/tokens/import": {"access_token": CANARY, "refresh_token": CANARY},
    }.items():
        answer = daemon.http.post(path, json=body)
        faults(answer)
        assert CANARY not in answer.text


def test_a_wait_longer_than_an_hour_is_422(daemon: Daemon) -> None:
    for timeout in ("-1", "3601", "soon"):
        answer = daemon.http.get("/v2/auth/wait/x", params={"timeout": timeout})
        assert faults(answer)[0]["loc"] == ["query", "timeout"]


@pytest.mark.parametrize("path", ["/", "/v2", "/v2/auth/nothing", "/v2/auth/providers/a/b/c"])
def test_an_unknown_path_is_404(daemon: Daemon, path: str) -> None:
    assert_error(daemon.http.get(path), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v2/auth/providers", {"GET", "POST"}),
        ("GET", "/v2/auth/authenticate", {"POST"}),
        ("POST", "/ok", {"GET"}),
        ("POST", "/v2/auth/providers/acme", {"GET", "PATCH", "DELETE"}),
    ],
)
def test_a_wrong_method_is_405_and_names_the_right_ones(
    daemon: Daemon, method: str, path: str, allowed: Set[str]
) -> None:
    answer = daemon.http.request(method, path)
    assert_error(answer, 405)
    named = {name.strip() for name in answer.headers["allow"].split(",")}
    assert allowed <= named <= allowed | {"HEAD", "OPTIONS"}


def test_unknown_things_are_404(daemon: Daemon) -> None:
    assert_error(daemon.authenticate(provider="nobody"), 404)
    assert_error(daemon.http.get("/v2/auth/providers/nobody"), 404)
    assert_error(daemon.http.patch("/v2/auth/providers/nobody", json={"name": "x"}), 404)
    assert_error(daemon.http.delete("/v2/auth/providers/nobody"), 404)
    body = {"provider_id": "nobody", "access_token": CANARY}
    assert_error(daemon.http.post("/v2/auth/tokens/import", json=body), 404)


def test_an_unknown_flow_is_not_found(daemon: Daemon) -> None:
    assert daemon.wait("no-such-flow", timeout=5)["status"] == "not_found"


def test_a_code_for_an_unknown_state_is_400(acme: AuthorizationServer, daemon: Daemon) -> None:
    body = {"code": CANARY, "state": CANARY}
    answer = daemon.http.post(f"/v2/auth/callback/{PROVIDER_ID}", json=body)
    assert CANARY not in assert_error(answer, 400)
    assert acme.exchanges == 0


def test_a_provider_made_twice_is_409(acme: AuthorizationServer, daemon: Daemon) -> None:
    assert_error(daemon.http.post("/v2/auth/providers", json=acme.definition()), 409)


def test_a_foreign_redirect_is_422(acme: AuthorizationServer, daemon: Daemon) -> None:
    answer = daemon.authenticate(redirect_uri="https://elsewhere.example/callback")
    assert answer.status_code == 422


@pytest.mark.parametrize("name", ["Origin", "Referer"])
def test_a_browser_is_refused(daemon: Daemon, name: str) -> None:
    answer = daemon.http.get("/v2/auth/providers", headers={name: "https://web.example"})
    assert_error(answer, 403)


def test_keys_are_accepted_and_ignored(daemon: Daemon) -> None:
    headers = {"X-Api-Key": CANARY, "X-Tenant-Id": "any", "Authorization": f"Bearer {CANARY}"}
    assert daemon.http.get("/v2/auth/providers", headers=headers).json() == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_body_of_another_type_is_415(daemon: Daemon, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = daemon.http.post("/v2/auth/authenticate", content=b"{}", headers=headers)
    assert_error(answer, 415)


def test_a_request_without_a_body_needs_no_content_type(daemon: Daemon) -> None:
    answer = daemon.http.post("/v2/auth/flows/unknown/browser-link")
    assert_error(answer, 404)
    assert daemon.http.post("/v2/auth/authenticate").status_code == 422


def test_a_body_beyond_64_kib_is_413(daemon: Daemon) -> None:
    body = json.dumps({"provider": "x" * 70 * 1024, "scopes": []}).encode()

    def in_chunks() -> Any:
        yield body

    for content in (body, in_chunks()):
        assert_error(daemon.http.post("/v2/auth/authenticate", content=content, headers=JSON), 413)


def test_after_each_of_these_the_daemon_serves_on(daemon: Daemon) -> None:
    for garbage in (b"\x00" * 100, b"GET", b"GET / HTTP/9.9\r\n\r\n", b"A" * 100_000):
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(str(daemon.socket))
            try:
                stream.sendall(garbage)
                stream.shutdown(socket.SHUT_WR)
                while stream.recv(4096):
                    pass
            except OSError:
                # It hung up on us in the middle, as it may.
                pass
    assert daemon.http.get("/ok").status_code == 200
    assert "panicked" not in daemon.log


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_another_user_is_refused_even_where_the_socket_lets_them_in(daemon: Daemon) -> None:
    for path, mode in ((daemon.home, 0o711), (daemon.socket.parent, 0o711), (daemon.socket, 0o666)):
        path.chmod(mode)

    def ask() -> bytes:
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(str(daemon.socket))
            stream.sendall(
                b"GET /v2/auth/providers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            return stream.recv(4096)

    assert b" 200 " in ask()
    assert b" 200 " not in as_stranger(ask)


def as_stranger(ask: Callable[[], bytes]) -> bytes:
    """The answer that a process of another user gets; empty if it gets none."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(STRANGER)
        os.setuid(STRANGER)
        try:
            os.write(writing, ask())
        except OSError as refused:
            os.write(writing, f"refused: {type(refused).__name__}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as answer:
        return answer.read()
