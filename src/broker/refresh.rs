//! Refreshing a grant: one at a time per token, whoever asks, and in an order
//! that loses nothing whenever the power goes.
//!
//! 1. The attempt is written down, which also proves that the store can be
//!    written. 2. The refresh token is sent, once. 3. The new pair is durable.
//!    4. Whoever asked is answered. It runs in a task of its own, so that no
//!    disconnect stops it between 2 and 3.

mod first_seen;
mod background;
mod backoff;
mod circuit;
mod client;
mod in_flight;
mod health;
mod outcome;
mod turns;

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::Notify;

use self::circuit::Ticket;
use self::client::Admission;
use self::first_seen::FirstSeen;
use self::health::Health;
use self::in_flight::{InFlight, RefreshTask};
use self::turns::Turn;
use super::{Broker, Error};
use crate::clock::ClockReading;
use crate::event::Source;
use crate::failpoint;
use crate::identity::{Owner, TokenId};
use crate::log_limit::log_limited;
use crate::metrics::Series;
use crate::oauth;
use crate::provider::{Binding, Provider};
use crate::secret::RefreshToken;
use crate::token::{Freshness, Grant, State, Token};
use crate::vault;

/// When a caller is told to try again while the daemon stops: a restart takes
/// about as long.
const RETRY_AFTER_STOP: Duration = Duration::from_secs(2);

/// How a refresh ended.
#[derive(Clone, Debug)]
pub(super) enum Refreshed {
    /// The vault holds a newer grant, or held one already.
    Done,
    /// The grant has ended; a person is needed.
    Ended,
    /// It could not be done now; to be tried again after this long.
    RetryAfter(Duration),
    /// The provider refuses the client or this one grant; to be tried again
    /// after this long.
    Rejected(oauth::Error, Duration),
}

impl Refreshed {
    /// When to try again, if that is of use.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Done | Self::Ended => None,
            Self::RetryAfter(left) | Self::Rejected(_, left) => Some(*left),
        }
    }

    /// Its name in the metrics.
    fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Ended => "ended",
            Self::RetryAfter(_) => "unavailable",
            Self::Rejected(..) => "misconfigured",
        }
    }
}

/// Why a token is refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Somebody waits for a token that is good for longer.
    Asked,
    /// The same, and a person waits: it is tried although it is not its time.
    Person,
    /// A resource refused the token, although it is still good.
    Refused,
    /// It is due, though it may still be good.
    Background,
}

/// A refresh token that is being spent.
struct Attempt {
    /// The token as it was when the attempt was written down.
    token: Token,
    provider: Provider,
    refresh_token: RefreshToken,
    /// Why it is refreshed.
    purpose: Purpose,
    /// By which the request was let through.
    ticket: Ticket,
    /// When the request was sent first.
    sent_at: ClockReading,
    /// Whether it may have been spent, by this attempt or one before.
    in_doubt: bool,
}

/// What is remembered about refreshes, in memory.
#[derive(Debug, Default)]
pub(super) struct Refreshes {
    in_flight: InFlight,
    health: Health,
    first_seen: FirstSeen,
    /// Wakes the background when something may have become due.
    look_again: Notify,
}

impl Refreshes {
    /// Tries anew what failed before a client's settings were changed.
    pub(super) fn forget_client(&self, owner: Owner, binding: &Binding) {
        self.health.forget_client(owner, binding);
        self.look_again.notify_one();
    }

    /// Forgets every token but these.
    fn keep(&self, tokens: &HashSet<TokenId>, now: ClockReading) {
        self.health.keep(tokens, now);
        self.first_seen.keep(tokens);
    }
}

impl Broker {
    /// Refreshes a token, or joins the refresh of it that is under way, and
    /// waits for its end, but not longer than a caller has timeout.
    pub(super) async fn refreshed(&self, token: &Token, purpose: Purpose) -> Refreshed {
        match self.join_refresh(token, purpose) {
            Ok(task) => task.finished().await,
            Err(refused) => refused,
        }
    }

