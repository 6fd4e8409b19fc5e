//! Ending grants at their providers, behind the answer of whoever deleted them.
//!
//! A deleted token's grant is a row of its own from the change that deleted the
//! token on. Each row is worked on in a task that a stop waits for, and by the
//! next start if the process ends before. It ends with the event that says
//! whether the provider has revoked the grant.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use url::Url;

use super::Broker;
use crate::event::{Event, Kind};
use crate::failpoint;
use crate::log_limit::log_limited;
use crate::oauth::{self, Revocation as Answer};
use crate::provider::{Binding, Provider, ProviderRef, Source};
use crate::token::Grant;
use crate::vault::{self, Revocation};

/// How many revocations are on the wire at once, over all owners.
const MAX_AT_ONCE: usize = 8;

/// How long a provider has to revoke a grant. With the time in which its
/// metadata is looked for, this stays below what a stop of the daemon waits.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The waits between the attempts of a revocation that an earlier daemon left
/// behind: after a boot the network may not be there yet.
const RESUMED_PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(20)];

/// What is remembered about revocations, in memory.
#[derive(Debug)]
pub(super) struct Revocations {
    places: Semaphore,
}

impl Default for Revocations {
    fn default() -> Self {
        Self {
            places: Semaphore::new(MAX_AT_ONCE),
        }
    }
}

/// How far the revocations that were begun together are.
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
    /// Another attempt would change nothing; the text is for the event.
    Final(String),
}

impl NotRevoked {
    fn words(self) -> String {
        match self {
            Self::Unreachable(error) => error.to_string(),
            Self::Final(why) => why,
        }
    }
}

impl Broker {
    /// Begins what an earlier daemon left behind.
    ///
    /// # Errors
    /// [`vault::Error`] if the table cannot be read. A row that cannot be read
    /// is logged and left.
    pub(super) fn resume_revocations(&self) -> Result<(), vault::Error> {
        if self.0.vault.is_read_only() {
            // Their ends could not be written down, and they would be revoked
            // again at each start.
            return Ok(());
        }
        let mut open = Vec::new();
        for (owner, id) in self.0.vault.read(|view| view.open_revocations())? {
            match self.0.vault.read(|view| view.revocation(owner, id)) {
                Ok(found) => open.extend(found),
                Err(error) => {
                    tracing::error!(revocation.id = %id, error = %error, "a grant cannot be revoked: its row is damaged");
                }
            }
        }
        if !open.is_empty() {
            tracing::info!(grants = open.len(), "revoking grants of deleted tokens");
            self.begin_revocations(open, &RESUMED_PAUSES);
        }
        Ok(())
    }

    /// Begins revocations that are written down. They go on whether or not
    /// their progress is looked at.
    pub(super) fn begin_revocations(
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
            let (broker, sender) = (self.clone(), sender.clone());
            self.0.tasks.spawn(async move {
                broker.revoke_of_client(of_one_client, pauses, sender).await;
            });
        }
        progress
    }

    /// Revokes grants of one client, for which the provider's metadata is
    /// looked for at most once.
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
            let (broker, progress) = (self.clone(), progress.clone());
            self.0.tasks.spawn(async move {
                let is_revoked = broker.revoke_and_note(revocation, pauses).await;
                progress.send_modify(|progress| {
                    progress.ended += 1;
                    progress.revoked += usize::from(is_revoked);
                });
            });
        }
    }

    /// Where grants of a client are revoked whose provider does not say so.
    async fn revocation_endpoint(&self, revocation: &Revocation) -> Option<Url> {
        let provider = &revocation.provider;
        // What the administrator defines is the administrator's to complete.
        if oauth::can_revoke(provider) || provider.source == Source::Platform {
            return None;
        }
        self.learn_revocation_endpoint(revocation.event.owner, provider)
            .await
    }

    /// Revokes a grant, and ends its row with the event; whether the provider
    /// has confirmed it.
    async fn revoke_and_note(&self, revocation: Revocation, pauses: &[Duration]) -> bool {
        let mut outcome = self.revoke(&revocation).await;
        for pause in pauses {
            if !matches!(outcome, Err(NotRevoked::Unreachable(_))) {
                break;
            }
            let mut stopping = self.0.stopping.subscribe();
            tokio::select! {
                () = tokio::time::sleep(*pause) => {}
                // The row stays, and the next daemon goes on.
                _ = stopping.wait_for(|stopping| *stopping) => return false,
            }
            outcome = self.revoke(&revocation).await;
        }
        failpoint::pass("revocation.answered");
        let is_revoked = outcome.is_ok();
        self.end_revocation(revocation, outcome.map_err(NotRevoked::words))
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
        let place = self.0.revocations.places.acquire().await;
        let revoking = self
            .0
            .oauth
            .revoke(provider, access_token, refresh_token.as_ref());
        let answer = tokio::time::timeout(TIMEOUT, revoking).await;
        drop(place);
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

    /// Takes a row away and adds the event of how it ended, in one change.
    async fn end_revocation(&self, revocation: Revocation, outcome: Result<(), String>) {
        let Revocation { id, event, .. } = revocation;
        let ended = Event {
            id: self.0.env.uuid(),
            created_at: self.0.env.now(),
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
        let saved = self.save(ended.owner, move |change| {
            if change.delete_revocation(ended.owner, id)? {
                change.add_event(&ended)?;
            }
            Ok(())
        });
        if let Err(error) = saved.await {
            log_limited!(20, error, revocation.id = %id, error = %error, "the end of a grant was not written down");
        }
    }

    /// Revokes a grant that arrived when its token was gone: nothing else knows
    /// it. It is written down first where the store can take it. `event` is
    /// that of its end, whose reason says why it was revoked.
    pub(super) async fn revoke_orphan(&self, event: Event, provider: &Provider, grant: &Grant) {
        let revocation = Revocation {
            id: self.0.env.uuid(),
            event,
            provider: provider.clone(),
            access_token: grant.access_token.clone(),
            refresh_token: grant.refresh_token.clone(),
        };
        let row = revocation.clone();
        let written = self.0.vault.write_for(row.event.owner, move |change| {
            change.insert_revocation(&row)
        });
        if let Err(error) = written.await {
            log_limited!(20, error, error = %error, "a grant that is to be revoked was not written down");
        }
        self.begin_revocations(vec![revocation], &[]);
    }
}

/// The event of a revocation that has ended; `event.reason` says why it was
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
