//! An authorization flow: from the moment a person is needed until they have
//! allowed, refused, or let the time pass.
//!
//! Pure data and its rules; the state and the verifier are [`FlowSecrets`] and
//! lie sealed in the vault.

use crate::clock::Timestamp;
use crate::identity::{AgentId, FlowId, Owner, Scopes, TokenId, UserId};
use crate::provider::{Binding, ProviderRef};
use crate::secret::{CodeVerifier, State};

/// How long a finished flow can still be waited on, in seconds.
pub const AFTERLIFE_SECONDS: i64 = 600;

/// An authorization flow, without its secrets.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Its identifier (the contract's `auth_id`).
    pub id: FlowId,
    /// Whose it is.
    pub owner: Owner,
    /// The provider it asks.
    pub provider: ProviderRef,
    /// The client and token endpoint that its code may be sent to.
    pub binding: Binding,
    /// The human it is for.
    pub user_id: UserId,
    /// The agent it is for, if it is for one.
    pub agent_id: Option<AgentId>,
    /// What it will make.
    pub purpose: Purpose,
    /// The scopes it asks for.
    pub requested: Scopes,
    /// Where the provider sends the person back to.
    pub redirect_uri: String,
    /// Whether its token becomes the default of its owner, provider, user and
    /// agent.
    pub is_default: bool,
    /// Whether the same question is answered with this flow again; not when
    /// a new one was asked for in so many words.
    pub is_shareable: bool,
    /// How far it is.
    pub status: Status,
    /// When it began.
    pub created_at: Timestamp,
    /// When a person can no longer finish it.
    pub expires_at: Timestamp,
    /// When a second caller was told to open a browser for it, since no redirect
    /// had come; at most one is.
    pub second_opening_at: Option<Timestamp>,
    /// Whether a person said that it came back with another account than the one
    /// that it was to renew.
    pub is_other_account: bool,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// What is only known to the daemon and, in part, to the provider.
#[derive(Clone, Debug)]
pub struct FlowSecrets {
    /// Names the flow in the redirect, once.
    pub state: State,
    /// Proves that the code was asked for here; none where PKCE is off.
    pub verifier: Option<CodeVerifier>,
}

/// What a flow will make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A token beside those there are.
    New,
    /// A new grant for this token, in place.
    Renew(TokenId),
    /// A person's word, on the local consent page, that an agent may use a
    /// stored account: this token, where one was named. A person who would
    /// rather connect another account ends it with a token of its own.
    Connect(Option<TokenId>),
}

/// How far a flow is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It waits for the person.
    Pending,
    /// Its code is on its way to the token endpoint; no other code is taken.
    Exchanging,
    /// It ended with this token.
    Completed(TokenId),
    /// It ended without one.
    Failed {
        /// The OAuth error code (RFC 6749, section 4.1.2.1), or one of ours.
        error: String,
        /// What it means, for a person.
        description: Option<String>,
    },
}

impl Flow {
    /// How far it is at `now`: a flow whose time is over has failed, whether
    /// or not anybody has written that down.
    #[must_use]
    pub fn status_at(&self, now: Timestamp) -> Status {
        if self.status == Status::Pending && now >= self.expires_at {
            return Status::Failed {
                error: "expired".to_owned(),
                description: Some("nobody finished it in time".to_owned()),
            };
        }
        self.status.clone()
    }

    /// Whether it is too long over to be told of.
    #[must_use]
    pub fn is_forgotten(&self, now: Timestamp) -> bool {
        now >= self
            .finished_at
            .unwrap_or(self.expires_at)
            .plus_seconds(AFTERLIFE_SECONDS)
    }
}
