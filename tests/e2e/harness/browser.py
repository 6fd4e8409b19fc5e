"""A real browser: Chromium, without a window and with an empty profile."""

from __future__ import annotations

import shutil
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Callable, List, Tuple

from .process import Process, environment

# A name of another site that leads to this machine, as a rebinding one would.
FOREIGN = "evil.example"

_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1",
]


def command(home: Path, *arguments: str) -> List[str]:
    found = shutil.which("chromium")
    assert found, "Chromium is missing: tests/run installs it as root, from Debian's packages"
    return [found, *_FLAGS, f"--user-data-dir={home / 'profile'}", *arguments]


def shown(home: Path, url: str) -> Tuple[str, str]:
    """The document that a browser has made of an address, and what it complained of."""
    ended = subprocess.run(
        command(home, "--timeout=20000", "--dump-dom", url),
        capture_output=True,
        text=True,
        env=environment(home),
        timeout=120,
        check=False,
    )
    return ended.stdout, ended.stderr


def open_page(home: Path, url: str) -> Process:
    """A browser that stays on a page, whose scripts run."""
    flags = ["--remote-debugging-port=0", url]
    # What a browser shows of the addresses it goes to is its own affair.
    return Process(command(home, *flags), environment(home), is_searched=False)


class Site:
    """A web site of a test's own: pages by path, and all the requests it got."""

    def __init__(self) -> None:
        self.pages: dict[str, Tuple[dict[str, str], str]] = {}
        self.requests: List[Tuple[str, str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def posted(self, path: str) -> List[str]:
        """The bodies that were posted there."""
        return [body for method, at, body in self.requests if (method, at) == ("POST", path)]


def _handler(site: Site) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            site.requests.append((self.command, self.path, body))
            headers, page = site.pages.get(self.path, ({}, "nothing"))
            content = page.encode()
            self.send_response(200)
            for name, value in {"Content-Type": "text/html", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
