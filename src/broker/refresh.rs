//! Refreshing a grant: one at a time per token, whoever asks, and in an order
//! that loses nothing whenever the power goes.
//!
//! 1. The attempt is written down, which also proves that the store can be
//!    written. 2. The refresh token is sent, once. 3. The new pair is durable.
//!    4. Whoever asked is answered. It runs in a task of its own, so that no
//!    disconnect stops it between 2 and 3.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::grants::grant_secrets;
use super::{Broker, Error};
use crate::event::{Event, Kind, Source};
use crate::identity::TokenId;
use crate::oauth;
use crate::provider::Provider;
use crate::secret::RefreshToken;
use crate::token::{Freshness, Grant, State, Token};
use crate::vault::{self, Secrets, Stored};

/// How long a caller waits for a refresh; it goes on without them. Shorter
/// than the 5 s after which Python's httpx, and with it the SDK, gives up.
const PATIENCE: Duration = Duration::from_secs(4);

/// When a caller is told to try again if nobody knows better.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How a refresh ended.
#[derive(Clone, Debug)]
pub(super) enum Refreshed {
    /// The vault holds a newer grant, or held one already.
    Done,
    /// The grant has ended; a person is needed.
    Ended,
    /// It could not be done now.
    NotNow(Duration),
    /// The provider refuses the client.
    Misconfigured(oauth::Error),
}

/// The refreshes that are under way.
#[derive(Debug, Default)]
pub(super) struct Refreshes(Mutex<HashMap<TokenId, watch::Receiver<Option<Refreshed>>>>);

impl Refreshes {
    fn lock(&self) -> MutexGuard<'_, HashMap<TokenId, watch::Receiver<Option<Refreshed>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when none is under way.
    pub(super) async fn settled(&self) {
        loop {
            let next = self.lock().values().next().cloned();
            let Some(mut refresh) = next else { return };
            // An error means that it has ended, too.
            let _ = refresh.changed().await;
        }
    }
}

impl Broker {
    /// Refreshes a token, or joins the refresh of it that is under way, and
    /// waits for its end, but not longer than a caller has patience.
    pub(super) async fn refreshed(&self, token: &Token) -> Refreshed {
        let mut refresh = self.join_refresh(token);
        let ended = tokio::time::timeout(PATIENCE, refresh.wait_for(Option::is_some)).await;
        match ended {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or(Refreshed::NotNow(RETRY_AFTER)),
            Ok(Err(_)) | Err(_) => Refreshed::NotNow(RETRY_AFTER),
        }
    }

    fn join_refresh(&self, token: &Token) -> watch::Receiver<Option<Refreshed>> {
        let mut running = self.0.refreshes.lock();
        if let Some(refresh) = running.get(&token.id) {
            return refresh.clone();
        }
        let (outcome, refresh) = watch::channel(None);
        running.insert(token.id, refresh.clone());
        let (broker, token) = (self.clone(), token.clone());
        tokio::spawn(async move {
            let ended = broker.refresh(&token).await.unwrap_or_else(|error| {
                tracing::error!(token.id = %token.id, error = %error, "a refresh could not be done");
                Refreshed::NotNow(RETRY_AFTER)
            });
            // Taken off the list first: whoever comes now looks at the vault anew.
            broker.0.refreshes.lock().remove(&token.id);
            outcome.send_replace(Some(ended));
        });
        refresh
    }

    async fn refresh(&self, asked: &Token) -> Result<Refreshed, Error> {
        let (owner, id) = (asked.owner, asked.id);
        let Some(stored) = self.0.vault.read(|view| view.token(owner, id))? else {
            return Ok(Refreshed::Ended);
        };
        let token = &stored.token;
        if token.state != State::Active {
            return Ok(Refreshed::Ended);
        }
        if token.freshness(self.0.ambient.now()) == Freshness::Fresh {
            return Ok(Refreshed::Done);
        }
        let provider = self.provider_of(owner, &token.provider)?;
        if provider.binding() != token.binding {
            // Its refresh token belongs to another client or endpoint.
            return self
                .end_grant(token, "provider_changed", Source::Refresh)
                .await;
        }
        let Some(refresh_token) = self.0.vault.read(|view| view.refresh_token(&stored))? else {
            return Ok(Refreshed::Ended);
        };
        let was_in_doubt = self.0.vault.read(|view| view.is_in_doubt(token))?;
        let (attempt, now) = (token.clone(), self.0.ambient.now());
        self.0
            .vault
            .write(move |change| change.begin_attempt(&attempt, now))
            .await?;
        self.spend(stored, provider, refresh_token, was_in_doubt)
            .await
    }

