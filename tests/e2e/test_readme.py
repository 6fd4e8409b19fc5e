"""Each sample in README.md is run as it is written, at a terminal, and its output
compared with the README's. GitHub and Linear are servers of this machine.

In the README `…` stands for any text. Paths, ports, times and identifiers differ from
run to run, and are replaced in the output.
"""

from __future__ import annotations

import pwd
import os
import re
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Tuple
from urllib.parse import urlsplit

import httpx

from harness import binaries
from harness.mcp import mcp_server
from harness.person import Person
from harness.process import environment
from harness.provider import AuthorizationServer, AuthorizationServers
from harness.terminal import Terminal

_README = Path(__file__).parents[2] / "README.md"

# Commands that build or test the project itself.
_NOT_RUN = ("cargo ", "tests/run")

_GITHUB_CLIENT = "Iv23liAbCdEfGhIjKlMn"
_GITHUB_LOGIN = "https://github.com/login/oauth/authorize"
_MCP = "https://mcp.linear.app/mcp"
_MCP_LOGIN = "https://mcp.linear.app/authorize"

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")

# What the commands are there to show, and the state of each login.
_MAY_SHOW = {"access_token", "state"}


@dataclass(frozen=True)
class Sample:
    """A command in the README, and the output that follows it there."""

    command: str
    output: str


def blocks(language: str) -> Iterator[str]:
    """The README's code blocks in a language."""
    found = re.finditer(rf"^```{language}\n(.*?)^```$", _README.read_text(), re.M | re.S)
    return (block.group(1) for block in found)


def samples() -> Iterator[Sample]:
    for block in blocks("console"):
        for text in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = re.sub(r"\\\n", "\0", text).partition("\n")
            yield Sample(command.replace("\0", "\\\n"), output)


class Reader:
    """Someone who types what the README says, on a machine without any settings."""

    def __init__(self, home: Path, github: AuthorizationServer, names: Dict[str, str]) -> None:
        self._home = home
        self._github = github
        # What the README has, by what this machine has in its place.
        self._names = {
            str(home / "runtime"): "/run/user/1000",
            str(home): "/home/ada",
            github.auth_url: _GITHUB_LOGIN,
            github.client().client_id: _GITHUB_CLIENT,
            **names,
        }
        self._user = pwd.getpwuid(os.getuid()).pw_name
        self._person = Person()
        self._environment = {
            **environment(home),
            # Beside the Python of the tests, which has the SDK.
            "PATH": f"{home / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "BROWSER": "/bin/true",
        }
        self._prepare()

    def _prepare(self) -> None:
        programs = {
            "agent-authd": binaries.daemon(),
            "agent-auth": binaries.command_line(),
        }
        (self._home / "bin").mkdir()
        for name, program in programs.items():
            (self._home / "bin" / name).symlink_to(program)
        # The usual port may be taken.
        settings = self._home / ".config/agent-authd/config.toml"
        settings.parent.mkdir(parents=True, mode=0o700)
        settings.write_text('redirect_listen = "127.0.0.1:0"\n')
        settings.chmod(0o600)
        (agent,) = blocks("python")
        (self._home / "agent.py").write_text(agent.replace('"ada"', f'"{self._user}"'))

    def terminal(self, command: str) -> Terminal:
        for real, name in self._names.items():
            if name in (_GITHUB_CLIENT, _MCP):
                command = command.replace(name, real)
        return Terminal(command, self._environment, self._home, _MAY_SHOW)

    def run(self, sample: Sample) -> str:
        """Types the command and does what it asks for; what it showed."""
        with self.terminal(sample.command) as terminal:
            if sample.command.startswith("agent-auth login"):
                self._log_in(terminal)
            elif "--client-secret-file -" in sample.command:
                terminal.type_unseen(self._github.client().client_secret or "")
            code = terminal.wait()
            needs_person = "a person must log in first" in sample.output
            assert code == (3 if needs_person else 0), f"{sample.command}: {code}\n{terminal.shown}"
            shown = terminal.shown
        if sample.command.startswith("agent-auth provider add github"):
            self._move_github_here()
        return shown

    def _log_in(self, terminal: Terminal) -> None:
        url = terminal.wait_for(r"(?<=\n)http\S+(?=\n)")
        if "/consent/" in url:
            self._person.allow_agent(url)
        else:
            self._person.log_in(url)

    def _move_github_here(self) -> None:
        """Gives the provider the addresses of the server on this machine."""
        changes = {
            "auth_url": self._github.auth_url,
            "token_url": self._github.token_url,
            "client_secret": self._github.client().client_secret,
        }
        socket = self._home / "runtime/agent-authd/agent-auth.sock"
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket))) as http:
            answer = http.patch("http://localhost/v2/auth/providers/github", json=changes)
            answer.raise_for_status()

    def learn_port(self, banner: str) -> None:
        """Reads in the banner which port stands for the usual one."""
        found = re.search(r"redirects +(http\S+)", banner)
        assert found, banner
        self._names[urlsplit(found.group(1)).netloc] = "127.0.0.1:8252"

    def in_readme(self, shown: str) -> str:
        """The output as the README has it."""
        for real, name in self._names.items():
            shown = shown.replace(real, name)
        shown = re.sub(rf"\b{re.escape(self._user)}\b", "ada", shown)
        return shown


def comparable(text: str) -> List[str]:
    """The lines of an output without what differs from run to run."""
    text = _TIME.sub("<time>", _UUID.sub("<uuid>", text))
    # Columns are as wide as their widest cell, which may differ.
    return [re.sub(r" {2,}", "  ", line).rstrip() for line in text.rstrip().split("\n")]


def matches(written: str, shown: str) -> bool:
    """Whether the output is as it is written in the README, where `…` is any text."""
    lines = comparable(written), comparable(shown)
    patterns = [".*".join(map(re.escape, line.split("…"))) for line in lines[0]]
    return len(lines[0]) == len(lines[1]) and all(
        re.fullmatch(pattern, line) for pattern, line in zip(patterns, lines[1])
    )


def differences(reader: Reader, played: List[Tuple[Sample, str]]) -> str:
    """The samples whose output is another one, with the output to write there."""
    shown = [(sample, reader.in_readme(output)) for sample, output in played]
    return "\n".join(
        f"$ {sample.command}\n{output}"
        for sample, output in shown
        if not matches(sample.output, output)
    )


def test_each_sample_in_the_readme_works_as_it_is_written(
    home: Path, servers: AuthorizationServers
) -> None:
    # As a GitHub App: tokens live for eight hours, and have the app's permissions.
    github = servers.of(
        provider_id="github", access_token_ttl=28_800, fixed_scope="api:read"
    )
    linear = servers.of(registration=True, resource_indicators=True)
    with ExitStack() as stack:
        for server in (github, linear):
            server.begin_test()
            stack.callback(server.learn_secrets)
        mcp = stack.enter_context(mcp_server(linear))
        reader = Reader(home, github, {linear.auth_url: _MCP_LOGIN, mcp.url: _MCP})
        daemon, *others = (s for s in samples() if not s.command.startswith(_NOT_RUN))
        assert daemon.command == "agent-authd"
        running = stack.enter_context(reader.terminal(daemon.command))
        running.wait_for(r"provider add --help\n")
        banner = running.shown
        reader.learn_port(banner)
        played = [(daemon, banner), *((sample, reader.run(sample)) for sample in others)]
        running.interrupt()
        assert running.wait() == 0
    different = differences(reader, played)
    assert not different, f"the README shows something else than:\n{different}"
