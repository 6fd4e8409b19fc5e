//! Why a use case could not be done.

use std::time::Duration;

use crate::identity::{FlowId, ProviderId};
use crate::{oauth, vault};

/// Why a use case could not be done. The variants tell apart what the caller can
/// do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's own namespace has no such thing.
    #[error("no such {what}")]
    NotFound {
        /// What is missing, with its name where the caller gave one.
        what: String,
    },
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
    #[error("{rule}")]
    Rule {
        /// The field that breaks the rule.
        field: &'static str,
        /// The rule.
        rule: &'static str,
    },
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
    /// The provider answered with something else than what it was asked for.
    #[error("{0}")]
    Provider(oauth::Error),
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

impl Error {
    pub(super) fn no_provider(provider_id: &str) -> Self {
        // The caller's text is echoed, with a bound on its length.
        let name: String = provider_id.chars().take(128).collect();
        Self::NotFound {
            what: format!("provider {name:?}; `agent-auth provider add` makes one"),
        }
    }

    pub(super) fn provider_exists(provider_id: &ProviderId) -> Self {
        Self::AlreadyExists {
            what: format!("provider {:?}", provider_id.as_str()),
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

    pub(super) fn no_token() -> Self {
        Self::NotFound {
            what: "token".to_owned(),
        }
    }

    /// A vault's error about a token that the caller named.
    pub(super) fn or_no_token(error: vault::Error) -> Self {
        match error {
            vault::Error::NotFound => Self::no_token(),
            other => other.into(),
        }
    }
}
