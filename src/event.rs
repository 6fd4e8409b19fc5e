//! Events: what happened to the tokens of an owner, and why (the contract's
//! `token-events`).
//!
//! No field contains a secret.

use serde_json::{Map, Value};
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

macro_rules! named {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every variant.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in the contract.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    )+};
}

named! {
    /// The contract's `event_type`.
    Kind {
        /// A person allowed a new or a renewed grant.
        Connected = "connected",
        /// A grant was refreshed.
        Refreshed = "refreshed",
        /// A refresh failed; the grant can still be used.
        RefreshFailed = "refresh_failed",
        /// A grant has ended; a person must log in again.
        ReconnectRequired = "reconnect_required",
        /// A token was revoked at its provider.
        Revoked = "revoked",
        /// A token was deleted here.
        Deleted = "deleted",
        /// A token obtained elsewhere was stored.
        Imported = "imported",
        /// An agent was permitted to use a token.
        AgentConnected = "agent_connected",
        /// An agent's permission was taken away.
        AgentDisconnected = "agent_disconnected",
        /// A person refused.
        Denied = "denied",
    }

    /// What caused an event (the contract's `source`).
    Source {
        /// A call of the API.
        Api = "api",
        /// An authorization flow.
        Flow = "flow",
        /// The consent page.
        Consent = "consent",
        /// A refresh.
        Refresh = "refresh",
        /// The daemon's start.
        Startup = "startup",
    }
}