    /// Sends the refresh token and stores what comes of it.
    async fn spend(
        &self,
        stored: Stored,
        provider: Provider,
        refresh_token: RefreshToken,
        was_in_doubt: bool,
    ) -> Result<Refreshed, Error> {
        let token = &stored.token;
        let send = || {
            self.0
                .oauth
                .refresh(&provider, &refresh_token, &token.requested)
        };
        let (mut in_doubt, mut answer) = (was_in_doubt, send().await);
        if answer
            .as_ref()
            .is_err_and(|error| *error == oauth::Error::InDoubt)
        {
            // Some servers answer the same refresh token twice within a grace period.
            in_doubt = true;
            answer = send().await;
        }
        match answer {
            Ok(grant) => {
                self.store_refresh(token.clone(), grant, refresh_token)
                    .await
            }
            Err(oauth::Error::InvalidGrant { .. }) if in_doubt => {
                self.end_grant(token, "rotation_lost", Source::Refresh)
                    .await
            }
            Err(oauth::Error::InvalidGrant { .. }) => {
                self.end_grant(token, "invalid_grant", Source::Refresh)
                    .await
            }
            Err(error) => self.note_failed_refresh(token, error, in_doubt).await,
        }
    }

    /// Makes the new pair durable.
    async fn store_refresh(
        &self,
        old: Token,
        grant: Grant,
        spent: RefreshToken,
    ) -> Result<Refreshed, Error> {
        let now = self.0.ambient.now();
        let event_id = self.0.ambient.uuid();
        let id = old.id;
        let saved = self
            .save(move |change| {
                let Some(current) = change.token(old.owner, old.id)? else {
                    return Err(vault::Error::NotFound);
                };
                let renewed = renewed(current.token, &old, &grant, now);
                // A reply without a refresh token keeps the old one.
                let secrets = Secrets {
                    refresh_token: grant.refresh_token.as_ref().or(Some(&spent)),
                    ..grant_secrets(&grant)
                };
                change.replace_token(&renewed, secrets)?;
                change.end_attempt(renewed.owner, renewed.id)?;
                change.add_event(&Event::about(
                    &renewed,
                    Kind::Refreshed,
                    Source::Refresh,
                    event_id,
                    now,
                ))
            })
            .await;
        match saved {
            Ok(()) => tracing::info!(token.id = %id, "a grant was refreshed"),
            // Deleted or renewed by a person in the meantime: theirs stands.
            Err(vault::Error::NotFound) => {
                tracing::info!(token.id = %id, "a refreshed token was gone")
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Refreshed::Done)
    }

    /// Ends a grant, if its token still holds the generation that was refused.
    pub(super) async fn end_grant(
        &self,
        token: &Token,
        reason: &'static str,
        source: Source,
    ) -> Result<Refreshed, Error> {
        let now = self.0.ambient.now();
        let event = Event::about(
            token,
            Kind::ReconnectRequired,
            source,
            self.0.ambient.uuid(),
            now,
        );
        let (token, id) = (token.clone(), token.id);
        let ended = self
            .save(move |change| {
                let is_current = change.mark_person_needed(&token, reason, now)?;
                if is_current {
                    change.end_attempt(token.owner, token.id)?;
                    change.add_event(&event.clone().because(reason))?;
                }
                Ok(is_current)
            })
            .await?;
        tracing::warn!(token.id = %id, reason, "a grant has ended; a person must log in again");
        Ok(if ended {
            Refreshed::Ended
        } else {
            Refreshed::Done
        })
    }

    /// Notes a refresh that did not succeed; the grant stands. One in doubt
    /// stays written down as an open attempt.
    async fn note_failed_refresh(
        &self,
        token: &Token,
        error: oauth::Error,
        in_doubt: bool,
    ) -> Result<Refreshed, Error> {
        tracing::warn!(token.id = %token.id, error = %error, "a refresh did not succeed; the grant is kept");
        let now = self.0.ambient.now();
        let event = Event::about(
            token,
            Kind::RefreshFailed,
            Source::Refresh,
            self.0.ambient.uuid(),
            now,
        )
        .because(error.to_string());
        let (owner, id) = (token.owner, token.id);
        self.0
            .vault
            .write(move |change| {
                if !in_doubt {
                    change.end_attempt(owner, id)?;
                }
                change.add_event(&event)
            })
            .await?;
        Ok(match error {
            oauth::Error::Unavailable { retry_after } => {
                Refreshed::NotNow(retry_after.unwrap_or(RETRY_AFTER))
            }
            oauth::Error::InDoubt => Refreshed::NotNow(RETRY_AFTER),
            other => Refreshed::Misconfigured(other),
        })
    }
}

/// The token with its refreshed grant. `old` is what was spent: the new grant
/// follows on it, and on nothing that came in between.
fn renewed(current: Token, old: &Token, grant: &Grant, now: crate::clock::Timestamp) -> Token {
    let mut metadata = current.metadata.clone();
    metadata.extend(grant.metadata.clone());
    Token {
        token_type: grant.token_type.clone(),
        granted: grant
            .scopes
            .clone()
            .unwrap_or_else(|| current.granted.clone()),
        issued_at: now,
        expires_at: grant.expires_at,
        is_refreshable: true,
        generation: old.generation + 1,
        state: State::Active,
        account_label: current
            .account_label
            .clone()
            .or_else(|| grant.account_label.clone()),
        metadata,
        updated_at: now,
        refreshed_at: Some(now),
        ..current
    }
}
