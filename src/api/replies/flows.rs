//! Replies that hand out a token or say what it waits for.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::secret::AccessToken;
use crate::token::Token;

/// How a request for a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthStatus {
    /// Here is the token.
    Completed,
    /// A person must log in at `url`.
    Pending,
    /// A person must let the agent use an account.
    ConnectionRequired,
    /// The token that was named can only be renewed by a person.
    TokenExpired,
}

/// The reply of `POST /v2/auth/authenticate`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthenticateResponse {
    /// How it stands.
    pub status: AuthStatus,
    /// Where the person goes.
    pub url: Option<String>,
    /// What to wait for.
    pub auth_id: Option<String>,
    /// The token.
    #[serde(with = "super::token", default)]
    pub token: Option<AccessToken>,
    /// For whom the token speaks.
    pub user_id: Option<String>,
    /// About the token ([`token_metadata`]) or the flow ([`flow_metadata`]).
    pub metadata: Option<Map<String, Value>>,
}

/// The reply of `POST /v2/auth/flows/{auth_id}/browser-link`. (Beside the contract.)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrowserLinkResponse {
    /// An address of the daemon that sends a browser on to the login, once.
    pub url: String,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// How a flow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitStatus {
    /// It ended well; here is the token.
    Completed,
    /// It has not ended, and no waiting was asked for.
    Pending,
    /// It has not ended in the time that was given.
    Timeout,
    /// There is no such flow, or it ended without a token.
    NotFound,
}

/// The reply of `GET /v2/auth/wait/{auth_id}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WaitResponse {
    /// How it stands.
    pub status: WaitStatus,
    /// The token.
    #[serde(with = "super::token", default)]
    pub token: Option<AccessToken>,
    /// For whom the token speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// About the token; see [`token_metadata`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// Why the flow failed, as an OAuth error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Why the flow failed, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
}

impl WaitResponse {
    /// A reply that says only how the flow stands.
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

/// What a reply says about the flow that it names: `is_new` is true for the one
/// caller that opens a browser for it.
#[must_use]
pub fn flow_metadata(is_new: bool) -> Map<String, Value> {
    Map::from_iter([("is_new".to_owned(), json!(is_new))])
}

/// What a reply says about the token that it hands out: what was stored with
/// it, and over that the contract's own members.
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
        // Beside the contract, like all below.
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
