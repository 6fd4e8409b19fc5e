//! An authorization flow. It begins when a person is needed, and ends when the
//! person has allowed or refused, or time has run out.
//!
//! Pure data and rules. A grant type that is added is a variant of [`FlowKind`] and
//! of [`FlowSecrets`].

use std::time::Duration;

use crate::clock::Timestamp;
use crate::identity::{AgentId, FlowId, Owner, Scopes, TokenId, UserId};
use crate::provider::{Binding, ProviderRef};
use crate::secret::{CodeVerifier, State};

/// How long the result of a finished flow can be requested.
pub const AFTERLIFE: Duration = Duration::from_secs(600);

/// An authorization flow, without its secrets.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Its identifier (the contract's `auth_id`).
    pub id: FlowId,
    /// The owner.
    pub owner: Owner,
    /// The provider.
    pub provider: ProviderRef,
    /// The client and the token endpoint that its code may be sent to.
    pub binding: Binding,
    /// The user it is for.
    pub user_id: UserId,
    /// The agent it is for, if there is one.
    pub agent_id: Option<AgentId>,
    /// How it obtains its grant.
    pub kind: FlowKind,
    /// What it is to produce.
    pub purpose: Purpose,
    /// The requested scopes.
    pub requested: Scopes,
    /// Whether its token becomes the default of its owner, provider, user and
    /// agent.
    pub is_default: bool,
    /// Whether later identical requests get this flow. Not if a new flow was
    /// explicitly requested.
    pub is_shareable: bool,
    /// Its status.
    pub status: Status,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When a second caller was told to open a browser for it, because no
    /// redirect had arrived. At most one is.
    pub second_opening_at: Option<Timestamp>,
    /// Whether a person answered that the login's account is not the account
    /// that was to be renewed.
    pub is_other_account: bool,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// How a flow obtains its grant, with what only that kind of flow has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowKind {
    /// By an authorization code (RFC 6749, section 4.1).
    AuthorizationCode {
        /// The redirect address.
        redirect_uri: String,
    },
}

/// The secrets of a flow, by its kind. Parts of them are sent to the provider; they
/// are sealed in the vault.
#[derive(Clone, Debug)]
pub enum FlowSecrets {
    /// Those of [`FlowKind::AuthorizationCode`].
    AuthorizationCode {
        /// Identifies the flow in its one redirect.
        state: State,
        /// Proves that the code was requested by this daemon (RFC 7636); `None` if
        /// PKCE is off.
        verifier: Option<CodeVerifier>,
    },
}

/// What a flow is to produce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new token.
    New,
    /// A new grant for this token.
    Renew(TokenId),
    /// A person's permission, given on the local consent page, for an agent to
    /// use a stored account: this token, if one was named. A person who
    /// connects another account instead ends the flow with a new token.
    Connect(Option<TokenId>),
}

/// The status of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Waiting for a person.
    Pending,
    /// The code is being exchanged; no other code is accepted.
    Exchanging,
    /// It ended with this token.
    Completed(TokenId),
    /// It ended without a token.
    Failed {
        /// The OAuth error code (RFC 6749, section 4.1.2.1) or a code of
        /// agent-authd.
        error: String,
        /// A description for people.
        description: Option<String>,
    },
}

impl Flow {
    /// The status at `now`. An expired flow has failed, even if that is not
    /// stored yet.
    #[must_use]
    pub fn status_at(&self, now: Timestamp) -> Status {
        if self.status == Status::Pending && now >= self.expires_at {
            return Status::Failed {
                error: "expired".to_owned(),
                description: Some("the login was not finished in time".to_owned()),
            };
        }
        self.status.clone()
    }

    /// Whether its result can no longer be requested.
    #[must_use]
    pub fn is_forgotten(&self, now: Timestamp) -> bool {
        now >= self.finished_at.unwrap_or(self.expires_at).plus(AFTERLIFE)
    }
}
