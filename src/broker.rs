//! The use cases: what each call of the API does, for whoever the transport
//! says is asking.
//!
//! It names no transport, no status code and no JSON. Everything that changes
//! is one change of the vault, made together with the event that tells of it.

mod agents;
mod authenticate;
mod browser_links;
mod consent;
mod decision;
mod deletion;
mod discovery;
mod events;
mod flows;
mod follow_ups;
mod grants;
mod imports;
mod long_reads;
mod newer;
mod login_names;
mod platform;
mod providers;
mod quotas;
mod callback;
mod refresh;
mod renewed_account;
mod revocations;
mod persist;
mod tasks;
mod tokens;
mod unreadable;
mod waiters;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use self::authenticate::{Authenticated, IssuedToken};
pub use self::browser_links::{BROWSER_LINK_PATH, BrowserLink, Followed};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::callback::refusal;
pub use self::callback::{AuthorizationResponse, Ended, Finishing, Outcome, is_own_error};
pub use self::consent::{Answered, ConsentAnswer, ConsentQuestion, Consented, OfferedAccount};
pub use self::deletion::Deleted;
pub use self::flows::Waited;
pub use self::follow_ups::{FollowUp, FollowUpAnswer, Notice};
pub use self::renewed_account::RenewedAccount;

use self::refresh::Refreshes;
use self::revocations::Revocations;
use self::tasks::Tasks;
use self::waiters::Waiters;
use crate::clock::Env;
use crate::identity::{FlowId, OrganizationId, Owner, ProviderId, UserId};
use crate::metrics::Metrics;
use crate::oauth;
use crate::provider::quirks::LoopbackHost;
use crate::provider::{Provider, ProviderRef, Source};
use crate::quota::Limits;
use crate::vault::{self, Vault};

/// Why a use case could not be done, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such thing in the caller's own namespace.
    #[error("no such {what}")]
    NotFound {
        /// What is missing, with its name where the caller gave one.
        what: String,
    },
    /// There is one of that name already.
    #[error("{what} already exists")]
    AlreadyExists {
        /// What.
        what: String,
    },
    /// A path of the API has the name that was chosen.
    #[error("the provider id {:?} is reserved, since a path of the API has that name; choose another", provider_id.as_str())]
    Reserved {
        /// The name.
        provider_id: ProviderId,
    },
    /// A redirect address that the provider does not allow.
    #[error("it is neither a loopback address nor in the provider's allowed_redirect_uris")]
    RedirectNotAllowed,
    /// The change would leave the provider without what the contract asks of it.
    #[error("{rule}")]
    Rule {
        /// The field that breaks the rule.
        field: &'static str,
        /// The rule.
        rule: &'static str,
    },
    /// A state that names no pending flow of the caller's.
    #[error("this state names no pending flow: it is unknown, expired or already used")]
    UnknownState,
    /// A state that named a flow which has ended, well or not.
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
    /// Nobody is asked whose account a login came back with.
    #[error(
        "this login asks nothing: it was answered before, or whose account it is was never in doubt"
    )]
    NotAsked,
    /// A token is being refreshed, and can be changed when that has ended.
    #[error("the token is being refreshed; try again in a moment")]
    RefreshUnderWay,
    /// The provider answered, and not with what was asked of it.
    #[error("{0}")]
    Provider(oauth::Error),
    /// An MCP server's address led to no provider.
    #[error("{0}")]
    Discovery(oauth::discovery::Error),
    /// The provider cannot be reached now.
    #[error("the provider {:?} cannot be reached now; the login is kept, try again", provider_id.as_str())]
    ProviderUnavailable {
        /// Which.
        provider_id: ProviderId,
        /// When to try again.
        retry_after: Duration,
    },
    /// The provider refuses the client, so that nothing can be refreshed.
    #[error("{refusal}; the login is kept, correct the settings of the provider {:?}", provider_id.as_str())]
    ClientRefused {
        /// Which.
        provider_id: ProviderId,
        /// How.
        refusal: oauth::Error,
        /// When it is tried again.
        retry_after: Duration,
    },
    /// The provider refuses to refresh this one token, and does not say that
    /// its grant has ended.
    #[error("{refusal}; the login at {:?} is kept and tried again later", provider_id.as_str())]
    RefreshRefused {
        /// Which.
        provider_id: ProviderId,
        /// How.
        refusal: oauth::Error,
        /// When it is tried again.
        retry_after: Duration,
    },
    /// The caller waits for too many flows at once.
    #[error("too many calls of yours are waiting already; end some of them first")]
    TooManyWaiters,
    /// The daemon is about to end.
    #[error("agent-authd is stopping; try again in a moment")]
    Stopping,
    /// The vault, or something below it.
    #[error(transparent)]
    Vault(#[from] vault::Error),
}

