"""A program written for the hosted service: it knows the public SDK, and that
its address and key are in the environment. It has not heard of a daemon.

It reads a provider's definition from standard input, tells each step as a line
of JSON, and waits for a line before it takes the token back.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from langchain_auth import Client

SCOPES = ["openid", "email", "api:read", "offline_access"]


def tell(step: str, **facts: Any) -> None:
    print(json.dumps({"step": step, **facts}), flush=True)


async def story() -> None:
    client = Client()
    definition = json.loads(sys.stdin.readline())
    provider_id = definition["provider_id"]

    created = await client.create_oauth_provider(**definition)
    tell("created", provider_id=created.provider_id, uses_pkce=created.uses_pkce)

    asked = await client.authenticate(provider_id, SCOPES, user_id="ada")
    tell("asked", status=asked.status, url=asked.url, auth_id=asked.auth_id, token=asked.token)

    assert asked.auth_id is not None
    waited = await client.wait_for_completion(asked.auth_id, timeout=60)
    tell("waited", status=waited.status, token=waited.token)

    again = await client.authenticate(provider_id, SCOPES, user_id="ada")
    tell("again", status=again.status, url=again.url, token=again.token)

    refusals = []
    for auth_id in ("nothing", await auth_id_for_an_agent(client, provider_id)):
        try:
            await client.wait_for_completion(auth_id, timeout=1)
        except Exception as refusal:
            refusals.append(str(refusal))
    tell("refused", refusals=refusals)

    fetched = await client.get_oauth_provider(provider_id)
    listed = [provider.provider_id for provider in await client.list_oauth_providers()]
    renamed = await client.update_oauth_provider(provider_id, name="Acme Corporation")
    exists = await client.check_token_exists(provider_id)
    tell(
        "looked", fetched=fetched.name, listed=listed, renamed=renamed.name, exists=exists.has_token
    )

    sys.stdin.readline()
    revoked = await client.revoke_tokens(provider_id)
    exists = await client.check_token_exists(provider_id)
    tell("revoked", provider_id=revoked.provider_id, exists=exists.has_token)

    deleted = await client.delete_oauth_provider(provider_id)
    listed = [provider.provider_id for provider in await client.list_oauth_providers()]
    await client.close()
    tell("deleted", message=deleted.message, listed=listed)


async def auth_id_for_an_agent(client: Client, provider_id: str) -> str:
    """What an agent waits for that may not use the account yet."""
    asked = await client.authenticate(provider_id, SCOPES, user_id="ada", agent_id="agent")
    tell("agent asked", status=asked.status, url=asked.url, token=asked.token)
    return asked.auth_id or ""


asyncio.run(story())
