//! Replies with a token, or with the flow that will provide one.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::secret::AccessToken;
use crate::token::Token;

/// The status of a request for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthStatus {
    /// The reply contains the token.
    Completed,
    /// The user must log in at `url`.
    Pending,
    /// The user must allow the agent to use an account.
    ConnectionRequired,
    /// The requested token has ended; the user must log in to renew it.
    TokenExpired,
}

/// The reply of `POST /v2/auth/authenticate`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthenticateResponse {
    /// The status.
    pub status: AuthStatus,
    /// The URL that the user opens.
    pub url: Option<String>,
    /// The identifier of the flow, for `wait`.
    pub auth_id: Option<String>,
    /// The token.
    #[serde(with = "super::token", default)]
    pub token: Option<AccessToken>,
    /// The user of the token.
    pub user_id: Option<String>,
    /// Data about the token ([`token_metadata`]) or the flow ([`flow_metadata`]).
    pub metadata: Option<Map<String, Value>>,
}

/// The reply of `POST /v2/auth/flows/{auth_id}/browser-link`. (Not in the contract.)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrowserLinkResponse {
    /// A URL of the daemon that redirects a browser to the login, once.
    pub url: String,
    /// When the URL expires.
    pub expires_at: Timestamp,
}

/// The status of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitStatus {
    /// It has succeeded; the reply contains the token.
    Completed,
    /// It is pending, and the timeout was 0.
    Pending,
    /// It was still pending at the timeout.
    Timeout,
    /// It does not exist, or has ended without a token.
    NotFound,
}

/// The reply of `GET /v2/auth/wait/{auth_id}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WaitResponse {
    /// The status.
    pub status: WaitStatus,
    /// The token.
    #[serde(with = "super::token", default)]
    pub token: Option<AccessToken>,
    /// The user of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Data about the token; see [`token_metadata`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// The OAuth error code of a failed flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The error description of a failed flow, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
}

impl WaitResponse {
    /// A reply with only the status.
    #[must_use]
    pub fn new(status: WaitStatus) -> Self {
        Self {
            status,
            token: None,
            user_id: None,
            metadata: None,
            error: None,
            error_description: None,
        }
    }
}

/// The metadata of a flow: `is_new` is true for the one caller that must open a
/// browser for it.
#[must_use]
pub fn flow_metadata(is_new: bool) -> Map<String, Value> {
    Map::from_iter([("is_new".to_owned(), json!(is_new))])
}

/// The metadata of a token: what was stored with it, overridden by the members of the
/// contract.
#[must_use]
pub fn token_metadata(token: &Token) -> Map<String, Value> {
    let own = [
        ("token_id", json!(token.id)),
        ("token_type", json!(token.token_type)),
        ("scopes", json!(token.granted)),
        ("expires_at", json!(token.expires_at)),
        ("provider_account_label", json!(token.label())),
        ("missing_scopes", json!(token.missing_scopes())),
        ("generation", json!(token.generation)),
        // Not in the contract, like all that follow.
        ("refreshed_at", json!(token.refreshed_at)),
        ("next_refresh_at", json!(token.due_at())),
        (
            "last_error",
            json!(token.failure.as_ref().map(|failure| &failure.error)),
        ),
        (
            "last_error_at",
            json!(token.failure.as_ref().map(|failure| failure.at)),
        ),
    ];
    let mut metadata = token.metadata.clone();
    metadata.extend(own.map(|(name, value)| (name.to_owned(), value)));
    metadata
}
