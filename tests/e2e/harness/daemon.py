"""`agent-authd` on a machine of its own: a temporary home, socket and vault."""

from __future__ import annotations

import signal
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence
from urllib.parse import urlsplit

import httpx

from . import binaries, leaks
from .process import Process, environment
from .provider import PROVIDER_ID
from .waiting import wait_for

# What most tests ask for. The server drops `offline_access`, as real ones do
# of clients that send no `prompt=consent`, and grants the rest.
SCOPES = ["openid", "email", "api:read", "offline_access"]


class Daemon:
    """One installation, which can be started, stopped and started again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data_dir = home / "data"
        self.key_file = home / "config" / "vault.key"
        self.socket = home / "run" / "agent-auth.sock"
        self.redirect_listen = "127.0.0.1:0"
        self.process: Optional[Process] = None
        self.http = _client(self.socket)
        self._earlier_logs: List[str] = []

    # Life

    def command(self, *extra: str) -> List[str]:
        """The command line that starts it."""
        return [
            str(binaries.daemon()),
            f"--data-dir={self.data_dir}",
            f"--key-file={self.key_file}",
            f"--socket={self.socket}",
            f"--redirect-listen={self.redirect_listen}",
            "--log-level=trace",
            *extra,
        ]

    def refresh_on_demand_alone(self) -> None:
        """Writes settings by which nothing is refreshed before it is asked for."""
        settings = self.home / ".config" / "agent-authd" / "config.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text("refresh_active_within = 0\n")

    def spawn(self, *extra: str) -> Process:
        """Starts a process and waits for nothing."""
        return Process(self.command(*extra), environment(self.home), cwd=self.home)

    def start(self, *extra: str) -> None:
        """Starts it, and returns once it serves."""
        self.process = self.spawn(*extra)
        wait_for("the daemon to serve", self._serves)
        # A restart listens where people's browsers will come back to.
        self.redirect_listen = urlsplit(self.redirect_base).netloc

    def kill(self) -> None:
        """`kill -9`: no chance to tidy up."""
        self._be_seen()
        self._running().kill()
        self._ended()

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self._be_seen()
        self._running().signal(signal.SIGTERM)
        code = self._running().wait()
        self._ended()
        return code

    def close(self) -> None:
        self.http.close()
        if self.process is not None:
            self._be_seen()
            self.process.kill()

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def log(self) -> str:
        """All it ever wrote to its terminal."""
        now = [self.process.stdout, self.process.stderr] if self.process else []
        return "".join(self._earlier_logs + now)

    def _be_seen(self) -> None:
        """Notes what the system shows of its children: the daemon is to have none."""
        for child in leaks.children(self.pid):
            leaks.note_process(child)

    def _running(self) -> Process:
        assert self.process is not None, "the daemon was not started"
        return self.process

    def _ended(self) -> None:
        self._earlier_logs += [self._running().stdout, self._running().stderr]
        self.process = None

    def _serves(self) -> bool:
        process = self._running()
        assert process.is_running, f"the daemon ended\n{process.describe()}"
        try:
            return self.http.get("/ok").status_code == 200
        except httpx.TransportError:
            return False

    # What agents ask of it

    @property
    def info(self) -> Dict[str, Any]:
        return self.http.get("/info").raise_for_status().json()

    @property
    def redirect_base(self) -> str:
        return self.info["redirect_base"]

    def create_provider(self, definition: Dict[str, Any]) -> Dict[str, Any]:
        answer = self.http.post("/v2/auth/providers", json=definition)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def authenticate(
        self, provider: str = PROVIDER_ID, scopes: Sequence[str] = SCOPES, **more: Any
    ) -> httpx.Response:
        body = {"provider": provider, "scopes": list(scopes), "user_id": "ada", **more}
        return self.http.post("/v2/auth/authenticate", json=body)

    def begin(self, **more: Any) -> Dict[str, Any]:
        """Asks for a token that is not there yet: `url` and `auth_id`."""
        answer = self.authenticate(**more)
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "pending", answer.text
        return answer.json()

    def token(self, **more: Any) -> str:
        """Asks for a token that is there."""
        answer = self.authenticate(**more)
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "completed", answer.json()["status"]
        return answer.json()["token"]

    def await_expiry(self) -> None:
        """Waits until the life of every stored token is over, by what is told of it."""
        tokens = self.http.get("/v2/auth/tokens").raise_for_status().json()
        last = max(_moment(token["expires_at"]) for token in tokens)
        wait_for("the tokens to expire", lambda: time.time() > last)

    def wait(self, auth_id: str, timeout: int = 30) -> Dict[str, Any]:
        answer = self.http.get(f"/v2/auth/wait/{auth_id}", params={"timeout": timeout})
        assert answer.status_code == 200, answer.text
        return answer.json()


def _client(socket: Path) -> httpx.Client:
    # A connection each: one kept from before a restart would be of no use.
    limits = httpx.Limits(max_keepalive_connections=0)
    transport = httpx.HTTPTransport(uds=str(socket), limits=limits)
    return httpx.Client(
        transport=transport,
        base_url="http://localhost",
        timeout=60.0,
        event_hooks={"response": [leaks.note_answer]},
    )


def _moment(timestamp: str) -> float:
    """RFC 3339 in UTC, as seconds since 1970. Python before 3.11 knows no `Z`."""
    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()
