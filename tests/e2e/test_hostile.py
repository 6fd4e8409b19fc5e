"""One user who takes all that can be had, beside another whose tokens must come on.

`tests/hostile` measures the same with a release build; here it is looked whether the
other user is kept from a token at all."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Iterator

import pytest

from harness import binaries, leaks
from hostilelib import attacks, good_user
from hostilelib.daemon import Daemon
from hostilelib.provider import Provider
from hostilelib.wire import HOSTILE, process

SECONDS = 1.0
TOKENS = 960

# What the good user may wait on a busy machine with an unoptimized daemon, in
# milliseconds, beside many times what they wait anyway. Before there were shares
# and turns, half of all calls took seconds.
MOST_MEDIAN, TIMES_CALM = 500.0, 50.0

# Warnings that all the attacks together may cause.
MOST_LINES = 40


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def machine(home: Path, provider: Provider) -> Iterator[Daemon]:
    daemon = Daemon(binaries.daemon(), home, "max_tokens = 1500\nmax_flows = 1500\n")
    try:
        good_user.settle(daemon.socket, provider)
        attacks.settle(daemon.socket, provider, TOKENS)
        yield daemon
    finally:
        daemon.close()
        leaks.note("the daemon's log", daemon.log.encode())


@pytest.mark.alone("it looks how long calls take")
def test_a_hostile_user_keeps_nobody_from_their_tokens(
    machine: Daemon, provider: Provider
) -> None:
    target = attacks.Target(machine.socket, machine.redirect_base, provider.hanging.url)
    calm = good_user.work(machine.socket, machine.redirect_base, SECONDS).result()
    lines = machine.log.count("\n")
    for name, (work, count) in attacks.ATTACKS.items():
        with ExitStack() as stack:
            for _ in range(count):
                stack.enter_context(process(HOSTILE, lambda: work(target)))
            times = good_user.work(machine.socket, machine.redirect_base, SECONDS).result()
        assert times.errors == [], name
        for kind in ("kept", "new", "short", "page"):
            median, usual = times.quantile(kind, 0.5), calm.quantile(kind, 0.5)
            figures = f"{name}: {kind} after {median:.1f} ms (calm: {usual:.1f} ms)"
            print(figures)
            assert median < MOST_MEDIAN + TIMES_CALM * usual, figures
        assert machine.is_running, name
    assert good_user.grants_alive(machine.socket) == 1 + len(good_user.REFRESHED)
    assert provider.reuses == 0
    said = [line for line in machine.log.splitlines()[lines:] if '"INFO"' not in line]
    assert len(said) < MOST_LINES, said[:20]
