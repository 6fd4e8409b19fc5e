//! Changes that delete tokens. One change deletes them and stores what is to be
//! revoked; the providers are asked after that.

use std::sync::Arc;
use std::time::Duration;

use super::super::Error;
use super::super::accounts::sameness;
use super::{Progress, Revoker, outcome_event};
use crate::clock::Env;
use crate::event::{Event, Kind, Source};
use crate::failpoint;
use crate::identity::{Owner, TokenId};
use crate::provider::{Provider, Source as DefinedBy};
use crate::token::{Sameness, State, Token};
use crate::vault::{self, Change, Revocation, Stored};

/// How long the answer to a deletion waits for the providers. The revocations go on
/// after that. Shorter than the 5 s after which Python's httpx gives up.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// What a deletion did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// How many tokens were deleted.
    pub tokens: usize,
    /// How many of them the provider has revoked so far.
    pub revoked: usize,
    /// How many of them are still being revoked.
    pub pending: usize,
    /// Other tokens that are stored of the same accounts and client: at many
    /// providers a revocation ends these, too.
    pub also_ended: Vec<TokenId>,
}

/// What a change that deletes tokens has done so far.
#[derive(Debug, Default)]
pub(in crate::broker) struct DeletedTokens {
    /// How many tokens it has deleted.
    tokens: usize,
    /// What is to be revoked for them.
    revocations: Vec<Revocation>,
    /// Those whose revocation may end other tokens, too.
    authorizations: Vec<Token>,
}

/// What a change that deletes tokens needs to know.
#[derive(Clone, Debug)]
pub(in crate::broker) struct Deletion {
    /// Why the tokens are deleted.
    reason: &'static str,
    /// The administrator's providers.
    platform: Arc<[Provider]>,
    env: Env,
}

impl Revoker {
    /// What a change that deletes tokens for `reason` needs to know.
    pub(in crate::broker) fn deletion(&self, reason: &'static str) -> Deletion {
        Deletion {
            reason,
            platform: self.providers.platform(),
            env: self.context.env.clone(),
        }
    }

    /// Makes a change that deletes tokens, and begins the revocations that it has
    /// written down. It waits up to three seconds for them. If the caller
    /// disconnects, the revocations begin all the same.
    ///
    /// # Errors
    /// [`Error::Vault`]: then nothing is deleted, and nothing revoked.
    pub(in crate::broker) async fn delete<T: Send + 'static>(
        &self,
        owner: Owner,
        change: impl FnOnce(&Change<'_>) -> Result<(DeletedTokens, T), vault::Error> + Send + 'static,
    ) -> Result<(Deleted, T), Error> {
        let deadline = tokio::time::Instant::now() + ANSWER_WITHIN;
        let revoker = self.clone();
        // A task of its own, so that the revocations begin in any case.
        let deleting = self.context.tasks.spawn(async move {
            let change = move |open: &Change<'_>| {
                let (deleted, value) = change(open)?;
                let also_ended = deleted.also_ended(open)?;
                Ok((deleted, also_ended, value))
            };
            let (deleted, also_ended, value) =
                revoker.context.vault.write_for(owner, change).await?;
            failpoint::pass("deletion.written");
            let (tokens, wanted) = (deleted.tokens, deleted.revocations.len());
            let progress = revoker.begin(deleted.revocations, &[]);
            Ok::<_, vault::Error>(((tokens, wanted), also_ended, progress, value))
        });
        let done = deleting.await.map_err(|_| Error::Stopping)?;
        let ((tokens, wanted), also_ended, mut progress, value) = done?;
        let all_ended = progress.wait_for(|progress| progress.ended == wanted);
        // Neither a deadline nor a task that panicked is an error of this call.
        let _ = tokio::time::timeout_at(deadline, all_ended).await;
        let Progress { ended, revoked } = *progress.borrow();
        let pending = wanted - ended;
        let is_revoked = revoked > 0 || pending > 0;
        let deleted = Deleted {
            tokens,
            revoked,
            pending,
            also_ended: if is_revoked { also_ended } else { Vec::new() },
        };
        Ok((deleted, value))
    }
}

