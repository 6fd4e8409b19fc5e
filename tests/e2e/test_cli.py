"""`agent-auth`, as a person and as a script use it."""

from __future__ import annotations

import json
import re
import signal
import sys
from typing import Tuple

import httpx

from harness import canary
from harness.cli import CommandLine
from harness.daemon import Daemon
from harness.person import Person
from harness.process import Process
from harness.provider import PROVIDER_ID, AuthorizationServer

NEEDS_PERSON = 3
SCOPES = ("--scope", "openid", "--scope", "email", "--scope", "api:read")


def add_provider(command_line: CommandLine, server: AuthorizationServer) -> str:
    client = server.client()
    return command_line.expect(
        *("provider", "add", PROVIDER_ID, "--name", "Acme"),
        *("--client-id", client.client_id, "--client-secret-file", "-"),
        *("--auth-url", server.auth_url, "--token-url", server.token_url),
        typed=f"{client.client_secret}\n",
    )


def begin_login(command_line: CommandLine, server: AuthorizationServer) -> Tuple[Process, str]:
    login = command_line.start("login", PROVIDER_ID, *SCOPES, "--no-browser")
    line = login.wait_for_line("the address to open", lambda line: server.auth_url in line)
    found = re.search(r"http\S+", line)
    assert found
    return login, found.group()


def log_in(command_line: CommandLine, server: AuthorizationServer, person: Person) -> str:
    login, url = begin_login(command_line, server)
    with login:
        person.log_in(url)
        assert login.wait() == 0, login.describe()
        return login.stdout + login.stderr


def test_without_a_daemon_each_command_says_how_to_start_it(command_line: CommandLine) -> None:
    for words in (["status"], ["tokens", "list"], ["token", PROVIDER_ID, *SCOPES]):
        ended = command_line.call(*words)
        assert ended.returncode == 1
        assert "agent-authd" in ended.stderr
        assert "not running" in ended.stderr
        assert ended.stdout == ""


def test_adding_a_provider_says_what_to_register_there(
    daemon: Daemon, server: AuthorizationServer, command_line: CommandLine
) -> None:
    printed = add_provider(command_line, server)
    assert f"{daemon.redirect_base}/host-oauth-callback/{PROVIDER_ID}" in printed


def test_providers_are_listed_shown_and_removed(
    daemon: Daemon, server: AuthorizationServer, command_line: CommandLine
) -> None:
    add_provider(command_line, server)
    assert PROVIDER_ID in command_line.expect("provider", "list")
    assert json.loads(command_line.expect("provider", "list", "--json"))[0]["name"] == "Acme"
    assert server.token_url in command_line.expect("provider", "show", PROVIDER_ID)
    command_line.expect("provider", "remove", PROVIDER_ID)
    assert json.loads(command_line.expect("provider", "list", "--json")) == []
    assert command_line.call("provider", "show", PROVIDER_ID).returncode == 1


def test_before_a_login_token_names_the_command_and_exits_3(
    daemon: Daemon, server: AuthorizationServer, command_line: CommandLine
) -> None:
    add_provider(command_line, server)
    ended = command_line.call("token", PROVIDER_ID, *SCOPES)
    assert ended.returncode == NEEDS_PERSON
    assert ended.stdout == ""
    assert f"agent-auth login {PROVIDER_ID}" in ended.stderr
    assert daemon.info["flows_pending"] == 0


def test_after_a_login_token_prints_the_token_alone(
    daemon: Daemon, server: AuthorizationServer, command_line: CommandLine, person: Person
) -> None:
    add_provider(command_line, server)
    assert "ada@people.test" in log_in(command_line, server, person)
    printed = command_line.expect("token", PROVIDER_ID, *SCOPES)
    assert printed.endswith("\n")
    assert len(printed.split()) == 1
    assert server.accepts(printed.strip())
    whole = json.loads(command_line.expect("token", PROVIDER_ID, *SCOPES, "--json"))
    assert whole["token"] == printed.strip()


