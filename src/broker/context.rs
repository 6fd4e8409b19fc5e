//! What every component of the broker uses and none of them owns: the vault, the
//! OAuth client, time and randomness, the settings, the metrics, and whether the
//! daemon is stopping.

use std::time::Duration;

use tokio::sync::watch;

use super::login_names::LoginNames;
use super::long_reads::{FEW, Turn, Turns, off_worker};
use super::tasks::Tasks;
use crate::clock::Env;
use crate::event::{Event, Kind, Source};
use crate::identity::{Owner, ProviderId, UserId};
use crate::metrics::Metrics;
use crate::oauth;
use crate::provider::Provider;
use crate::provider::quirks::LoopbackHost;
use crate::quota::Limits;
use crate::token::Token;
use crate::vault::{self, Vault, View};

/// The daemon's settings that the broker follows.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where redirects arrive, such as `http://127.0.0.1:8252`.
    pub redirect_base: String,
    /// How long a person has to finish a flow.
    pub flow_lifetime: Duration,
    /// How many calls of one owner may wait for flows at once.
    pub max_waiters: usize,
    /// What each owner may store.
    pub limits: Limits,
    /// How long after its last use a token is still refreshed in the background.
    pub refresh_active_within: Duration,
}

/// What the components share.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) vault: Vault,
    pub(super) oauth: oauth::Client,
    pub(super) env: Env,
    pub(super) settings: Settings,
    pub(super) metrics: Metrics,
    /// The work that a stop waits for: refreshes, exchanges, deletions and
    /// revocations.
    pub(super) tasks: Tasks,
    /// Each owner's turn for a long read.
    pub(super) long_reads: Turns,
    login_names: LoginNames,
    /// True once the daemon is stopping.
    stopping: watch::Sender<bool>,
}

impl Context {
    pub(super) fn new(vault: Vault, oauth: oauth::Client, env: Env, settings: Settings) -> Self {
        Self {
            vault,
            oauth,
            env,
            settings,
            metrics: Metrics::default(),
            tasks: Tasks::default(),
            long_reads: Turns::default(),
            login_names: LoginNames::default(),
            stopping: watch::Sender::new(false),
        }
    }

    /// Announces that the daemon is stopping: waiting calls return, and no refresh
    /// or exchange begins any more.
    pub(super) fn begin_stop(&self) {
        self.vault.announce_stop();
        self.stopping.send_replace(true);
    }

    pub(super) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Becomes true when the daemon is stopping.
    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// `user_id`, or the owner's login name for a request that names no user.
    pub(super) fn user(&self, owner: Owner, user_id: Option<&UserId>) -> UserId {
        user_id
            .cloned()
            .unwrap_or_else(|| self.login_names.login_name(owner))
    }

    /// What to register with `provider` as its redirect address.
    pub(super) fn default_redirect_uri(&self, provider: &Provider) -> String {
        let address = self.redirect_uri_of(&provider.provider_id);
        match provider.quirks().redirect_host {
            LoopbackHost::Ipv4 => address,
            LoopbackHost::Localhost => address.replacen("127.0.0.1", "localhost", 1),
        }
    }

    /// The redirect address for a provider of that name.
    pub(super) fn redirect_uri_of(&self, provider_id: &ProviderId) -> String {
        let base = &self.settings.redirect_base;
        format!("{base}/host-oauth-callback/{provider_id}")
    }

    /// An event about a token that a call of the API causes.
    pub(super) fn api_event(&self, token: &Token, kind: Kind) -> Event {
        let (id, now) = (self.env.uuid(), self.env.now());
        Event::about(token, kind, Source::Api, id, now)
    }

    /// Waits until no other long read of this owner's is under way.
    pub(super) async fn long_read_turn(&self, owner: Owner) -> Turn {
        self.long_reads.take(owner).await
    }

    /// Reads what may be all that an owner has stored.
    ///
    /// # Errors
    /// Those of `work`.
    pub(super) async fn read_at_length<T>(
        &self,
        owner: Owner,
        work: impl FnOnce(&View<'_>) -> Result<T, vault::Error>,
    ) -> Result<T, vault::Error> {
        if self.vault.read(|view| view.token_count(owner))? <= FEW {
            return self.vault.read(work);
        }
        let _turn = self.long_read_turn(owner).await;
        off_worker(|| self.vault.read(work))
    }
}
