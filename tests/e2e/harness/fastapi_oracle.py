"""The contract's requests as FastAPI and pydantic would read them.

The hosted service is a FastAPI application, and clients have learnt to read its
422 answers. This application declares the same models and does nothing; what it
says of a bad request is what the daemon has to say.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Dict, List, Optional
from uuid import UUID

import httpx
from fastapi import FastAPI, Query
from fastapi.testclient import TestClient
from pydantic import AnyUrl, BaseModel, Field, UrlConstraints

ProviderId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
ClientId = Annotated[str, Field(pattern=r"^[ -~]{1,2048}$")]
Filled = Annotated[str, Field(min_length=1)]
Seconds = Annotated[int, Field(ge=0)]
Url = Annotated[AnyUrl, UrlConstraints()]


class Challenge(str, Enum):
    S256 = "S256"
    PLAIN = "plain"


class Kind(str, Enum):
    MICROSOFT = "microsoft"
    SALESFORCE = "salesforce"
    SLACK = "slack"
    X = "x"


class AuthMethod(str, Enum):
    NONE = "none"
    BASIC = "client_secret_basic"
    POST = "client_secret_post"


class Authenticate(BaseModel):
    user_id: Optional[str] = None
    ls_user_id: Optional[str] = None
    agent_id: Optional[Filled] = None
    provider: str
    scopes: List[str]
    use_agent_builder_public_oauth: bool = False
    force_new: bool = False
    token_id: Optional[UUID] = None
    redirect_uri: Optional[str] = None
    is_default: bool = True
    check_only: bool = False


class Finalize(BaseModel):
    code: Filled
    state: Filled


class CreateProvider(BaseModel):
    provider_id: ProviderId
    name: str
    client_id: ClientId
    client_secret: Optional[str] = None
    auth_url: Url
    token_url: Url
    uses_pkce: bool = False
    code_challenge_method: Challenge = Challenge.S256
    provider_type: Optional[Kind] = None
    token_endpoint_auth_method: AuthMethod = AuthMethod.POST
    authorization_params: Dict[str, str] = {}
    allowed_redirect_uris: List[Url] = []


class DiscoverProvider(BaseModel):
    provider_id: ProviderId
    name: str
    mcp_server_url: Url


class UpdateProvider(BaseModel):
    name: Optional[str] = None
    client_id: Optional[ClientId] = None
    client_secret: Optional[str] = None
    auth_url: Optional[Url] = None
    token_url: Optional[Url] = None
    uses_pkce: Optional[bool] = None
    code_challenge_method: Optional[Challenge] = None
    authorization_params: Optional[Dict[str, str]] = None
    allowed_redirect_uris: Optional[List[Url]] = None


class ImportedToken(BaseModel):
    access_token: Filled
    refresh_token: Optional[str] = None
    expires_in_seconds: Optional[Seconds] = None
    scopes: List[str] = []
    metadata: Optional[Dict[str, Any]] = None


class ImportToken(ImportedToken):
    provider_id: str
    is_default: bool = True


class UpsertToken(ImportedToken):
    provider_account_label: Optional[str] = None


class ExistBatch(BaseModel):
    provider_ids: List[str]


class UpdateToken(BaseModel):
    provider_account_label: Optional[str] = None
    is_default: Optional[bool] = None


class CreateConnection(BaseModel):
    oauth_token_id: str


# The operations with a body: method, path, and the body's model.
BODIES: Dict[str, Any] = {
    "POST /v2/auth/authenticate": Authenticate,
    "POST /v2/auth/callback/{provider_id}": Finalize,
    "POST /v2/auth/providers": CreateProvider,
    "POST /v2/auth/providers/mcp-discover": DiscoverProvider,
    "PATCH /v2/auth/providers/{provider_id}": UpdateProvider,
    "POST /v2/auth/tokens/import": ImportToken,
    "POST /v2/auth/tokens/exists/batch": ExistBatch,
    "PATCH /v2/auth/tokens/{token_id}/metadata": UpdateToken,
    "POST /v2/auth/agents/{agent_id}/connections": CreateConnection,
    "POST /v2/auth/agents/{agent_id}/providers/{provider_id}/tokens": UpsertToken,
}


def oracle() -> httpx.Client:
    """A client of the application."""
    application = FastAPI()
    for operation, model in BODIES.items():
        method, path = operation.split(" ")
        application.add_api_route(path, _reader_of(model), methods=[method])
    application.add_api_route("/v2/auth/wait/{auth_id}", _wait)
    application.add_api_route("/v2/auth/token-events", _events)
    application.add_api_route("/v2/auth/tokens/exists", _exists)
    return TestClient(application)


def _reader_of(model: Any) -> Any:
    def read(body: Any) -> None:
        pass

    read.__annotations__["body"] = model
    return read


def _wait(timeout: Annotated[int, Query(ge=0, le=3600)] = 30) -> None:
    pass


def _events(
    limit: Annotated[int, Query(ge=1, le=200)] = 50, provider_id: Optional[str] = None
) -> None:
    pass


def _exists(provider_id: str) -> None:
    pass
