//! The use cases: what each call of the API does, for whoever the transport
//! says is asking.
//!
//! It names no transport, no status code and no JSON. Everything that changes
//! is one change of the vault, made together with the event that tells of it.

mod accounts;
mod agents;
mod authenticate;
mod browser_links;
mod consent;
mod context;
mod decision;
mod deletion;
mod discovery;
mod error;
mod events;
mod flows;
mod follow_ups;
mod grants;
mod imports;
mod long_reads;
mod login_names;
mod provider_lookup;
mod providers;
mod quotas;
mod callback;
mod refresher;
mod renewed_account;
mod revoker;
mod persist;
mod tasks;
mod tokens;
mod unreadable;
mod waiters;

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

pub use self::authenticate::Authenticated;
pub use self::browser_links::{BROWSER_LINK_PATH, BrowserLink, Followed};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::callback::refusal;
pub use self::callback::{AuthorizationResponse, Ended, Finishing, Outcome, is_own_error};
pub use self::consent::{Answered, ConsentAnswer, ConsentQuestion, Consented, OfferedAccount};
pub use self::context::Settings;
pub use self::error::Error;
pub use self::flows::Waited;
pub use self::follow_ups::{FollowUp, FollowUpAnswer, Notice};
pub use self::refresher::{IssuedToken, Refresher};
pub use self::renewed_account::RenewedAccount;
pub use self::revoker::Deleted;

use self::context::Context;
use self::provider_lookup::ProviderLookup;
use self::revoker::Revoker;
use self::waiters::Waiters;
use crate::clock::Env;
use crate::identity::{OrganizationId, Owner};
use crate::metrics::Metrics;
use crate::oauth;
use crate::provider::{Provider, ProviderRef};
use crate::vault::{self, Vault};

/// The use cases; clones share them.
#[derive(Clone, Debug)]
pub struct Broker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    context: Arc<Context>,
    providers: Arc<ProviderLookup>,
    revoker: Revoker,
    refresher: Refresher,
    waiters: Arc<Waiters>,
    browser_links: browser_links::BrowserLinks,
}

impl Deref for Inner {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

/// How much there is of an owner's.
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
    /// A broker over an open vault. What a crash left half done is put right
    /// first.
    ///
    /// # Errors
    /// [`Error::Vault`] if the vault cannot take that.
    pub async fn new(
        vault: Vault,
        oauth: oauth::Client,
        env: Env,
        settings: Settings,
    ) -> Result<Self, Error> {
        let context = Arc::new(Context::new(vault, oauth, env, settings));
        let providers = Arc::new(ProviderLookup::new(Arc::clone(&context)));
        let revoker = Revoker::new(Arc::clone(&context), Arc::clone(&providers));
        let broker = Self(Arc::new(Inner {
            waiters: Arc::new(Waiters::new(context.settings.max_waiters)),
            browser_links: browser_links::BrowserLinks::default(),
            refresher: Refresher::new(
                Arc::clone(&context),
                Arc::clone(&providers),
                revoker.clone(),
            ),
            revoker,
            providers,
            context,
        }));
        match broker.end_interrupted_flows().await {
            // What is alive can be handed out; the logins run out by themselves.
            Err(Error::Vault(error @ vault::Error::Unwritable { .. })) => {
                tracing::warn!(error = %error, "logins that a restart has cut off were not ended");
            }
            other => other?,
        }
        broker.0.revoker.resume()?;
        Ok(broker)
    }

    /// Where redirects arrive, such as `http://127.0.0.1:8252`.
    #[must_use]
    pub fn redirect_base(&self) -> &str {
        &self.0.settings.redirect_base
    }

    /// What to register with `provider` as its redirect address.
    #[must_use]
    pub fn default_redirect_uri(&self, provider: &Provider) -> String {
        self.0.context.default_redirect_uri(provider)
    }

    /// Refreshes tokens.
    #[must_use]
    pub fn refresher(&self) -> &Refresher {
        &self.0.refresher
    }

    /// Replaces the administrator's providers.
    pub fn set_platform_providers(&self, providers: Vec<Provider>) {
        self.0.providers.set_platform(providers);
    }

    /// The administrator's providers, newest first.
    #[must_use]
    pub fn platform_providers(&self) -> Arc<[Provider]> {
        self.0.providers.platform()
    }

