//! The use cases: what each call of the API does for an owner.
//!
//! It names no transport, no status code and no JSON. Every change is one change of
//! the vault, made together with the event that tells of it.
//!
//! [`Broker`] holds the components, each of which owns its state. A component uses
//! only those above it in this list:
//!
//! - [`commands`]: what the components are asked to do, as data;
//! - `context`, `provider_lookup` and `revoker`, which all of them share;
//! - [`Refresher`]: refreshes tokens, when asked and in the background, and issues
//!   them;
//! - [`Logins`]: begins, completes and waits for logins;
//! - [`Tokens`]: an owner's tokens, and authenticate;
//! - [`Agents`]: which tokens an agent may use;
//! - [`Providers`]: an owner's providers and the administrator's.

pub mod commands;
mod error;
mod tasks;
mod login_names;
mod long_reads;
mod context;
mod persist;
mod quotas;
mod permissions;
mod accounts;
mod provider_lookup;
mod revoker;
mod refresher;
mod logins;
mod tokens;
mod agents;
mod providers;
mod maintenance;

use std::sync::Arc;

use tokio::sync::watch;
use uuid::Uuid;

pub use self::agents::Agents;
pub use self::context::Settings;
pub use self::error::{Error, Missing};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::logins::refusal;
pub use self::logins::{
    Answered, BROWSER_LINK_PATH, ConsentQuestion, Consented, Ended, FollowUp, Followed, Logins,
    Notice, OfferedAccount, Outcome, RenewedAccount, Waited, is_own_error,
};
pub use self::maintenance::Maintenance;
pub use self::providers::Providers;
pub use self::refresher::{IssuedToken, Refresher};
pub use self::revoker::Deleted;
pub use self::tokens::{Authenticated, Tokens};

use self::context::Context;
use self::provider_lookup::ProviderLookup;
use self::revoker::Revoker;
use crate::clock::Env;
use crate::identity::{OrganizationId, Owner};
use crate::metrics::Metrics;
use crate::oauth;
use crate::vault::{self, Vault};

/// The use cases; clones share them.
#[derive(Clone, Debug)]
pub struct Broker(Arc<Components>);

#[derive(Debug)]
struct Components {
    context: Arc<Context>,
    refresher: Refresher,
    logins: Logins,
    tokens: Tokens,
    agents: Agents,
    providers: Providers,
    maintenance: Maintenance,
}

/// How much an owner has stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Providers.
    pub providers: u64,
    /// Tokens.
    pub tokens: u64,
    /// Flows that wait for a person.
    pub flows_pending: u64,
}

impl Broker {
    /// A broker over an open vault. It first ends or resumes what a crash
    /// interrupted.
    ///
    /// # Errors
    /// [`Error::Vault`] if the vault cannot store that.
    pub async fn new(
        vault: Vault,
        oauth: oauth::Client,
        env: Env,
        settings: Settings,
    ) -> Result<Self, Error> {
        let context = Arc::new(Context::new(vault, oauth, env, settings));
        let lookup = Arc::new(ProviderLookup::new(Arc::clone(&context)));
        let revoker = Revoker::new(Arc::clone(&context), Arc::clone(&lookup));
        let components = Components::new(context, lookup, revoker.clone());
        match components.logins.end_interrupted_flows().await {
            // Stored tokens can be issued all the same, and the flows expire.
            Err(Error::Vault(error @ vault::Error::Unwritable { .. })) => {
                tracing::warn!(error = %error, "logins that a restart has cut off were not ended");
            }
            other => other?,
        }
        revoker.resume()?;
        Ok(Self(Arc::new(components)))
    }

    /// Refreshes and issues tokens.
    #[must_use]
    pub fn refresher(&self) -> &Refresher {
        &self.0.refresher
    }

    /// Logs people in.
    #[must_use]
    pub fn logins(&self) -> &Logins {
        &self.0.logins
    }

    /// The owners' tokens.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// The permissions of agents.
    #[must_use]
    pub fn agents(&self) -> &Agents {
        &self.0.agents
    }

    /// The owners' providers and the administrator's.
    #[must_use]
    pub fn providers(&self) -> &Providers {
        &self.0.providers
    }

    /// What is done at intervals, and the state of the store.
    #[must_use]
    pub fn maintenance(&self) -> &Maintenance {
        &self.0.maintenance
    }

    /// Where redirects arrive, such as `http://127.0.0.1:8252`.
    #[must_use]
    pub fn redirect_base(&self) -> &str {
        &self.0.context.settings.redirect_base
    }

    /// Waits until no other long read of this owner's is under way.
    pub async fn long_read_turn(&self, owner: Owner) -> long_reads::Turn {
        self.0.context.long_read_turn(owner).await
    }

    /// The identifier of an owner in the API.
    #[must_use]
    pub fn organization_id(&self, owner: Owner) -> OrganizationId {
        self.0.context.vault.organization_id(owner)
    }

    /// How much an owner has stored; with `None`, all owners together.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn counts(&self, owner: Option<Owner>) -> Result<Counts, Error> {
        let now = self.0.context.env.now();
        Ok(self.0.context.vault.read(|view| {
            let totals = view.totals(owner, now)?;
            Ok(Counts {
                providers: totals.providers,
                tokens: totals.tokens,
                flows_pending: totals.flows_pending,
            })
        })?)
    }

    /// A new identifier for a request that failed. It is shown to the caller and
    /// logged with the reason.
    #[must_use]
    pub fn new_request_id(&self) -> Uuid {
        self.0.context.env.uuid()
    }

    /// The metrics.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.context.metrics
    }

    /// Announces that the daemon is stopping: waiting calls return, and no refresh
    /// or exchange begins any more. Stored tokens are issued all the same.
    pub fn begin_stop(&self) {
        self.0.context.begin_stop();
    }

    /// Becomes true when the daemon is stopping.
    #[must_use]
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.0.context.stopping()
    }

    /// Returns when no refresh, exchange, deletion or revocation is under way.
    pub async fn settled(&self) {
        self.0.context.tasks.settled().await;
    }

    /// Returns when every refresh, exchange and revocation under way has ended and
    /// its result is stored. To be called when no new ones can begin.
    pub async fn finish_stop(&self) {
        self.settled().await;
        if let Err(error) = self.0.context.vault.flush_usage().await {
            tracing::warn!(error = %error, "when tokens were last used was not written down");
        }
    }
}

impl Components {
    fn new(context: Arc<Context>, lookup: Arc<ProviderLookup>, revoker: Revoker) -> Self {
        let shared = || (Arc::clone(&context), Arc::clone(&lookup));
        let refresher = {
            let (context, lookup) = shared();
            Refresher::new(context, lookup, revoker.clone())
        };
        let logins = {
            let (context, lookup) = shared();
            Logins::new(context, lookup, revoker.clone(), refresher.clone())
        };
        let tokens = {
            let (context, lookup) = shared();
            let (refresher, logins) = (refresher.clone(), logins.clone());
            Tokens::new(context, lookup, revoker.clone(), refresher, logins)
        };
        let providers = {
            let (context, lookup) = shared();
            let (refresher, logins) = (refresher.clone(), logins.clone());
            Providers::new(context, lookup, revoker, refresher, logins)
        };
        Self {
            refresher,
            maintenance: Maintenance::new(Arc::clone(&context), logins.clone()),
            logins,
            tokens,
            agents: Agents::new(Arc::clone(&context), lookup),
            providers,
            context,
        }
    }
}
