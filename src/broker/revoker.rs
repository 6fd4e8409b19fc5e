//! Revoking grants at their providers, after their tokens have been deleted here.
//!
//! The change that deletes a token writes its grant into a table of its own. Each
//! row there is worked on in a task that a stop waits for, or by the next start if
//! the process ends first. The row goes with the event that says whether the
//! provider has revoked the grant.

mod deletion;
mod endpoint;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use url::Url;

use super::context::Context;
use super::provider_lookup::ProviderLookup;
use crate::event::{Event, Kind};
use crate::failpoint;
use crate::log_limit::log_limited;
use crate::oauth::{self, Revocation as Answer};
use crate::provider::{Binding, Provider, ProviderRef, Source};
use crate::token::Grant;
use crate::vault::{self, Revocation};

pub use self::deletion::Deleted;
pub(super) use self::deletion::{DeletedTokens, Deletion};

/// How many revocations are sent at once, over all owners.
const MAX_AT_ONCE: usize = 8;

/// How long a provider has to revoke a grant. With the time in which its
/// metadata is looked for, this stays below what a stop of the daemon waits.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The waits between the attempts of a revocation that an earlier daemon left
/// open: after a boot the network may not be there yet.
const RESUMED_PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(20)];

/// Revokes the grants of deleted tokens; clones share its state.
#[derive(Clone, Debug)]
pub(super) struct Revoker {
    context: Arc<Context>,
    providers: Arc<ProviderLookup>,
    /// One permit for each revocation that may be sent at once.
    permits: Arc<Semaphore>,
}

/// How far the revocations are that were begun together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// How many have ended, well or not.
    pub(super) ended: usize,
    /// How many of them the provider has confirmed.
    pub(super) revoked: usize,
}

/// Why a grant was not revoked.
#[derive(Debug)]
enum NotRevoked {
    /// The provider cannot be reached now.
    Unreachable(oauth::Error),
    /// Another attempt would not help; the text is for the event.
    Final(String),
}

impl NotRevoked {
    /// Why, for the event.
    fn reason(self) -> String {
        match self {
            Self::Unreachable(error) => error.to_string(),
            Self::Final(why) => why,
        }
    }
}

impl Revoker {
    pub(super) fn new(context: Arc<Context>, providers: Arc<ProviderLookup>) -> Self {
        Self {
            context,
            providers,
            permits: Arc::new(Semaphore::new(MAX_AT_ONCE)),
        }
    }

    /// Begins the revocations that an earlier daemon left open.
    ///
    /// # Errors
    /// [`vault::Error`] if the table cannot be read. A row that cannot be read
    /// is logged and left.
    pub(super) fn resume(&self) -> Result<(), vault::Error> {
        if self.context.vault.is_read_only() {
            // Their ends could not be written down, and they would be revoked
            // again at each start.
            return Ok(());
        }
        let mut open = Vec::new();
        for (owner, id) in self.context.vault.read(|view| view.open_revocations())? {
            match self.context.vault.read(|view| view.revocation(owner, id)) {
                Ok(found) => open.extend(found),
                Err(error) => {
                    tracing::error!(revocation.id = %id, error = %error, "a grant cannot be revoked: its row is damaged");
                }
            }
        }
        if !open.is_empty() {
            tracing::info!(grants = open.len(), "revoking grants of deleted tokens");
            self.begin(open, &RESUMED_PAUSES);
        }
        Ok(())
    }

    /// Begins revocations that are stored already. They go on even if the
    /// receiver of their progress is dropped.
    pub(super) fn begin(
        &self,
        open: Vec<Revocation>,
        pauses: &'static [Duration],
    ) -> watch::Receiver<Progress> {
        let (sender, progress) = watch::channel(Progress::default());
        let mut clients: HashMap<(ProviderRef, Binding), Vec<Revocation>> = HashMap::new();
        for revocation in open {
            let provider = &revocation.provider;
            let key = (provider.reference(), provider.binding());
            clients.entry(key).or_default().push(revocation);
        }
        for of_one_client in clients.into_values() {
            let (revoker, sender) = (self.clone(), sender.clone());
            self.context.tasks.spawn(async move {
                revoker
                    .revoke_of_client(of_one_client, pauses, sender)
                    .await;
            });
        }
        progress
    }

    /// Revokes grants of one client. Its provider's metadata is looked for at most
    /// once.
    async fn revoke_of_client(
        &self,
        open: Vec<Revocation>,
        pauses: &'static [Duration],
        progress: watch::Sender<Progress>,
    ) {
        let learnt = match open.first() {
            Some(first) => self.revocation_endpoint(first).await,
            None => None,
        };
        for mut revocation in open {
            if let Some(endpoint) = &learnt {
                revocation.provider.endpoints.revocation = Some(endpoint.clone());
            }
            let (revoker, progress) = (self.clone(), progress.clone());
            self.context.tasks.spawn(async move {
                let is_revoked = revoker.revoke_and_note(revocation, pauses).await;
                progress.send_modify(|progress| {
                    progress.ended += 1;
                    progress.revoked += usize::from(is_revoked);
                });
            });
        }
    }

