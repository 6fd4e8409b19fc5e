"""The hosted service's own SDK, unchanged, through `agent-auth run`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Dict

from langchain_auth import Client

from harness.cli import CommandLine
from harness.daemon import Daemon
from harness.person import Person
from harness.process import Process
from harness.provider import PROVIDER_ID, AuthorizationServer

STORY = Path(__file__).with_name("sdk_story.py")


def heard(program: Process, step: str) -> Dict[str, Any]:
    """What the program told at this step."""
    mark = f'{{"step": "{step}"'
    return json.loads(program.wait_for_line(step, lambda line: line.startswith(mark)))


def sdk_definition(server: AuthorizationServer) -> str:
    """The definition, in the words that the SDK's method has for it."""
    words = ("provider_id", "name", "client_id", "client_secret", "auth_url", "token_url")
    definition = server.definition()
    return json.dumps({word: definition[word] for word in words})


def test_the_unchanged_sdk_gets_a_token_uses_it_and_gives_it_back(
    daemon: Daemon, server: AuthorizationServer, command_line: CommandLine, person: Person
) -> None:
    with command_line.start("run", "--", sys.executable, str(STORY)) as program:
        program.type(sdk_definition(server))
        assert heard(program, "created") == {
            "step": "created",
            "provider_id": PROVIDER_ID,
            "uses_pkce": True,
        }

        asked = heard(program, "asked")
        assert (asked["status"], asked["token"]) == ("pending", None)
        assert asked["url"].startswith(server.auth_url)

        assert person.log_in(asked["url"]).status == 200
        token = heard(program, "waited")["token"]
        assert server.accepts(token)
        assert heard(program, "again") == {
            "step": "again",
            "status": "completed",
            "url": None,
            "token": token,
        }
        asked = heard(program, "agent asked")
        assert (asked["status"], asked["token"]) == ("connection_required", None)
        assert asked["url"].startswith(f"{daemon.redirect_base}/consent/")
        assert heard(program, "refused")["refusals"] == [
            "OAuth authentication request not found or has expired",
            "OAuth authentication timed out after 1 seconds",
        ]
        assert heard(program, "looked") == {
            "step": "looked",
            "fetched": "Acme",
            "listed": [PROVIDER_ID],
            "renamed": "Acme Corporation",
            "exists": True,
        }

        program.type("go on")
        assert heard(program, "revoked") == {
            "step": "revoked",
            "provider_id": PROVIDER_ID,
            "exists": False,
        }
        assert heard(program, "deleted")["listed"] == []
        assert program.wait() == 0
    assert server.exchanges == 1


def test_every_method_of_the_sdk_is_part_of_the_story() -> None:
    methods = {name for name, what in vars(Client).items() if callable(what) and name[0] != "_"}
    story = STORY.read_text()
    assert {name for name in methods if f"client.{name}(" not in story} == set()
