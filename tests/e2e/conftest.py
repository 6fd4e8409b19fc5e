"""What every test is given: a home, a server, a daemon, a command line, a person."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

from harness import leaks
from harness.cli import CommandLine
from harness.daemon import Daemon
from harness.person import Person
from harness.provider import AuthorizationServer, AuthorizationServers


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "server(**options): options of this test's provider.mjs")
    config.addinivalue_line("markers", "alone(reason): no other test runs at the same time")
    config.addinivalue_line("markers", "long(reason): has a command of its own, see tests/run")


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty home folder, with a path short enough for a socket in it.

    It goes last, when every program has ended and every secret is known: where
    one is in clear, the test fails."""
    leaks.begin()
    path = Path(tempfile.mkdtemp(prefix="aa-", dir="/tmp"))
    (path / "runtime").mkdir(mode=0o700)
    yield path
    try:
        leaks.demand_none(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthorizationServers]:
    """The authorization servers that have been needed so far."""
    servers = AuthorizationServers(tmp_path_factory.mktemp("servers"))
    yield servers
    servers.close()


@pytest.fixture
def server(
    home: Path, servers: AuthorizationServers, request: pytest.FixtureRequest
) -> Iterator[AuthorizationServer]:
    """A running authorization server, with clients of this test's own."""
    marker = request.node.get_closest_marker("server")
    server = servers.of(**(marker.kwargs if marker else {}))
    server.begin_test()
    yield server
    # Before the home is searched for secrets.
    server.learn_secrets()


@pytest.fixture
def stopped_daemon(home: Path) -> Iterator[Daemon]:
    """A daemon that was never started."""
    daemon = Daemon(home)
    yield daemon
    daemon.close()


@pytest.fixture
def daemon(stopped_daemon: Daemon) -> Daemon:
    """A running daemon with an empty vault."""
    stopped_daemon.start()
    return stopped_daemon


@pytest.fixture
def acme(daemon: Daemon, server: AuthorizationServer) -> AuthorizationServer:
    """The server, defined at the daemon as the provider `acme`."""
    daemon.create_provider(server.definition())
    return server


@pytest.fixture
def command_line(stopped_daemon: Daemon) -> CommandLine:
    """The command line of the daemon's owner; the daemon need not run."""
    return CommandLine(stopped_daemon.home, stopped_daemon.socket)


@pytest.fixture
def person() -> Person:
    return Person()


def pytest_unconfigure(config: pytest.Config) -> None:
    """The plain closing line that `tests/run` ends with; a worker has none."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    count = {name: len(reports) for name, reports in reporter.stats.items()}
    failed = count.get("failed", 0) + count.get("error", 0)
    beside = [f"{count[name]} {name}" for name in ("skipped", "xfailed") if name in count]
    reporter.write_line(", ".join([f"{count.get('passed', 0)} passed, {failed} failed", *beside]))
