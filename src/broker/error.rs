//! Why a use case could not be done.

use std::time::Duration;

use crate::identity::{FlowId, ProviderId};
use crate::provider::ClientRule;
use crate::{oauth, vault};

/// How much of a name that a caller gave is shown back, in characters: the
/// longest that a provider's identifier can be.
const LONGEST_NAME_SHOWN: usize = 128;

/// Why a use case could not be done. The variants tell apart what the caller can
/// do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's own namespace has no such thing.
    #[error("no such {0}")]
    NotFound(Missing),
    /// The caller already has one of that name.
    #[error("{what} already exists")]
    AlreadyExists {
        /// What exists already.
        what: String,
    },
    /// The name that was chosen is also a path of the API.
    #[error("the provider id {:?} is reserved, since a path of the API has that name; choose another", provider_id.as_str())]
    Reserved {
        /// The name.
        provider_id: ProviderId,
    },
    /// The provider does not allow the redirect address.
    #[error("it is neither a loopback address nor in the provider's allowed_redirect_uris")]
    RedirectNotAllowed,
    /// The change would break a rule that the contract has for providers.
    #[error("{0}")]
    Rule(ClientRule),
    /// The state names no pending flow of the caller's.
    #[error("this state names no pending flow: it is unknown, expired or already used")]
    UnknownState,
    /// The state names a flow that has ended, with or without a token.
    #[error("this state names no pending flow: it is unknown, expired or already used")]
    AlreadyEnded {
        /// The flow.
        flow: FlowId,
    },
    /// The flow ended without a token.
    #[error("the login did not succeed ({error}){}", description.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    FlowFailed {
        /// The OAuth error code, or one of ours.
        error: String,
        /// For a person.
        description: Option<String>,
    },
    /// There is no open question about whose account a login came back with.
    #[error(
        "this login asks nothing: it was answered before, or whose account it is was never in doubt"
    )]
    NotAsked,
    /// The token is being refreshed, and can be changed once that has ended.
    #[error("the token is being refreshed; try again in a moment")]
    RefreshUnderWay,
    /// Discovery from an MCP server's address found no provider.
    #[error("{0}")]
    Discovery(oauth::discovery::Error),
    /// The provider cannot be reached now.
    #[error("the provider {:?} cannot be reached now; the login is kept, try again", provider_id.as_str())]
    ProviderUnavailable {
        /// The provider.
        provider_id: ProviderId,
        /// How long to wait before trying again.
        retry_after: Duration,
    },
    /// The provider refuses the client, so no token of that client can be refreshed.
    #[error("{refusal}; the login is kept, correct the settings of the provider {:?}", provider_id.as_str())]
    ClientRefused {
        /// The provider.
        provider_id: ProviderId,
        /// The provider's error.
        refusal: oauth::Error,
        /// How long until it is tried again.
        retry_after: Duration,
    },
    /// The provider refuses to refresh this one token, without saying that its
    /// grant has ended.
    #[error("{refusal}; the login at {:?} is kept and tried again later", provider_id.as_str())]
    RefreshRefused {
        /// The provider.
        provider_id: ProviderId,
        /// The provider's error.
        refusal: oauth::Error,
        /// How long until it is tried again.
        retry_after: Duration,
    },
    /// The owner has too many calls waiting for flows.
    #[error("too many calls of yours are waiting already; end some of them first")]
    TooManyWaiters,
    /// The daemon is stopping.
    #[error("agent-authd is stopping; try again in a moment")]
    Stopping,
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] vault::Error),
}

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// A provider of this name.
    #[error("provider {name:?}")]
    Provider {
        /// The name, as the caller gave it, cut at some length.
        name: String,
    },
    /// A token.
    #[error("token")]
    Token,
    /// An agent's permission to use a token.
    #[error("connection")]
    Connection,
    /// A flow that waits for a person.
    #[error("login under way; start it again")]
    PendingLogin,
    /// A flow that ended with a token.
    #[error("login that ended with a stored token in the last ten minutes")]
    CompletedLogin,
    /// A flow that asks whether an agent may use an account.
    #[error("question")]
    Question,
}

impl Missing {
    /// A provider, by the name that a caller gave.
    #[must_use]
    pub fn provider(name: &str) -> Self {
        // The caller's text is shown back, but not at any length.
        Self::Provider {
            name: name.chars().take(LONGEST_NAME_SHOWN).collect(),
        }
    }
}

impl From<Missing> for Error {
    fn from(missing: Missing) -> Self {
        Self::NotFound(missing)
    }
}

impl From<ClientRule> for Error {
    fn from(rule: ClientRule) -> Self {
        Self::Rule(rule)
    }
}

impl Error {
    pub(super) fn no_provider(id: &ProviderId) -> Self {
        Missing::provider(id.as_str()).into()
    }

    pub(super) fn no_token() -> Self {
        Missing::Token.into()
    }

    pub(super) fn provider_exists(id: &ProviderId) -> Self {
        Self::AlreadyExists {
            what: format!("provider {:?}", id.as_str()),
        }
    }

    pub(super) fn check_name(provider_id: &ProviderId) -> Result<(), Self> {
        if provider_id.is_reserved() {
            return Err(Self::Reserved {
                provider_id: provider_id.clone(),
            });
        }
        Ok(())
    }

    /// A vault's error about a token that the caller named.
    pub(super) fn or_no_token(error: vault::Error) -> Self {
        Self::or_missing(error, Missing::Token)
    }

    /// A vault's error about something that the caller named.
    pub(super) fn or_missing(error: vault::Error, missing: Missing) -> Self {
        match error {
            vault::Error::NotFound => missing.into(),
            other => other.into(),
        }
    }
}
