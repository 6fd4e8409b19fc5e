"""Runs schemathesis against the relay that `agent-auth run` has opened, whose
address and key are in the environment. Its arguments go to schemathesis."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PROGRAM = Path(sys.executable).with_name("schemathesis")
_RELAY = os.environ["LANGSMITH_API_URL"]

os.chdir(Path(__file__).parent)
os.environ["NO_COLOR"] = "1"
os.execv(
    _PROGRAM,
    [
        str(_PROGRAM),
        "--config-file=schemathesis.toml",
        "run",
        f"{_RELAY}/openapi.json",
        f"--url={_RELAY}",
        *sys.argv[1:],
    ],
)
