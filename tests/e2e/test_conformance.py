"""The API, held to the document that it serves: schemathesis, all checks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from harness.cli import CommandLine
from harness.daemon import Daemon
from harness.provider import AuthorizationServer
from harness.stock import Stock

EXAMINE = Path(__file__).parent / "conformance" / "examine.py"

# For each operation and phase. `tests/run conformance` takes 200.
EXAMPLES = int(os.environ.get("CONFORMANCE_EXAMPLES", "40"))

# One seed unless told otherwise, so that a run fails for what was changed;
# `tests/run conformance` draws one.
SEED = os.environ.get("CONFORMANCE_SEED", "20261121")

MOST_SECONDS = 1500


@pytest.mark.long("thousands of requests; `tests/run conformance` runs it")
@pytest.mark.timeout(MOST_SECONDS + 60)
def test_the_api_keeps_to_its_document(
    daemon: Daemon, server: AuthorizationServer, command_line: CommandLine
) -> None:
    folder = daemon.home / "conformance"
    folder.mkdir()
    Stock(daemon, server).write(folder)
    arguments = [str(folder), f"--max-examples={EXAMPLES}", f"--seed={SEED}"]
    with command_line.start("run", "--", sys.executable, str(EXAMINE), *arguments) as program:
        code = program.wait(MOST_SECONDS)
    print(program.stdout)
    # schemathesis names the seed with what it found.
    assert code == 0, f"{program.stdout}\n{program.stderr}"
    assert "panicked" not in daemon.log
