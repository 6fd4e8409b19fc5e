"""Where the two programs under test are."""

from __future__ import annotations

import os
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]


def daemon() -> Path:
    """`agent-authd`: from AGENT_AUTHD_BIN, else the debug build."""
    return _found("AGENT_AUTHD_BIN", _built("agent-authd"))


def command_line() -> Path:
    """`agent-auth`: from AGENT_AUTH_BIN, else the daemon's neighbour."""
    return _found("AGENT_AUTH_BIN", daemon().with_name("agent-auth"))


def _built(name: str) -> Path:
    return _ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug" / name


def _found(variable: str, default: Path) -> Path:
    path = Path(os.environ.get(variable, default))
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: run `cargo build --bins`, or set {variable}")
    return path