def test_a_second_login_says_that_it_is_done_already(
    daemon: Daemon, server: AuthorizationServer, command_line: CommandLine, person: Person
) -> None:
    add_provider(command_line, server)
    log_in(command_line, server, person)
    ended = command_line.call("login", PROVIDER_ID, *SCOPES, "--no-browser")
    assert ended.returncode == 0
    assert server.auth_url not in ended.stdout + ended.stderr


def test_a_refused_login_fails_and_says_so(
    daemon: Daemon, server: AuthorizationServer, command_line: CommandLine, person: Person
) -> None:
    add_provider(command_line, server)
    login, url = begin_login(command_line, server)
    with login:
        person.refuse(url)
        assert login.wait() == 1
        assert "access_denied" in login.stderr


def test_tokens_are_listed_without_their_values(
    daemon: Daemon, server: AuthorizationServer, command_line: CommandLine, person: Person
) -> None:
    add_provider(command_line, server)
    log_in(command_line, server, person)
    token = command_line.expect("token", PROVIDER_ID, *SCOPES).strip()
    for printed in (
        command_line.expect("tokens", "list"),
        command_line.expect("tokens", "list", "--json"),
    ):
        assert PROVIDER_ID in printed
        assert "ada@people.test" in printed
        assert token not in printed


def test_status_says_where_everything_is(daemon: Daemon, command_line: CommandLine) -> None:
    printed = command_line.expect("status")
    assert str(daemon.socket) in printed
    assert daemon.redirect_base in printed
    assert json.loads(command_line.expect("status", "--json"))["version"] == daemon.info["version"]


def test_wrong_words_exit_2(command_line: CommandLine) -> None:
    assert command_line.call("tokne").returncode == 2


def test_run_hands_on_how_its_command_ended(daemon: Daemon, command_line: CommandLine) -> None:
    assert command_line.call("run", "--", "sh", "-c", "exit 7").returncode == 7
    assert (
        command_line.call("run", "--", "sh", "-c", "kill -TERM $$").returncode
        == 128 + signal.SIGTERM
    )
    assert command_line.call("run", "--", "no-such-command-anywhere").returncode == 127


def test_run_hands_standard_input_and_output_through(
    daemon: Daemon, command_line: CommandLine
) -> None:
    assert command_line.expect("run", "--", "cat", typed="as it is\n") == "as it is\n"


def test_run_forwards_signals_and_outlives_them(daemon: Daemon, command_line: CommandLine) -> None:
    script = 'trap "echo told; exit 5" TERM; echo ready; while :; do sleep 0.05; done'
    with command_line.start("run", "--", "sh", "-c", script) as program:
        program.wait_for_line("readiness", lambda line: line == "ready\n")
        program.signal(signal.SIGTERM)
        assert program.wait() == 5
        assert program.stdout == "ready\ntold\n"


def test_the_bridge_opens_for_its_own_key_and_name_only(
    daemon: Daemon, command_line: CommandLine
) -> None:
    script = (
        "import json, os; "
        "print(json.dumps({name: os.environ[name] for name in "
        "('LANGSMITH_API_URL', 'LANGSMITH_API_KEY', 'AGENT_AUTH_SOCK')}), flush=True); "
        "input()"
    )
    with command_line.start("run", "--", sys.executable, "-c", script) as program:
        told = json.loads(
            program.wait_for_line("its environment", lambda line: line.startswith("{"))
        )
        assert told["AGENT_AUTH_SOCK"] == str(daemon.socket)
        url = f"{told['LANGSMITH_API_URL']}/v2/auth/providers"
        key = {"x-api-key": told["LANGSMITH_API_KEY"]}
        canary.learn("relay_key", told["LANGSMITH_API_KEY"])

        def status(**headers: str) -> int:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return httpx.get(url, headers=named, trust_env=False).status_code

        assert status(**key) == 200
        assert status() == 401
        assert status(**{"x-api-key": key["x-api-key"][:-1]}) == 401
        assert status(**key, host="rebound.example") == 421
        assert status(**key, origin="https://web.example") == 403
        program.type("done")
        assert program.wait() == 0
    try:
        status(**key)
    except httpx.ConnectError:
        return
    raise AssertionError("the bridge outlived its command")
