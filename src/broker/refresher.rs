//! Refreshing grants: one refresh at a time per token, shared by all who ask, in an
//! order that loses no grant at a crash.
//!
//! 1. The attempt is stored, which also shows that the store can be written. 2. The
//!    refresh token is sent, once. 3. The new pair is durable. 4. The callers are
//!    answered. It runs in a task of its own, so that no disconnect stops it between
//!    2 and 3.
//!
//! [`Refresher`] is the lowest component: logins, tokens and providers use it.

mod attempt;
mod background;
mod backoff;
mod circuit;
mod client;
mod demand;
mod first_seen;
mod health;
mod in_flight;
mod issue;
mod outcome;
mod turns;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use self::circuit::Ticket;
use self::client::Admission;
use self::demand::Reminders;
use self::first_seen::FirstSeen;
use self::health::Health;
use self::in_flight::{InFlight, RefreshTask};
use self::turns::Turn;
use super::Error;
use super::context::Context;
use super::provider_lookup::ProviderLookup;
use super::revoker::Revoker;
use crate::clock::ClockReading;
use crate::failpoint;
use crate::identity::{Owner, TokenId};
use crate::log_limit::log_limited;
use crate::metrics::Series;
use crate::oauth;
use crate::provider::Binding;
use crate::token::{Freshness, Token};

pub(super) use self::demand::{Demand, Served};
pub use self::issue::IssuedToken;

/// What callers get as the time to retry while the daemon stops: about as long as
/// a restart takes.
const RETRY_AFTER_STOP: Duration = Duration::from_secs(2);

/// The result of a refresh.
#[derive(Clone, Debug)]
pub(super) enum Refreshed {
    /// The vault holds a newer grant, or held one already.
    Done,
    /// The grant has ended; a person is needed.
    Ended,
    /// It could not be done now; try again after this long.
    RetryAfter(Duration),
    /// The provider refuses the client or this one grant; try again after this
    /// long.
    Rejected(oauth::Error, Duration),
}

impl Refreshed {
    /// How long to wait before trying again, if another try makes sense.
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
    /// A caller waits for a token that is good for longer.
    Asked,
    /// The same for a person who waits: it is tried even during a backoff.
    Person,
    /// A resource refused the token, although it is still good.
    Refused,
    /// It is due, although it may still be good.
    Background,
}

/// Refreshes tokens; clones share its state.
#[derive(Clone, Debug)]
pub struct Refresher {
    context: Arc<Context>,
    providers: Arc<ProviderLookup>,
    revoker: Revoker,
    state: Arc<State>,
}

/// What is remembered about refreshes, in memory.
#[derive(Debug, Default)]
struct State {
    in_flight: InFlight,
    health: Health,
    first_seen: FirstSeen,
    reminders: Reminders,
    /// Wakes the background loop when something may have become due.
    look_again: Notify,
}

impl Refresher {
    pub(super) fn new(
        context: Arc<Context>,
        providers: Arc<ProviderLookup>,
        revoker: Revoker,
    ) -> Self {
        Self {
            context,
            providers,
            revoker,
            state: Arc::default(),
        }
    }

    /// Lets a client's tokens be refreshed at once: its settings were changed, so
    /// earlier failures say nothing any more.
    pub(super) fn forget_client(&self, owner: Owner, binding: &Binding) {
        self.state.health.forget_client(owner, binding);
        self.state.look_again.notify_one();
    }

    /// Forgets every token but these.
    fn keep(&self, tokens: &HashSet<TokenId>, now: ClockReading) {
        self.state.health.keep(tokens, now);
        self.state.first_seen.keep(tokens);
    }

    /// Refreshes a token, or joins the refresh of it that is under way, and waits
    /// for its end or the callers' timeout.
    pub(super) async fn refreshed(&self, token: &Token, purpose: Purpose) -> Refreshed {
        match self.join_refresh(token, purpose) {
            Ok(task) => task.finished().await,
            Err(refused) => refused,
        }
    }

    /// Begins to refresh a token without waiting. If that cannot be done now, the
    /// next request for the token tries it.
    pub(super) fn begin_refresh(&self, token: &Token) {
        let _ = self.join_refresh(token, Purpose::Asked);
    }

    /// How far a token is from its expiry, by the stricter of the two clocks.
    pub(super) fn freshness(&self, token: &Token) -> Freshness {
        let now = self.context.env.reading();
        self.state.first_seen.freshness(token, now)
    }

    /// Tells the background loop that a grant has been stored.
    pub(super) fn note_new_grant(&self) {
        self.state.look_again.notify_one();
    }

    fn join_refresh(&self, token: &Token, purpose: Purpose) -> Result<RefreshTask, Refreshed> {
        let state = &self.state;
        let admission = || {
            if self.context.is_stopping() {
                // The next daemon refreshes it: this one could not wait for it.
                return Err(Refreshed::RetryAfter(RETRY_AFTER_STOP));
            }
            let now = self.context.env.reading();
            state.health.wakes(now);
            state.health.admit(token, purpose, now)
        };
        let start = |outcome, Admission { ticket, turn }| {
            let (refresher, token) = (self.clone(), token.clone());
            self.context.tasks.spawn(async move {
                let state = &refresher.state;
                let context = &refresher.context;
                let guard = state.in_flight.guard(token.id, outcome);
                let ended = refresher.refresh_in_turn(&token, purpose, ticket, turn).await;
                let ended = ended.unwrap_or_else(|error| {
                    log_limited!(20, error, token.id = %token.id, error = %error, "a refresh could not be done");
                    Refreshed::RetryAfter(state.health.stalled(&token, &context.env))
                });
                let now = context.env.reading();
                state.health.ended(&token, ticket, now);
                let outcome = ended.name();
                context
                    .metrics
                    .count(token.owner, Series::Refresh { outcome });
                failpoint::pass("refresh.done");
                guard.complete(ended);
                state.look_again.notify_one();
            });
        };
        state.in_flight.join(token.id, admission, start)
    }

    /// Waits for a refresh's turn, then refreshes.
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
        let mut stopping = self.context.stopping();
        let in_turn = async {
            if !turn.wait.is_zero() {
                self.context.env.clock.sleep(turn.wait).await;
            }
            turn.permit().await
        };
        let permit = tokio::select! {
            biased;
            permit = in_turn => permit,
            // Nothing was begun yet, and nothing may begin now.
            _ = stopping.wait_for(|stopping| *stopping) => {
                return Ok(Refreshed::RetryAfter(Duration::from_secs(1)));
            }
        };
        let refreshed = self.refresh(token, purpose, ticket).await;
        drop(permit);
        refreshed
    }
}
