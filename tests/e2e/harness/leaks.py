"""Where no secret may be: gathered while a test runs, searched at its end, when
every secret is known."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Container, Iterator, List, Tuple

import httpx

from . import canary

# What lies in a home and is none of the daemon's: a browser's profile, the
# dictionaries of a generator of requests, and copies of the programs.
_OTHERS = ("profile", "conformance")
_PROGRAMS = ("agent-authd", "agent-auth")

# Each with what it is, how to read it, and the kinds of secrets it is meant for.
_noted: List[Tuple[str, Callable[[], bytes], Container[str]]] = []


def begin() -> None:
    """Forgets all that an earlier test left."""
    _noted.clear()
    canary.forget()


def note(place: str, content: bytes) -> None:
    """Keeps what was told somewhere, to be searched."""
    note_stream(place, lambda: content)


def note_stream(place: str, read: Callable[[], bytes], may_hold: Container[str] = ()) -> None:
    """The same, for what is still being written."""
    _noted.append((place, read, may_hold))


def note_answer(answer: httpx.Response) -> None:
    """Keeps the body of a refusal, and learns of a flow that was begun."""
    body, path = answer.read(), answer.request.url.path
    if answer.status_code >= 400:
        note(f"the {answer.status_code} answer to {answer.request.method} {path}", body)
    elif path == "/v2/auth/authenticate":
        canary.learn_state(answer.json()["url"] or "")


def note_process(pid: int) -> None:
    """Keeps what the system shows of a process to others."""
    process = Path(f"/proc/{pid}")
    for place in (process / "cmdline", process / "environ", process / "comm"):
        try:
            note(str(place), place.read_bytes())
        except OSError:
            # It has ended, or is closed even to its own user.
            continue


def places() -> List[str]:
    """What will be searched beside the files."""
    return [place for place, _, _ in _noted]


def children(pid: int) -> List[int]:
    """The processes that a process has started."""
    try:
        told = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [int(child) for line in told for child in line.split()]


def found(home: Path) -> List[str]:
    """Each place with a secret in clear, and the kind of the secret."""
    keys = {path for path in _files(home) if path.suffix == ".key"}
    for path in keys:
        canary.learn_keys(path.read_text(errors="replace"))
    files = [
        (str(path), path.read_bytes, ("vault_key",) if path in keys else ())
        for path in _files(home)
    ]
    return [
        f"{place}: {kind}"
        for place, read, may_hold in (*_noted, *files)
        for kind in sorted(canary.kinds_in(read()))
        if kind not in may_hold
    ]


def demand_none(home: Path) -> None:
    """Fails, and tells the places and kinds alone."""
    leaks = found(home)
    assert not leaks, "secrets in clear:\n" + "\n".join(leaks)


def _files(home: Path) -> Iterator[Path]:
    for path in home.rglob("*"):
        is_anothers = path.relative_to(home).parts[0] in _OTHERS or path.name in _PROGRAMS
        if path.is_file() and not path.is_symlink() and not is_anothers:
            yield path
