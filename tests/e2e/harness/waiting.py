"""Waiting for a condition with a deadline, never for a fixed time."""

from __future__ import annotations

import time
from typing import Callable, Optional, TypeVar

Value = TypeVar("Value")

# Generous, since it is only ever reached by a failure: a busy machine with a
# debug build is slow.
DEADLINE_SECONDS = 30.0

_POLL_SECONDS = 0.02


def wait_for(
    what: str,
    probe: Callable[[], Optional[Value]],
    deadline_seconds: float = DEADLINE_SECONDS,
) -> Value:
    """Calls `probe` until its answer is truthy, and returns that answer."""
    end = time.monotonic() + deadline_seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline_seconds:.0f} s in vain for {what}")
        time.sleep(_POLL_SECONDS)
