"""Runs schemathesis against the relay that `agent-auth run` has opened, whose
address and key are in the environment.

The first argument is a folder with the dictionaries of what is stored, where
the settings are put beside them; the others go to schemathesis.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

_PROGRAM = Path(sys.executable).with_name("schemathesis")
_RELAY = os.environ["LANGSMITH_API_URL"]

_HERE = Path(__file__).parent
_FOLDER = Path(sys.argv[1])

for _name in ("schemathesis.toml", "hooks.py"):
    shutil.copy(_HERE / _name, _FOLDER)
os.chdir(_FOLDER)
os.environ["NO_COLOR"] = "1"
os.execv(
    _PROGRAM,
    [
        str(_PROGRAM),
        "--config-file=schemathesis.toml",
        "run",
        f"{_RELAY}/openapi.json",
        f"--url={_RELAY}",
        *sys.argv[2:],
    ],
)
