"""A token endpoint: it rotates refresh tokens and ends a grant whose spent one
comes again. Beside it one
that takes a request and never answers."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Dict, List, Tuple

# Of the access tokens of `/token`, in seconds.
LIFE = 2


class Provider(ThreadingHTTPServer):
    """Serves from threads of its own until the process ends."""

    daemon_threads = True
    request_queue_size = 4096

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.count = self.refreshes = self.reuses = 0
        self.valid: Dict[str, str] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.hanging = _Hanging()

    def server_bind(self) -> None:
        # The base class looks the host's name up, which takes seconds without a network.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def new_grant(self, name: str) -> Tuple[str, str]:
        """A grant as a login makes one: its access and refresh token."""
        with self.lock:
            answer = self._issue(name)
        return answer["access_token"], answer["refresh_token"]

    def refresh(self, refresh_token: str) -> Tuple[int, dict]:
        with self.lock:
            name = self.valid.pop(refresh_token, None)
            if name is None:
                self.reuses += 1
                return 400, {"error": "invalid_grant"}
            self.refreshes += 1
            return 200, self._issue(name)

    def _issue(self, name: str) -> dict:
        self.count += 1
        refresh = f"canary-refresh-{name}-{self.count}"
        self.valid[refresh] = name
        return {
            "access_token": f"canary-access-{name}-{self.count}", "refresh_token": refresh,
            "token_type": "Bearer", "expires_in": LIFE,
        }


class _Hanging:
    """A listener that reads what comes and never answers."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.held: List[object] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            self.held.append(self.listener.accept())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Provider

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        token = dict(urllib.parse.parse_qsl(body)).get("refresh_token", "")
        status, answer = self.server.refresh(token)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """A line per request would be most of the output."""


def definition(name: str, token_url: str) -> dict:
    """A provider of the API whose token endpoint is there."""
    return {
        "provider_id": name,
        "name": name,
        "client_id": "client",
        "auth_url": "http://127.0.0.1:9/authorize",
        "token_url": token_url,
    }