impl DeletedTokens {
    /// Counts a deleted token, and what is to be revoked for it.
    pub(in crate::broker) fn add(&mut self, token: &Token, revocation: Option<Revocation>) {
        self.tokens += 1;
        let Some(revocation) = revocation else { return };
        if revocation.provider.quirks().revocation.ends_authorization() {
            self.authorizations.push(token.clone());
        }
        self.revocations.push(revocation);
    }

    /// The remaining tokens that the revocations may end, too: those of the same
    /// client for the same account.
    fn also_ended(&self, change: &Change<'_>) -> Result<Vec<TokenId>, vault::Error> {
        let Some(first) = self.authorizations.first() else {
            return Ok(Vec::new());
        };
        let is_ended = |left: &Token| {
            self.authorizations.iter().any(|gone| {
                gone.binding == left.binding && sameness(left, &gone.account()) == Sameness::Same
            })
        };
        let left = change.tokens(first.owner)?.into_iter();
        let left = left.map(|stored| stored.token);
        let left = left.filter(|token| token.state == State::Active && is_ended(token));
        Ok(left.map(|token| token.id).collect())
    }
}

impl Deletion {
    /// The provider at which a token can be revoked. The inner error says why there is
    /// none, as text for the event.
    pub(in crate::broker) fn provider_of(
        &self,
        change: &Change<'_>,
        token: &Token,
    ) -> Result<Result<Provider, &'static str>, vault::Error> {
        let id = &token.provider.provider_id;
        let found = match token.provider.source {
            DefinedBy::Owner => change.provider(token.owner, id),
            DefinedBy::Platform => {
                let named = |provider: &&Provider| provider.provider_id == *id;
                Ok(self.platform.iter().find(named).cloned())
            }
        };
        match found {
            Ok(None) => Ok(Err("its provider is no longer known here")),
            Ok(Some(provider)) => Ok(Self::require_same_client(provider, token)),
            // The token can be deleted all the same.
            Err(vault::Error::UnreadableRow { .. }) => Ok(Err("its provider's row is damaged")),
            Err(error) => Err(error),
        }
    }

    /// `provider`, if the token's grant came from its client and address.
    pub(in crate::broker) fn require_same_client(
        provider: Provider,
        token: &Token,
    ) -> Result<Provider, &'static str> {
        if provider.binding() == token.binding {
            Ok(provider)
        } else {
            Err("the provider's client or address was changed since")
        }
    }

    /// Stores that a token, which this change deletes, is to be revoked at `provider`.
    /// If it cannot be revoked, stores the event that says why.
    pub(in crate::broker) fn record(
        &self,
        change: &Change<'_>,
        stored: &Stored,
        provider: Result<Provider, &'static str>,
    ) -> Result<Option<Revocation>, vault::Error> {
        let (id, now) = (self.env.uuid(), self.env.now());
        let event = Event::about(&stored.token, Kind::Deleted, Source::Api, id, now);
        let event = event.because(self.reason);
        let secrets = change
            .access_token(stored)
            .and_then(|access| Ok((access, change.refresh_token(stored)?)));
        match (provider, secrets) {
            (Ok(provider), Ok((access_token, refresh_token))) => {
                let revocation = Revocation {
                    id: self.env.uuid(),
                    event,
                    provider,
                    access_token,
                    refresh_token,
                };
                change.insert_revocation(&revocation)?;
                Ok(Some(revocation))
            }
            (provider, secrets) => {
                let damaged = secrets.err().map(|error| error.to_string());
                let why = provider.err().map(str::to_owned).or(damaged);
                change.add_event(&outcome_event(event, Err(why.unwrap_or_default())))?;
                Ok(None)
            }
        }
    }
}