    /// One of the administrator's providers.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn platform_provider(&self, provider_id: &str) -> Result<Provider, Error> {
        self.0.providers.of_platform(provider_id)
    }

    /// The owner's provider of that name, or else the administrator's.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn usable_provider(&self, owner: Owner, provider_id: &str) -> Result<Provider, Error> {
        self.0.providers.usable(owner, provider_id)
    }

    /// Waits until no other long read of this owner's is under way.
    pub async fn long_read_turn(&self, owner: Owner) -> long_reads::Turn {
        self.0.long_read_turn(owner).await
    }

    /// An owner's name to the outside.
    #[must_use]
    pub fn organization_id(&self, owner: Owner) -> OrganizationId {
        self.0.vault.organization_id(owner)
    }

    /// How much there is of an owner's, or with `None` of everybody's.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn counts(&self, owner: Option<Owner>) -> Result<Counts, Error> {
        let now = self.0.env.now();
        Ok(self.0.vault.read(|view| {
            let totals = view.totals(owner, now)?;
            Ok(Counts {
                providers: totals.providers,
                tokens: totals.tokens,
                flows_pending: totals.flows_pending,
            })
        })?)
    }

    /// Returns when the vault's writer has taken a turn, whether or not it can
    /// store anything now.
    ///
    /// # Errors
    /// [`Error::Vault`] if the vault cannot be read.
    pub async fn writer_turns(&self) -> Result<(), Error> {
        self.0.vault.read(|_| Ok(()))?;
        // Undone, so that nothing is written and no trouble is forgotten.
        let undone = self.0.vault.write(|_| Err::<(), _>(vault::Error::NotFound));
        let _ = undone.await;
        Ok(())
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Why nothing can be stored now; `None` while it can.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.0.vault.trouble()
    }

    /// Lets waiters go and begins no more refreshes or exchanges: the daemon is
    /// about to end. What is stored is handed out all the same.
    pub fn begin_stop(&self) {
        self.0.begin_stop();
    }

    /// Becomes true when the daemon is about to end.
    #[must_use]
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.0.stopping()
    }

    /// Returns when no refresh, exchange, deletion or revocation is under way.
    pub async fn settled(&self) {
        self.0.tasks.settled().await;
    }

    /// Returns when every refresh, exchange and revocation under way has ended
    /// and what they gave is stored. To be called when nothing begins any more.
    pub async fn finish_stop(&self) {
        self.0.tasks.settled().await;
        if let Err(error) = self.0.vault.flush_usage().await {
            tracing::warn!(error = %error, "when tokens were last used was not written down");
        }
    }

    /// A copy of the whole vault, every owner's, with its secrets sealed; and
    /// the vault's folder.
    ///
    /// # Errors
    /// [`Error::Vault`] if it is damaged.
    pub async fn copy_vault(&self) -> Result<(&Path, Vec<u8>), Error> {
        let copy = self.0.vault.copy().await?;
        Ok((self.0.vault.folder(), copy))
    }

    /// Finds out whether a vault that could not be written can be again.
    pub async fn probe(&self) {
        self.0.vault.probe().await;
    }

    /// What is to be done now and then: finding out whether a vault that could
    /// not be written can be again, the daily backup, writing down when tokens
    /// were used, and forgetting flows that are long over.
    pub async fn run_maintenance(&self) {
        let vault = &self.0.vault;
        vault.probe().await;
        match vault.back_up_if_due(self.0.env.now()).await {
            Ok(Some(path)) => tracing::info!(path = %path.display(), "the vault was backed up"),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(error = %error, "the vault was not backed up; trying again later");
            }
        }
        self.survey().await;
        if let Err(error) = self.forget_flows().await {
            tracing::warn!(error = %error, "the vault was not tidied; trying again later");
        }
    }

    async fn forget_flows(&self) -> Result<(), vault::Error> {
        let vault = &self.0.vault;
        let now = self.0.env.now();
        let limit = now.plus_seconds(-crate::flow::AFTERLIFE_SECONDS);
        vault.flush_usage().await?;
        if vault.read(|view| view.has_flows_before(limit))? {
            vault
                .write(move |change| change.delete_flows_before(limit))
                .await?;
        }
        Ok(())
    }

    /// An owner's own provider of that identifier.
    fn find_provider(&self, owner: Owner, provider_id: &str) -> Result<Provider, Error> {
        self.0.providers.of_owner(owner, provider_id)
    }

    /// The provider that a stored token or flow came from, as it is now.
    fn provider_of(&self, owner: Owner, reference: &ProviderRef) -> Result<Provider, Error> {
        self.0.providers.referred(owner, reference)
    }
}