    /// Begins to refresh a token for which nobody waits yet. Where it cannot be
    /// done now, the next request for the token tries it.
    pub(super) fn begin_refresh(&self, token: &Token) {
        let _ = self.join_refresh(token, Purpose::Asked);
    }

    /// How far a token is from its end, by whichever clock is the sterner.
    pub(super) fn freshness(&self, token: &Token) -> Freshness {
        let now = self.0.env.reading();
        self.0.refreshes.first_seen.freshness(token, now)
    }

    /// Looks anew at what is due: a grant has been stored.
    pub(super) fn note_new_grant(&self) {
        self.0.refreshes.look_again.notify_one();
    }

    fn join_refresh(&self, token: &Token, purpose: Purpose) -> Result<RefreshTask, Refreshed> {
        let refreshes = &self.0.refreshes;
        let admission = || {
            if self.is_stopping() {
                // It could not be waited for: the next daemon refreshes it.
                return Err(Refreshed::RetryAfter(RETRY_AFTER_STOP));
            }
            let now = self.0.env.reading();
            refreshes.health.wakes(now);
            refreshes.health.admit(token, purpose, now)
        };
        let start = |outcome, Admission { ticket, turn }| {
            let (broker, token) = (self.clone(), token.clone());
            self.0.tasks.spawn(async move {
                let refreshes = &broker.0.refreshes;
                let guard = refreshes.in_flight.guard(token.id, outcome);
                let ended = broker.refresh_in_turn(&token, purpose, ticket, turn).await;
                let ended = ended.unwrap_or_else(|error| {
                    log_limited!(20, error, token.id = %token.id, error = %error, "a refresh could not be done");
                    Refreshed::RetryAfter(refreshes.health.stalled(&token, &broker.0.env))
                });
                let now = broker.0.env.reading();
                refreshes.health.ended(&token, ticket, now);
                let outcome = ended.name();
                broker
                    .0
                    .metrics
                    .count(token.owner, Series::Refresh { outcome });
                failpoint::pass("refresh.done");
                guard.complete(ended);
                refreshes.look_again.notify_one();
            });
        };
        refreshes.in_flight.join(token.id, admission, start)
    }

    /// Waits for a refresh's turn, and does it then.
    async fn refresh_in_turn(
        &self,
        token: &Token,
        purpose: Purpose,
        ticket: Ticket,
        turn: Option<Turn>,
    ) -> Result<Refreshed, Error> {
        let Some(turn) = turn else {
            return self.refresh(token, purpose, ticket).await;
        };
        let mut stopping = self.0.stopping.subscribe();
        let in_turn = async {
            if !turn.wait.is_zero() {
                self.0.env.clock.sleep(turn.wait).await;
            }
            turn.place().await
        };
        let place = tokio::select! {
            biased;
            place = in_turn => place,
            // Nothing was begun, and nothing is begun now.
            _ = stopping.wait_for(|stopping| *stopping) => {
                return Ok(Refreshed::RetryAfter(Duration::from_secs(1)));
            }
        };
        let refreshed = self.refresh(token, purpose, ticket).await;
        drop(place);
        refreshed
    }

