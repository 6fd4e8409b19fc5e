//! The requests as the client writes them: what is left out is the daemon's
//! to choose.
//!
//! A secret leaves its wrapper here, on its way to the daemon, whose socket was
//! checked before (see `client/connection.rs`).

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::identity::{AgentId, ProviderId, Scopes, UserId};
use crate::secret::{
    AccessToken, AuthorizationCode, ClientSecret, ExposeSecret, RefreshToken, State,
};

/// A provider to create (`POST /v2/auth/providers`).
#[derive(Debug, Serialize)]
pub struct NewProvider {
    /// Its identifier.
    pub provider_id: ProviderId,
    /// What people call it.
    pub name: String,
    /// The client registered there.
    pub client_id: String,
    /// Its secret; a public client has none.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_clear")]
    pub client_secret: Option<ClientSecret>,
    /// The authorization endpoint.
    pub auth_url: String,
    /// The token endpoint.
    pub token_url: String,
    /// Whether PKCE is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses_pkce: Option<bool>,
    /// Whose quirks it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_type: Option<String>,
    /// How the client authenticates at the token endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_method: Option<String>,
    /// Fixed parameters of the authorization request.
    pub authorization_params: BTreeMap<String, String>,
    /// Redirect addresses allowed beside loopback ones.
    pub allowed_redirect_uris: Vec<String>,
}

impl NewProvider {
    /// A provider with a public client, called by its identifier, and the
    /// daemon's defaults for everything else.
    #[must_use]
    pub fn new(
        provider_id: ProviderId,
        client_id: impl Into<String>,
        auth_url: impl Into<String>,
        token_url: impl Into<String>,
    ) -> Self {
        Self {
            name: provider_id.to_string(),
            provider_id,
            client_id: client_id.into(),
            client_secret: None,
            auth_url: auth_url.into(),
            token_url: token_url.into(),
            uses_pkce: None,
            provider_type: None,
            token_endpoint_auth_method: None,
            authorization_params: BTreeMap::new(),
            allowed_redirect_uris: Vec::new(),
        }
    }
}

/// An MCP server whose provider is to be found out
/// (`POST /v2/auth/providers/mcp-discover`).
#[derive(Debug, Serialize)]
pub struct NewMcpProvider {
    /// The identifier to give the provider.
    pub provider_id: ProviderId,
    /// What people call it.
    pub name: String,
    /// The MCP server.
    pub mcp_server_url: String,
}

/// What to change of a provider (`PATCH /v2/auth/providers/{provider_id}`).
#[derive(Debug, Default, Serialize)]
pub struct ProviderChanges {
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The client registered there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Its secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_clear")]
    pub client_secret: Option<ClientSecret>,
    /// The authorization endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_url: Option<String>,
    /// The token endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    /// Fixed parameters of the authorization request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_params: Option<BTreeMap<String, String>>,
    /// Redirect addresses allowed beside loopback ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_redirect_uris: Option<Vec<String>>,
}

/// Which token is wanted (`POST /v2/auth/authenticate`).
#[derive(Clone, Debug, Serialize)]
pub struct Authenticate {
    /// The provider.
    pub provider: ProviderId,
    /// The scopes it must have.
    pub scopes: Scopes,
    /// For whom it speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The agent that will use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// Whether to start no flow where there is no token.
    pub check_only: bool,
    /// Whether to start a flow whatever is stored.
    pub force_new: bool,
    /// The generation of the token that a resource refused, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newer_than: Option<i64>,
    /// Whether a person waits, for whom the provider is asked now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub try_now: bool,
}

impl Authenticate {
    /// A token with these scopes, for this user and no agent in particular.
    /// Where there is none, the daemon starts a login.
    #[must_use]
    pub fn new(provider: ProviderId, scopes: Scopes) -> Self {
        Self {
            provider,
            scopes,
            user_id: None,
            agent_id: None,
            check_only: false,
            force_new: false,
            newer_than: None,
            try_now: false,
        }
    }
}

/// A token to store (`POST /v2/auth/tokens/import`).
#[derive(Debug, Serialize)]
pub struct TokenImport {
    /// The provider it came from.
    pub provider_id: ProviderId,
    /// The access token.
    #[serde(serialize_with = "in_clear_always")]
    pub access_token: AccessToken,
    /// The refresh token.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_clear")]
    pub refresh_token: Option<RefreshToken>,
    /// How long the access token lives from now on, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
    /// Its scopes.
    pub scopes: Scopes,
}

impl TokenImport {
    /// An access token that does not expire, with these scopes.
    #[must_use]
    pub fn new(provider_id: ProviderId, access_token: AccessToken, scopes: Scopes) -> Self {
        Self {
            provider_id,
            access_token,
            refresh_token: None,
            expires_in_seconds: None,
            scopes,
        }
    }
}

/// What a redirect brought (`POST /v2/auth/callback/{provider_id}`).
#[derive(Debug, Serialize)]
pub(super) struct Finalize {
    #[serde(serialize_with = "in_clear_always")]
    pub(super) code: AuthorizationCode,
    #[serde(serialize_with = "in_clear_always")]
    pub(super) state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) iss: Option<String>,
}

/// Whose account a login came back with (`POST /v2/auth/flows/{auth_id}/follow-up`).
#[derive(Debug, Serialize)]
pub(super) struct FollowUpAnswer {
    pub(super) same_account: bool,
}

/// Which token is the default (`PATCH /v2/auth/tokens/{token_id}/metadata`).
#[derive(Debug, Serialize)]
pub(super) struct DefaultChange {
    pub(super) is_default: bool,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the client's request to its own daemon"
)]
fn in_clear_always<T: ExposeSecret<str>, S: Serializer>(
    secret: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

fn in_clear<T: ExposeSecret<str>, S: Serializer>(
    secret: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => in_clear_always(secret, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_left_out() {
        let wanted = Authenticate {
            provider: ProviderId::parse("github").unwrap(),
            scopes: Scopes::new(["repo"]),
            user_id: None,
            agent_id: AgentId::parse("bot"),
            check_only: true,
            force_new: false,
            newer_than: None,
            try_now: false,
        };
        assert_eq!(
            serde_json::to_string(&wanted).unwrap(),
            r#"{"provider":"github","scopes":["repo"],"agent_id":"bot","check_only":true,"force_new":false}"#
        );
        let nothing = ProviderChanges::default();
        assert_eq!(serde_json::to_string(&nothing).unwrap(), "{}");
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!(
            "{:?}",
            TokenImport {
                provider_id: ProviderId::parse("github").unwrap(),
                access_token: AccessToken::new("canary"),
                refresh_token: Some(RefreshToken::new("canary")),
                expires_in_seconds: None,
                scopes: Scopes::default(),
            }
        );
        assert!(!shown.contains("canary"), "{shown}");
    }
}
