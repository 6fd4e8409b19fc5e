"""Random sequences of operations, compared with a small model of the semantics.

`MODEL_SEED` repeats a run; a failure names its seed and the shortest sequence
that shows it."""

from __future__ import annotations

import itertools
import os
import secrets
import time
from typing import Any, Callable, Dict, FrozenSet, List, Optional

import httpx
import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from harness import canary
from harness.daemon import Daemon
from harness.model import Connection, Model, Token

providers = st.sampled_from(["one", "two"])
agents = st.sampled_from(["ada", "bob"])
scope_sets = st.sets(st.sampled_from(["a", "b"])).map(frozenset)
indexes = st.integers(min_value=0, max_value=5)
# What leaves little behind is done seldom, else nothing else would happen.
seldom = st.sampled_from([False] * 7 + [True])
labels = st.sampled_from(["work", "home", "ünïcode"])

# Nothing listens there: no token can be revoked or refreshed.
NOWHERE = "http://127.0.0.1:9"

_runs = itertools.count()


class Operations(RuleBasedStateMachine):
    """Each rule asks the daemon, and the model what the answer has to be."""

    http: httpx.Client

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        # One daemon serves every sequence, each with names of its own.
        self.prefix = f"run{next(_runs)}-"

    def teardown(self) -> None:
        for provider in self.model.providers:
            self.ask("DELETE", f"providers/{provider}", 200)

    def ask(self, method: str, path: str, status: int, **more: Any) -> Any:
        answer = self.http.request(method, f"/v2/auth/{path}", **more)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def has(self, provider: str) -> bool:
        return provider in self.model.providers

    def some_token(self, index: int) -> Optional[Token]:
        tokens = list(self.model.tokens.values())
        return tokens[index % len(tokens)] if tokens else None

    # Providers

    @initialize()
    def there_are_tokens(self) -> None:
        for name in ("one", "two"):
            self.create_provider(name)
            self.import_token(name, frozenset("a"), True, True)

    @rule(name=providers)
    def create_provider(self, name: str) -> None:
        provider = self.prefix + name
        body = {
            "provider_id": provider,
            "name": name,
            "client_id": "c",
            "auth_url": f"{NOWHERE}/auth",
            "token_url": f"{NOWHERE}/token",
        }
        if self.has(provider):
            self.ask("POST", "providers", 409, json=body)
            return
        assert self.ask("POST", "providers", 200, json=body)["provider_id"] == provider
        self.model.providers.append(provider)

    @rule(name=providers, is_meant=seldom)
    def delete_provider(self, name: str, is_meant: bool) -> None:
        if not is_meant:
            name = "three"
        provider = self.prefix + name
        if not self.has(provider):
            self.ask("DELETE", f"providers/{provider}", 404)
            return
        self.ask("DELETE", f"providers/{provider}", 200)
        self.model.delete_provider(provider)

    # Tokens

    @rule(name=providers, scopes=scope_sets, is_default=st.booleans(), is_alive=st.booleans())
    def import_token(
        self, name: str, scopes: FrozenSet[str], is_default: bool, is_alive: bool
    ) -> None:
        provider = self.prefix + name
        token = self.new_token(provider, scopes, None, is_alive)
        body = {"provider_id": provider, "is_default": is_default, **self.imported(token)}
        if not self.has(provider):
            self.ask("POST", "tokens/import", 404, json=body)
            return
        token.id = self.ask("POST", "tokens/import", 200, json=body)["token_id"]
        self.model.add(token, is_default)

    @rule(name=providers, agent=agents, scopes=scope_sets)
    def upsert(self, name: str, agent: str, scopes: FrozenSet[str]) -> None:
        provider = self.prefix + name
        path = f"agents/{agent}/providers/{provider}/tokens"
        token = self.new_token(provider, scopes, agent, True)
        body = self.imported(token)
        if not self.has(provider):
            self.ask("POST", path, 404, json=body)
            return
        made = self.ask("POST", path, 201, json=body)
        token.id = made["oauth_token_id"]
        self.model.retire(agent, provider)
        self.model.add(token, True)
        self.adopt_default(provider)
        self.model.connect(Connection(made["id"], agent, token.id))

    @rule(index=indexes)
    def delete_token(self, index: int) -> None:
        token = self.some_token(index)
        if token is None:
            self.ask("DELETE", "tokens/nothing", 404)
            return
        self.ask("DELETE", f"tokens/{token.id}", 204)
        self.ask("DELETE", f"tokens/{token.id}", 404)
        self.model.remove(token, "deleted")
        self.adopt_default(token.provider)

    @rule(name=providers, is_meant=seldom)
    def delete_tokens(self, name: str, is_meant: bool) -> None:
        if not is_meant:
            name = "three"
        provider = self.prefix + name
        tokens = self.model.tokens_of(provider)
        status = 200 if tokens or self.has(provider) else 404
        self.ask("DELETE", "tokens", status, params={"provider_id": provider})
        for token in tokens:
            self.model.remove(token, "deleted")

    @rule(index=indexes, label=labels, is_default=st.sampled_from([None, True, False]))
    def update_token(self, index: int, label: str, is_default: Optional[bool]) -> None:
        token = self.some_token(index)
        body = {"provider_account_label": label, "is_default": is_default}
        if token is None:
            self.ask("PATCH", "tokens/nothing/metadata", 404, json=body)
            return
        shown = self.ask("PATCH", f"tokens/{token.id}/metadata", 200, json=body)
        assert shown["provider_account_label"] == label
        token.label = label
        if is_default:
            self.model.make_default(token)
        elif is_default is False and token.is_default:
            successors = self.model.successors(self.model.group_of(token))
            token.is_default = not successors
            self.adopt_default(token.provider, successors)

    # Agents

    @rule(agent=agents, index=indexes)
    def connect(self, agent: str, index: int) -> None:
        token = self.some_token(index)
        path = f"agents/{agent}/connections"
        if token is None:
            self.ask("POST", path, 404, json={"oauth_token_id": "nothing"})
            return
        made = self.ask("POST", path, 201, json={"oauth_token_id": token.id})
        known = self.model.connection(agent, token.id)
        assert known is None or known.id == made["id"]
        self.model.connect(Connection(made["id"], agent, token.id))

    @rule(agent=agents, index=indexes)
    def disconnect(self, agent: str, index: int) -> None:
        connections = self.model.connections
        if not connections:
            self.ask("DELETE", f"agents/{agent}/connections/nothing", 404)
            return
        connection = connections[index % len(connections)]
        path = f"agents/{agent}/connections/{connection.id}"
        if connection.agent != agent:
            self.ask("DELETE", path, 404)
            return
        self.ask("DELETE", path, 204)
        self.model.disconnect(connection)

    # Asking for a token

    @rule(
        name=providers,
        agent=st.one_of(st.none(), agents),
        scopes=scope_sets,
        check_only=st.booleans(),
    )
    def authenticate(
        self, name: str, agent: Optional[str], scopes: FrozenSet[str], check_only: bool
    ) -> None:
        provider = self.prefix + name
        body = {
            "provider": provider,
            "scopes": sorted(scopes),
            "agent_id": agent,
            "check_only": check_only,
        }
        answer = self.ask("POST", "authenticate", 200 if self.has(provider) else 404, json=body)
        if not self.has(provider):
            return
        served = {token.value: token for token in self.model.served(provider, agent, scopes)}
        if served:
            assert answer["status"] == "completed"
            assert answer["token"] in served
            served[answer["token"]].used = time.monotonic()
            return
        assert answer["token"] is None
        if check_only:
            assert (answer["status"], answer["url"]) == ("connection_required", None)
            return
        waits_for_consent = agent is not None and self.model.serves_another(provider, scopes)
        assert answer["status"] == ("connection_required" if waits_for_consent else "pending")
        again = self.ask("POST", "authenticate", 200, json=body)
        assert (again["url"], again["auth_id"]) == (answer["url"], answer["auth_id"])
        forced = self.ask("POST", "authenticate", 200, json={**body, "force_new": True})
        assert forced["status"] == "pending"
        assert forced["auth_id"] != answer["auth_id"]

    @rule(index=indexes, agent=st.one_of(st.none(), agents))
    def authenticate_with_a_token(self, index: int, agent: Optional[str]) -> None:
        token = self.some_token(index)
        if token is None:
            return
        body = {
            "provider": token.provider,
            "scopes": [],
            "token_id": token.id,
            "agent_id": agent,
            "check_only": True,
        }
        answer = self.ask("POST", "authenticate", 200, json=body)
        may_use = agent is None or self.model.permits(agent, token)
        if may_use and token.is_alive:
            assert (answer["status"], answer["token"]) == ("completed", token.value)
            token.used = time.monotonic()
        else:
            assert (answer["status"], answer["token"]) == ("connection_required", None)

    # What can be seen

    @invariant()
    def the_lists_are_the_models(self) -> None:
        listed = [p["provider_id"] for p in self.ask("GET", "providers", 200)]
        own = [provider for provider in listed if provider.startswith(self.prefix)]
        assert own == list(reversed(self.model.providers))
        self.compare_tokens()
        for agent in ("ada", "bob"):
            shown = self.ask("GET", f"agents/{agent}/connections", 200)["data"]
            assert [(c["id"], c["oauth_token_id"]) for c in shown] == [
                (c.id, c.token) for c in reversed(self.model.connections) if c.agent == agent
            ]

    def compare_tokens(self) -> None:
        shown = self.ask("GET", "tokens", 200)
        assert [
            (t["id"], t["is_default"], t["agent_id"], t["provider_account_label"], set(t["scopes"]))
            for t in shown
        ] == [
            (t.id, t.is_default, t.agent, t.label, t.scopes)
            for t in reversed(list(self.model.tokens.values()))
        ]

    @rule()
    def whether_there_is_any_token_is_known(self) -> None:
        names = [self.prefix + name for name in ("one", "two")]
        expected = {name: bool(self.model.tokens_of(name)) for name in names}
        batch = self.ask("POST", "tokens/exists/batch", 200, json={"provider_ids": names})
        assert batch == {"has_token": expected}
        for name in names:
            shown = self.ask("GET", "tokens/exists", 200, params={"provider_id": name})
            assert shown == {"has_token": expected[name]}

    @rule(name=providers)
    def every_change_is_told_once(self, name: str) -> None:
        provider = self.prefix + name
        query = {"provider_id": provider, "limit": 200}
        shown = self.ask("GET", "token-events", 200, params=query)
        expected = self.model.events.get(provider, [])
        assert [event["event_type"] for event in shown] == expected[::-1][:200]

    # Parts of rules

    def new_token(
        self, provider: str, scopes: FrozenSet[str], agent: Optional[str], is_alive: bool
    ) -> Token:
        return Token("", provider, canary.make("access_token"), scopes, agent, is_alive)

    def imported(self, token: Token) -> Dict[str, Any]:
        return {
            "access_token": token.value,
            "scopes": sorted(token.scopes),
            "expires_in_seconds": None if token.is_alive else 0,
        }

    def adopt_default(self, provider: str, successors: Optional[List[Token]] = None) -> None:
        """Learns from the daemon which token followed each default, where more
        than one may; it must be one of those."""
        for agent in {token.agent for token in self.model.tokens_of(provider)}:
            group = [t for t in self.model.tokens_of(provider) if t.agent == agent]
            if any(token.is_default for token in group):
                continue
            allowed = {token.id for token in (successors or self.model.successors(group))}
            shown = self.ask("GET", "tokens", 200, params={"provider_id": provider})
            defaults = [t["id"] for t in shown if t["is_default"] and t["agent_id"] == agent]
            (default,) = defaults
            assert default in allowed
            self.model.make_default(self.model.tokens[default])


# A failure is made smaller before it is shown, which takes its time.
@pytest.mark.timeout(600)
def test_every_sequence_of_operations_does_what_the_model_says(daemon: Daemon) -> None:
    chosen = int(os.environ.get("MODEL_SEED", secrets.randbits(32)))

    class Here(Operations):
        http = daemon.http

    factory: Callable[[], RuleBasedStateMachine] = seed(chosen)(lambda: Here())
    bounds = settings(
        max_examples=30,
        stateful_step_count=40,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    print(f"MODEL_SEED={chosen} repeats this run")
    run_state_machine_as_test(factory, settings=bounds)
