//! Stored tokens and events, without secrets.

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

/// Whether a provider has tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenStatusResponse {
    /// Whether there is a token.
    pub has_token: bool,
}

/// Whether providers have tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenStatusBatchResponse {
    /// Whether there is a token, by provider identifier.
    pub has_token: BTreeMap<String, bool>,
}

/// One stored token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSummary {
    /// The token.
    pub id: String,
    /// The provider that issued it.
    pub provider_id: String,
    /// The name of the account for people.
    pub provider_account_label: Option<String>,
    /// The granted scopes.
    pub scopes: Scopes,
    /// When the access token expires; `None` if it does not.
    pub expires_at: Option<Timestamp>,
    /// Whether it is the default of its provider and user.
    pub is_default: bool,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Its user. (Not in the contract, like all following members.)
    pub user_id: String,
    /// The agent it was obtained for; `None` if it was obtained for the user.
    pub agent_id: Option<String>,
    /// Why the user must log in again; `None` if the grant is valid.
    pub reconnect_reason: Option<String>,
    /// When its grant was last refreshed.
    #[serde(default)]
    pub refreshed_at: Option<Timestamp>,
    /// When it will be refreshed: before it expires if it was used recently, else at
    /// its next use. `None` if it cannot be refreshed or does not expire.
    #[serde(default)]
    pub next_refresh_at: Option<Timestamp>,
    /// Why the last refresh failed; `None` if it succeeded.
    #[serde(default)]
    pub last_error: Option<String>,
    /// When the last refresh failed.
    #[serde(default)]
    pub last_error_at: Option<Timestamp>,
}

impl TokenSummary {
    /// The reply for `token`.
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
    /// The message.
    pub message: String,
    /// The provider.
    pub provider_id: String,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenEventSummary {
    /// The event.
    pub id: String,
    /// The provider.
    pub provider_id: String,
    /// The agent, if the event concerns one.
    pub agent_id: Option<String>,
    /// The type of the event, such as `refreshed`.
    pub event_type: String,
    /// Why.
    pub reason: Option<String>,
    /// What caused the event.
    pub source: Option<String>,
    /// The name of the account for people.
    pub provider_account_label: Option<String>,
    /// The scopes of the token at that time.
    pub scopes: Scopes,
    /// Further data.
    pub detail: Option<Map<String, Value>>,
    /// In the contract; always null, since agent-authd does not record it.
    pub acknowledged_at: Option<Timestamp>,
    /// When it happened.
    pub created_at: Timestamp,
    /// The token, which may be gone. (Not in the contract.)
    pub token_id: Option<String>,
}

impl TokenEventSummary {
    /// The reply for `event`.
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
