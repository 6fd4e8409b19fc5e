//! Stored tokens and what happened to them: never with a secret.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::event::Event;
use crate::identity::Scopes;
use crate::token::{State, Token};

/// The reply of `POST /v2/auth/tokens/import`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenImportResponse {
    /// The stored token.
    pub token_id: String,
}

/// Whether there is any token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenStatusResponse {
    /// Whether there is.
    pub has_token: bool,
}

/// Whether there is any token, for each provider that was named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenStatusBatchResponse {
    /// Whether there is, by the provider's identifier.
    pub has_token: BTreeMap<String, bool>,
}

/// One stored token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSummary {
    /// The token.
    pub id: String,
    /// The provider it came from.
    pub provider_id: String,
    /// What a person calls the account.
    pub provider_account_label: Option<String>,
    /// The scopes granted.
    pub scopes: Scopes,
    /// When the access token expires; `None` if it does not.
    pub expires_at: Option<Timestamp>,
    /// Whether it is the default of its provider and user.
    pub is_default: bool,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// For whom it speaks. (Beside the contract, like all below.)
    pub user_id: String,
    /// The agent it was obtained for; `None` for the user's own.
    pub agent_id: Option<String>,
    /// Why only a person can renew it; `None` while its grant stands.
    pub reconnect_reason: Option<String>,
    /// When its grant was last refreshed.
    #[serde(default)]
    pub refreshed_at: Option<Timestamp>,
    /// When it will be: before it expires, if it was asked for lately, else
    /// when it is asked for after that. `None` if it cannot be or need not.
    #[serde(default)]
    pub next_refresh_at: Option<Timestamp>,
    /// Why the last refresh did not succeed; `None` if it did.
    #[serde(default)]
    pub last_error: Option<String>,
    /// When that was.
    #[serde(default)]
    pub last_error_at: Option<Timestamp>,
}

impl TokenSummary {
    /// `token` as its owner sees it.
    #[must_use]
    pub fn new(token: &Token) -> Self {
        Self {
            id: token.id.to_string(),
            provider_id: token.provider.provider_id.to_string(),
            provider_account_label: token.label().map(str::to_owned),
            scopes: token.granted.clone(),
            expires_at: token.expires_at,
            is_default: token.is_default,
            created_at: token.created_at,
            updated_at: token.updated_at,
            user_id: token.user_id.to_string(),
            agent_id: token.agent_id.as_ref().map(ToString::to_string),
            reconnect_reason: match &token.state {
                State::Active => None,
                State::ReauthorizationRequired { reason } => Some(reason.clone()),
            },
            refreshed_at: token.refreshed_at,
            next_refresh_at: token.due_at(),
            last_error: token.failure.as_ref().map(|failure| failure.error.clone()),
            last_error_at: token.failure.as_ref().map(|failure| failure.at),
        }
    }
}

/// The reply of `DELETE /v2/auth/tokens`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeTokensResponse {
    /// What was done.
    pub message: String,
    /// The provider.
    pub provider_id: String,
}

/// One thing that happened to a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenEventSummary {
    /// The event.
    pub id: String,
    /// The provider.
    pub provider_id: String,
    /// The agent, where one had a part in it.
    pub agent_id: Option<String>,
    /// What happened, such as `refreshed`.
    pub event_type: String,
    /// Why.
    pub reason: Option<String>,
    /// Through what.
    pub source: Option<String>,
    /// What a person calls the account.
    pub provider_account_label: Option<String>,
    /// The token's scopes at that time.
    pub scopes: Scopes,
    /// Particulars.
    pub detail: Option<Map<String, Value>>,
    /// In the contract; always null, since agent-authd does not record it.
    pub acknowledged_at: Option<Timestamp>,
    /// When it happened.
    pub created_at: Timestamp,
    /// The token, which may be gone. (Beside the contract.)
    pub token_id: Option<String>,
}

impl TokenEventSummary {
    /// `event` as its owner sees it.
    #[must_use]
    pub fn new(event: &Event) -> Self {
        Self {
            id: event.id.to_string(),
            provider_id: event.provider_id.to_string(),
            agent_id: event.agent_id.as_ref().map(ToString::to_string),
            event_type: event.kind.as_str().to_owned(),
            reason: event.reason.clone(),
            source: Some(event.source.as_str().to_owned()),
            provider_account_label: event.account_label.clone(),
            scopes: event.scopes.clone(),
            detail: (!event.detail.is_empty()).then(|| event.detail.clone()),
            acknowledged_at: None,
            created_at: event.created_at,
            token_id: event.token_id.as_ref().map(ToString::to_string),
        }
    }
}
