//! Events: what happened to the tokens of an owner, and why (the contract's
//! `token-events`).
//!
//! No field contains a secret.

use serde_json::{Map, Value};
use strum::{EnumString, IntoStaticStr};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::identity::{AgentId, Owner, ProviderId, Scopes, TokenId};
use crate::token::Token;

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its identifier.
    pub id: Uuid,
    /// The owner.
    pub owner: Owner,
    /// The provider it concerns.
    pub provider_id: ProviderId,
    /// The agent it concerns, if any.
    pub agent_id: Option<AgentId>,
    /// The token it concerns, if any.
    pub token_id: Option<TokenId>,
    /// What happened.
    pub kind: Kind,
    /// The reason.
    pub reason: Option<String>,
    /// What caused it.
    pub source: Source,
    /// The account's name for people.
    pub account_label: Option<String>,
    /// The scopes concerned.
    pub scopes: Scopes,
    /// Further details for a person.
    pub detail: Map<String, Value>,
    /// When it happened.
    pub created_at: Timestamp,
}

impl Event {
    /// An event about a stored token.
    #[must_use]
    pub fn about(token: &Token, kind: Kind, source: Source, id: Uuid, now: Timestamp) -> Self {
        Self {
            id,
            owner: token.owner,
            provider_id: token.provider.provider_id.clone(),
            agent_id: token.agent_id.clone(),
            token_id: Some(token.id),
            kind,
            reason: None,
            source,
            account_label: token.label().map(str::to_owned),
            scopes: token.granted.clone(),
            detail: Map::new(),
            created_at: now,
        }
    }

    /// Adds the reason.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..self
        }
    }
}

/// The contract's `event_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// A person allowed a new or renewed grant.
    Connected,
    /// A grant was refreshed.
    Refreshed,
    /// A refresh failed; the grant is still valid.
    RefreshFailed,
    /// A grant has ended; the user must log in again.
    ReconnectRequired,
    /// A token was revoked at its provider.
    Revoked,
    /// A token was deleted here.
    Deleted,
    /// A token obtained elsewhere was stored.
    Imported,
    /// An agent may use a token from now on.
    AgentConnected,
    /// An agent may no longer use a token.
    AgentDisconnected,
    /// A person refused.
    Denied,
}

impl Kind {
    /// Its name in the contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What caused an event (the contract's `source`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Source {
    /// A call of the API.
    Api,
    /// An authorization flow.
    Flow,
    /// The consent page.
    Consent,
    /// A refresh.
    Refresh,
    /// The daemon's start.
    Startup,
}

impl Source {
    /// Its name in the contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
