//! Providers, without their client secrets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::identity::OrganizationId;
use crate::provider::{Kind, Provider};

/// One provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderResponse {
    /// Its unique identifier, assigned at creation.
    pub id: String,
    /// Its owner.
    pub organization_id: String,
    /// Its identifier, chosen at creation.
    pub provider_id: String,
    /// Its name for people.
    pub name: String,
    /// The identifier of the registered client.
    pub client_id: String,
    /// The authorization endpoint.
    pub auth_url: String,
    /// The token endpoint.
    pub token_url: String,
    /// Whether PKCE is on.
    pub uses_pkce: bool,
    /// The PKCE method; `None` if PKCE is off.
    pub code_challenge_method: Option<String>,
    /// The provider type, if the owner set one.
    pub provider_type: Option<String>,
    /// The MCP server it was discovered from.
    pub mcp_server_url: Option<String>,
    /// How the client authenticates at the token endpoint.
    pub token_endpoint_auth_method: String,
    /// Fixed parameters of the authorization request.
    pub authorization_params: BTreeMap<String, String>,
    /// Whether the client was registered by dynamic registration (RFC 7591).
    pub is_dynamic_client: bool,
    /// Redirect URIs that are allowed in addition to loopback addresses.
    pub allowed_redirect_uris: Vec<String>,
    /// The redirect URI to register with the provider.
    pub default_redirect_uri: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl ProviderResponse {
    /// The reply for `provider`, whose owner is `organization`.
    #[must_use]
    pub fn new(
        provider: &Provider,
        organization: OrganizationId,
        default_redirect_uri: String,
    ) -> Self {
        let method = provider.pkce.method();
        Self {
            id: provider.id.to_string(),
            organization_id: organization.to_string(),
            provider_id: provider.provider_id.to_string(),
            name: provider.name.clone(),
            client_id: provider.client.client_id.clone(),
            auth_url: provider.endpoints.authorization.to_string(),
            token_url: provider.endpoints.token.to_string(),
            uses_pkce: method.is_some(),
            code_challenge_method: method.map(str::to_owned),
            provider_type: provider.kind.map(Kind::as_str).map(str::to_owned),
            mcp_server_url: provider.mcp_server_url.as_ref().map(ToString::to_string),
            token_endpoint_auth_method: provider.client.auth_method.as_str().to_owned(),
            authorization_params: provider.authorization_params.clone(),
            is_dynamic_client: provider.client.is_dynamic,
            allowed_redirect_uris: provider.allowed_redirect_uris.clone(),
            default_redirect_uri: Some(default_redirect_uri),
            created_at: provider.created_at,
            updated_at: provider.updated_at,
        }
    }
}