impl Error {
    fn no_provider(provider_id: &str) -> Self {
        // What somebody typed is shown back to them, but not at any length.
        let name: String = provider_id.chars().take(128).collect();
        Self::NotFound {
            what: format!("provider {name:?}; `agent-auth provider add` makes one"),
        }
    }

    fn provider_exists(provider_id: &ProviderId) -> Self {
        Self::AlreadyExists {
            what: format!("provider {:?}", provider_id.as_str()),
        }
    }

    fn check_name(provider_id: &ProviderId) -> Result<(), Self> {
        if provider_id.is_reserved() {
            return Err(Self::Reserved {
                provider_id: provider_id.clone(),
            });
        }
        Ok(())
    }

    fn no_token() -> Self {
        Self::NotFound {
            what: "token".to_owned(),
        }
    }
}

/// What the daemon decides for the broker.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where redirects arrive, such as `http://127.0.0.1:8252`.
    pub redirect_base: String,
    /// How long a person has to finish a flow, in seconds.
    pub flow_lifetime: i64,
    /// How many calls may wait for flows at once, per owner.
    pub max_waiters: usize,
    /// What each owner may store.
    pub limits: Limits,
    /// How long after it was last handed out a token is still refreshed in the
    /// background, in seconds.
    pub refresh_active_within: i64,
}

/// The use cases; clones share them.
#[derive(Clone, Debug)]
pub struct Broker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    vault: Vault,
    oauth: oauth::Client,
    env: Env,
    settings: Settings,
    waiters: Arc<Waiters>,
    long_reads: long_reads::Turns,
    refreshes: Refreshes,
    reminders: newer::Reminders,
    revocations: Revocations,
    /// Refreshes, exchanges and revocations that are under way.
    tasks: Tasks,
    login_names: login_names::LoginNames,
    browser_links: browser_links::BrowserLinks,
    platform: platform::Platform,
    metrics: Metrics,
    /// Becomes true when the daemon is about to end.
    stopping: watch::Sender<bool>,
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
        let broker = Self(Arc::new(Inner {
            waiters: Arc::new(Waiters::new(settings.max_waiters)),
            long_reads: long_reads::Turns::default(),
            refreshes: Refreshes::default(),
            reminders: newer::Reminders::default(),
            revocations: Revocations::default(),
            tasks: Tasks::default(),
            login_names: login_names::LoginNames::default(),
            browser_links: browser_links::BrowserLinks::default(),
            platform: platform::Platform::default(),
            metrics: Metrics::default(),
            stopping: watch::Sender::new(false),
            vault,
            oauth,
            env,
            settings,
        }));
        match broker.end_interrupted_flows().await {
            // What is alive can be handed out; the logins run out by themselves.
            Err(Error::Vault(error @ vault::Error::Unwritable { .. })) => {
                tracing::warn!(error = %error, "logins that a restart has cut off were not ended");
            }
            other => other?,
        }
        broker.resume_revocations()?;
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
        let address = self.redirect_uri_of(&provider.provider_id);
        match provider.quirks().redirect_host {
            LoopbackHost::Ipv4 => address,
            LoopbackHost::Localhost => address.replacen("127.0.0.1", "localhost", 1),
        }
    }

    /// Where the logins at a provider of that name come back to.
    fn redirect_uri_of(&self, provider_id: &ProviderId) -> String {
        format!("{}/host-oauth-callback/{provider_id}", self.redirect_base())
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
        self.0.vault.announce_stop();
        self.0.stopping.send_replace(true);
    }

    /// Becomes true when the daemon is about to end.
    #[must_use]
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.0.stopping.subscribe()
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

    /// Whether the daemon is about to end.
    fn is_stopping(&self) -> bool {
        *self.0.stopping.borrow()
    }

    /// The human on whose behalf an owner acts who names none.
    fn user(&self, owner: Owner, user_id: Option<&UserId>) -> UserId {
        user_id
            .cloned()
            .unwrap_or_else(|| self.0.login_names.login_name(owner))
    }

    /// An owner's own provider of that identifier.
    fn find_provider(&self, owner: Owner, provider_id: &str) -> Result<Provider, Error> {
        let found = match ProviderId::parse(provider_id) {
            Some(id) => self.0.vault.read(|view| view.provider(owner, &id))?,
            None => None,
        };
        found.ok_or_else(|| Error::no_provider(provider_id))
    }

    /// The provider that a stored token or flow came from, as it is now.
    fn provider_of(&self, owner: Owner, reference: &ProviderRef) -> Result<Provider, Error> {
        match reference.source {
            Source::Owner => self.find_provider(owner, reference.provider_id.as_str()),
            Source::Platform => self.platform_provider(reference.provider_id.as_str()),
        }
    }
}