    async fn refresh(
        &self,
        asked: &Token,
        purpose: Purpose,
        ticket: Ticket,
    ) -> Result<Refreshed, Error> {
        let (owner, id) = (asked.owner, asked.id);
        let Some(stored) = self.0.vault.read(|view| view.token(owner, id))? else {
            return Ok(Refreshed::Ended);
        };
        let token = &stored.token;
        if token.state != State::Active {
            return Ok(Refreshed::Ended);
        }
        let is_newer = token.generation != asked.generation;
        if !is_needed(purpose, is_newer, self.freshness(token)) {
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
        // Nothing is spent unless the answer can be stored; kept until it is.
        let _room = self.0.vault.room_for_answer(Some(&stored)).await?;
        failpoint::pass("refresh.begin");
        let (attempt, now) = (token.clone(), self.0.env.now());
        let begun = self.0.vault.write_for(attempt.owner, move |change| {
            change.begin_attempt(&attempt, now)
        });
        match begun.await {
            Ok(()) => {}
            // Deleted, or renewed by a person, in this moment: that stands.
            Err(vault::Error::NotFound) => return Ok(Refreshed::Done),
            Err(error) => return Err(error.into()),
        }
        failpoint::pass("refresh.recorded");
        self.send_refresh(Attempt {
            token: stored.token,
            provider,
            refresh_token,
            purpose,
            ticket,
            sent_at: self.0.env.reading(),
            in_doubt: was_in_doubt,
        })
        .await
    }

    /// Sends the refresh token and stores what comes of it.
    async fn send_refresh(&self, mut attempt: Attempt) -> Result<Refreshed, Error> {
        let health = &self.0.refreshes.health;
        let mut answer = self.send(&mut attempt).await?;
        if matches!(answer, Some(Err(oauth::Error::OutcomeUnknown { .. }))) {
            // Some servers answer the same refresh token twice within a grace period.
            answer = self.send(&mut attempt).await?;
        }
        failpoint::pass("refresh.answered");
        match answer {
            // Deleted, or renewed by a person, in this moment: that stands.
            None => Ok(Refreshed::Done),
            Some(Ok(grant)) => {
                health.succeeded(&attempt.token, self.0.env.reading());
                self.store_refresh(attempt, grant).await
            }
            Some(Err(oauth::Error::InvalidGrant { .. })) => {
                health.succeeded(&attempt.token, self.0.env.reading());
                let reason = if attempt.in_doubt {
                    "rotation_lost"
                } else {
                    "invalid_grant"
                };
                self.end_grant(&attempt.token, reason, Source::Refresh)
                    .await
            }
            Some(Err(error)) => self.note_failed_refresh(attempt, error).await,
        }
    }

    /// Sends the refresh token once. A refresh token that comes without an
    /// access token takes its place at once; `None` if it had none any more.
    async fn send(
        &self,
        attempt: &mut Attempt,
    ) -> Result<Option<Result<Grant, oauth::Error>>, Error> {
        let asked_at = self.0.env.now();
        let Attempt {
            token,
            provider,
            refresh_token,
            ..
        } = attempt;
        let sent = self
            .0
            .oauth
            .refresh(provider, refresh_token, &token.requested);
        let failed = match sent.await {
            Ok(grant) => {
                let expires_at = grant.expires_at.or_else(|| token.expiry_after(asked_at));
                return Ok(Some(Ok(Grant {
                    expires_at,
                    ..grant
                })));
            }
            Err(failed) => failed,
        };
        attempt.in_doubt |= matches!(failed.error, oauth::Error::OutcomeUnknown { .. });
        if let Some(new) = failed.refresh_token
            && !self.keep_refresh_token(attempt, new).await?
        {
            return Ok(None);
        }
        Ok(Some(Err(failed.error)))
    }
}

/// Whether a stored token is refreshed for `purpose`; `is_newer` if another
/// refresh or a person has renewed it since the refresh was asked for.
fn is_needed(purpose: Purpose, is_newer: bool, freshness: Freshness) -> bool {
    match purpose {
        // What was stored meanwhile answers the caller, if it is alive.
        Purpose::Asked | Purpose::Person if is_newer => freshness == Freshness::Dead,
        Purpose::Asked | Purpose::Person => freshness != Freshness::Fresh,
        Purpose::Background | Purpose::Refused => !is_newer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_that_was_renewed_meanwhile_is_refreshed_only_if_it_is_dead_and_asked_for() {
        for purpose in [Purpose::Asked, Purpose::Person] {
            assert!(!is_needed(purpose, true, Freshness::Fresh));
            assert!(!is_needed(purpose, true, Freshness::Stale));
            assert!(is_needed(purpose, true, Freshness::Dead));
            assert!(is_needed(purpose, false, Freshness::Stale));
        }
        for purpose in [Purpose::Background, Purpose::Refused] {
            assert!(!is_needed(purpose, true, Freshness::Dead));
            assert!(is_needed(purpose, false, Freshness::Fresh));
        }
    }
}