    /// The revocation endpoint of a provider that was defined without one.
    async fn revocation_endpoint(&self, revocation: &Revocation) -> Option<Url> {
        let provider = &revocation.provider;
        // The administrator completes the administrator's own definitions.
        if oauth::can_revoke(provider) || provider.source == Source::Platform {
            return None;
        }
        self.learn_revocation_endpoint(revocation.event.owner, provider)
            .await
    }

    /// Revokes a grant, and deletes its row with the event. Returns whether the
    /// provider has confirmed it.
    async fn revoke_and_note(&self, revocation: Revocation, pauses: &[Duration]) -> bool {
        let mut outcome = self.revoke(&revocation).await;
        for pause in pauses {
            if !matches!(outcome, Err(NotRevoked::Unreachable(_))) {
                break;
            }
            let mut stopping = self.context.stopping();
            tokio::select! {
                () = tokio::time::sleep(*pause) => {}
                // The row stays, and the next daemon resumes it.
                _ = stopping.wait_for(|stopping| *stopping) => return false,
            }
            outcome = self.revoke(&revocation).await;
        }
        failpoint::pass("revocation.answered");
        let is_revoked = outcome.is_ok();
        self.end_revocation(revocation, outcome.map_err(NotRevoked::reason))
            .await;
        is_revoked
    }

    async fn revoke(&self, revocation: &Revocation) -> Result<(), NotRevoked> {
        let Revocation {
            provider,
            access_token,
            refresh_token,
            ..
        } = revocation;
        let permit = self.permits.acquire().await;
        let revoking = self
            .context
            .oauth
            .revoke(provider, access_token, refresh_token.as_ref());
        let answer = tokio::time::timeout(TIMEOUT, revoking).await;
        drop(permit);
        match answer {
            Ok(Ok(Answer::Revoked)) => Ok(()),
            Ok(Ok(Answer::NoEndpoint)) => {
                let why = "its provider has no way to revoke one";
                Err(NotRevoked::Final(why.to_owned()))
            }
            Err(_) => Err(NotRevoked::Unreachable(oauth::Error::Unreachable)),
            Ok(Err(
                error @ (oauth::Error::Unreachable
                | oauth::Error::Unavailable { .. }
                | oauth::Error::OutcomeUnknown { .. }),
            )) => Err(NotRevoked::Unreachable(error)),
            Ok(Err(error)) => Err(NotRevoked::Final(error.to_string())),
        }
    }

    /// Deletes a row and adds the event of how it ended, in one change.
    async fn end_revocation(&self, revocation: Revocation, outcome: Result<(), String>) {
        let Revocation { id, event, .. } = revocation;
        let ended = Event {
            id: self.context.env.uuid(),
            created_at: self.context.env.now(),
            ..outcome_event(event, outcome)
        };
        let token_id = ended.token_id.map(|id| id.to_string());
        log_limited!(
            20,
            info,
            token.id = token_id,
            outcome = ended.reason,
            "a grant has ended"
        );
        let saved = self.context.save(ended.owner, move |change| {
            if change.delete_revocation(ended.owner, id)? {
                change.add_event(&ended)?;
            }
            Ok(())
        });
        if let Err(error) = saved.await {
            log_limited!(20, error, revocation.id = %id, error = %error, "the end of a grant was not written down");
        }
    }

    /// Revokes a grant that arrived after its token was deleted, so that nothing
    /// else refers to it. It is stored first where the store can take it. `event`
    /// tells of its end; its reason says why it is revoked.
    pub(super) async fn revoke_orphan(&self, event: Event, provider: &Provider, grant: &Grant) {
        let revocation = Revocation {
            id: self.context.env.uuid(),
            event,
            provider: provider.clone(),
            access_token: grant.access_token.clone(),
            refresh_token: grant.refresh_token.clone(),
        };
        let row = revocation.clone();
        let written = self
            .context
            .vault
            .write_for(row.event.owner, move |change| {
                change.insert_revocation(&row)
            });
        if let Err(error) = written.await {
            log_limited!(20, error, error = %error, "a grant that is to be revoked was not written down");
        }
        self.begin(vec![revocation], &[]);
    }
}

/// The event of a revocation that has ended. `event.reason` says why it was
/// begun.
pub(super) fn outcome_event(event: Event, outcome: Result<(), String>) -> Event {
    let cause = event.reason.clone().unwrap_or_default();
    match outcome {
        Ok(()) => Event {
            kind: Kind::Revoked,
            ..event
        }
        .because(format!("{cause}, and revoked at the provider")),
        Err(why) => Event {
            kind: Kind::Deleted,
            ..event
        }
        .because(format!("{cause}, but not revoked at the provider: {why}")),
    }
}
