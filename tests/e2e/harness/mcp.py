"""An MCP server, as far as its callers' authorization goes.

It answers 401 to whoever has no token made for it, names its metadata there
(RFC 9728), and asks its authorization server about the tokens it is shown.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, Iterator, Optional

import httpx

from .provider import AuthorizationServer

_PATH = "/mcp"
_METADATA_PATH = f"/.well-known/oauth-protected-resource{_PATH}"


class McpServer:
    """A running MCP server, and what its callers need to know of it."""

    def __init__(self, origin: str, authorization_server: AuthorizationServer) -> None:
        self.url = f"{origin}{_PATH}"
        self.metadata_url = f"{origin}{_METADATA_PATH}"
        self._authorization_server = authorization_server

    @property
    def metadata(self) -> Dict[str, Any]:
        return {
            "resource": self.url,
            "authorization_servers": [self._authorization_server.issuer],
            "bearer_methods_supported": ["header"],
        }

    def admits(self, authorization: Optional[str]) -> bool:
        """Whether a caller's token is good, and was made for this server."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return False
        told = self._authorization_server.introspect(token)
        return bool(told["active"]) and told.get("aud") == self.url

    def call(self, token: str) -> int:
        """What an agent gets that calls it with `token`: the status."""
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.post(self.url, json=ping, headers=headers, trust_env=False).status_code


@contextmanager
def mcp_server(authorization_server: AuthorizationServer) -> Iterator[McpServer]:
    """One whose callers `authorization_server` authorizes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == _METADATA_PATH:
                self._answer(200, server.metadata)
            elif self.path == _PATH and not server.admits(self.headers["Authorization"]):
                self._refuse()
            else:
                self._answer(405 if self.path == _PATH else 404, None)

        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if server.admits(self.headers["Authorization"]):
                self._answer(200, {"jsonrpc": "2.0", "id": question["id"], "result": {}})
            else:
                self._refuse()

        def _refuse(self) -> None:
            challenge = f'Bearer error="invalid_token", resource_metadata="{server.metadata_url}"'
            self._answer(401, None, {"WWW-Authenticate": challenge})

        def _answer(
            self, status: int, body: object, headers: Optional[Dict[str, str]] = None
        ) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        server = McpServer(f"http://127.0.0.1:{listener.server_port}", authorization_server)
        thread = threading.Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        yield server
        listener.shutdown()
        thread.join()
