//! Deleting tokens. One change takes them away from everybody and writes down
//! what is to be revoked; the providers are asked after that.

use std::sync::Arc;
use std::time::Duration;

use super::grants::sameness;
use super::revocations::{Progress, outcome_event};
use super::{Broker, Error};
use crate::clock::Env;
use crate::event::{Event, Kind, Source};
use crate::failpoint;
use crate::identity::{Owner, TokenId};
use crate::provider::{Provider, Source as DefinedBy};
use crate::token::{Sameness, State, Token};
use crate::vault::{self, Change, Revocation, Stored};

/// How long the answer to a deletion waits for the providers; they go on being
/// asked behind it. Shorter than the 5 s after which Python's httpx gives up.
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

/// What a change that deletes tokens has done.
#[derive(Debug, Default)]
pub(super) struct Withdrawn {
    /// How many tokens it has deleted.
    tokens: usize,
    /// What is to be revoked for them.
    revocations: Vec<Revocation>,
    /// Those whose revocation may end other tokens, too.
    authorizations: Vec<Token>,
}

/// What a change that deletes tokens needs to know.
#[derive(Clone, Debug)]
pub(super) struct Withdrawal {
    /// Why the tokens are deleted.
    reason: &'static str,
    /// The administrator's providers.
    platform: Arc<[Provider]>,
    env: Env,
}

impl Broker {
    /// Deletes every token an owner has of a provider, and has the provider
    /// revoke them.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is neither such a provider nor a token.
    /// Nothing is deleted or revoked after an error.
    pub async fn delete_tokens_of_provider(
        &self,
        owner: Owner,
        provider_id: &str,
    ) -> Result<Deleted, Error> {
        let named = |stored: &Stored| stored.token.provider.provider_id.as_str() == provider_id;
        let all = self
            .read_at_length(owner, |view| view.tokens(owner))
            .await?;
        let tokens: Vec<_> = all.into_iter().filter(named).collect();
        if tokens.is_empty() {
            self.find_provider(owner, provider_id)
                .or_else(|_| self.platform_provider(provider_id))?;
        }
        self.delete(owner, tokens).await
    }

    /// Deletes one token, and has its provider revoke it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete_one_token(&self, owner: Owner, token_id: &str) -> Result<Deleted, Error> {
        let found = match TokenId::parse(token_id) {
            Some(id) => self.0.vault.read(|view| view.token(owner, id)),
            None => Err(vault::Error::NotFound),
        };
        match found {
            Err(vault::Error::UnreadableRow { .. } | vault::Error::NotFound) => {
                self.delete_unreadable_token(owner, token_id).await?;
                Ok(Deleted::default())
            }
            found => {
                let stored = found?.ok_or_else(Error::no_token)?;
                self.delete(owner, vec![stored]).await
            }
        }
    }

    /// Deletes every token of Slack's that an owner has, and has Slack revoke
    /// them.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub async fn delete_slack_tokens(&self, owner: Owner) -> Result<Deleted, Error> {
        let tokens = self.slack_tokens(owner).await?;
        self.delete(owner, tokens).await
    }

    async fn delete(&self, owner: Owner, tokens: Vec<Stored>) -> Result<Deleted, Error> {
        let withdrawal = self.withdrawal("deleted");
        let ids: Vec<_> = tokens.iter().map(|stored| stored.token.id).collect();
        let change = move |change: &Change<'_>| {
            let mut withdrawn = Withdrawn::default();
            for id in &ids {
                // As it is now: it may have become the default since it was read.
                let Some(stored) = change.token(owner, *id)? else {
                    continue;
                };
                let provider = withdrawal.provider_of(change, &stored.token)?;
                let revocation = withdrawal.write_down(change, &stored, provider)?;
                withdrawn.add(&stored.token, revocation);
                change.remove_token(&stored.token)?;
            }
            Ok((withdrawn, ()))
        };
        let (deleted, ()) = self.delete_by(owner, change).await?;
        Ok(deleted)
    }

    /// What a change that deletes tokens for `reason` needs to know.
    pub(super) fn withdrawal(&self, reason: &'static str) -> Withdrawal {
        Withdrawal {
            reason,
            platform: self.platform_providers(),
            env: self.0.env.clone(),
        }
    }

    /// Makes a change that deletes tokens, and begins the revocations that it
    /// has written down. Waits for those for a moment, and not at all for a
    /// caller that has gone.
    ///
    /// # Errors
    /// [`Error::Vault`]: then nothing is deleted, and nothing revoked.
    pub(super) async fn delete_by<T: Send + 'static>(
        &self,
        owner: Owner,
        change: impl FnOnce(&Change<'_>) -> Result<(Withdrawn, T), vault::Error> + Send + 'static,
    ) -> Result<(Deleted, T), Error> {
        let deadline = tokio::time::Instant::now() + ANSWER_WITHIN;
        let broker = self.clone();
        // A task of its own, so that the revocations begin in any case.
        let deleting = self.0.tasks.spawn(async move {
            let change = move |open: &Change<'_>| {
                let (withdrawn, value) = change(open)?;
                let also_ended = withdrawn.also_ended(open)?;
                Ok((withdrawn, also_ended, value))
            };
            let (withdrawn, also_ended, value) = broker.0.vault.write_for(owner, change).await?;
            failpoint::pass("deletion.written");
            let (tokens, wanted) = (withdrawn.tokens, withdrawn.revocations.len());
            let progress = broker.begin_revocations(withdrawn.revocations, &[]);
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

impl Withdrawn {
    /// Counts a deleted token, and what is to be revoked for it.
    pub(super) fn add(&mut self, token: &Token, revocation: Option<Revocation>) {
        self.tokens += 1;
        let Some(revocation) = revocation else { return };
        if revocation.provider.quirks().revocation.ends_authorization() {
            self.authorizations.push(token.clone());
        }
        self.revocations.push(revocation);
    }

    /// The tokens left that the revocations may end, too: those of the same
    /// client for an account that is shown to be the same.
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

impl Withdrawal {
    /// The provider at which a token can be revoked; the error says why there
    /// is none, in words for the event.
    fn provider_of(
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
            // Even then the token can be deleted.
            Err(vault::Error::UnreadableRow { .. }) => Ok(Err("its provider's row is damaged")),
            Err(error) => Err(error),
        }
    }

    /// `provider`, if the token's grant came from its client and address.
    pub(super) fn require_same_client(
        provider: Provider,
        token: &Token,
    ) -> Result<Provider, &'static str> {
        if provider.binding() == token.binding {
            Ok(provider)
        } else {
            Err("the provider's client or address was changed since")
        }
    }

    /// Writes down that a token that this change deletes is to be revoked at
    /// `provider`; if it cannot be, the event that says why.
    pub(super) fn write_down(
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
