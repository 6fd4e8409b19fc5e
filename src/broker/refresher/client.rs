//! What is known of one client at one provider: its circuit, each token's
//! backoff, and the turns in which its refreshes begin.
//!
//! While the circuit is open, it decides when the provider is asked again, and the
//! tokens' own backoffs do not count. A wait that the provider asked for, and the
//! backoff after a refusal of one token, count all the same.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::backoff::{Backoff, Cause, Doubt};
use super::circuit::{Circuit, Ticket};
use super::turns::{Turn, Turns};
use super::{Purpose, Refreshed};
use crate::clock::{ClockReading, Cooldown, Env};
use crate::identity::TokenId;
use crate::oauth;

/// How often a caller can force the refresh of one token: a resource that refuses
/// every token must not cause a refresh at each request.
const FORCED_INTERVAL: Duration = Duration::from_secs(30);

/// The state of one client.
#[derive(Debug, Default)]
pub(super) struct Client {
    circuit: Circuit,
    backoffs: HashMap<TokenId, Backoff>,
    turns: Turns,
    /// Tokens whose refresh was forced, until it can be forced again.
    forced: HashMap<TokenId, Cooldown>,
}

/// A refresh that is admitted.
#[derive(Debug)]
pub(super) struct Admission {
    /// The circuit's ticket, to be returned with the result.
    pub(super) ticket: Ticket,
    /// When it may begin; `None` if at once.
    pub(super) turn: Option<Turn>,
}

/// How a refresh failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed<'a> {
    /// The provider's error, or why there is no answer.
    pub(super) error: &'a oauth::Error,
    /// The refresh token that was sent, if it may be spent.
    pub(super) doubt: Option<Doubt>,
}

impl Client {
    /// Admits a token's refresh, or says why it may not be tried now.
    pub(super) fn admit(
        &mut self,
        token: TokenId,
        purpose: Purpose,
        now: ClockReading,
    ) -> Result<Admission, Refreshed> {
        let left = self.left(token, now);
        match (purpose, self.forced_left(token, now)) {
            (Purpose::Refused, left) if !left.is_zero() => {
                return Err(Refreshed::RetryAfter(left));
            }
            (Purpose::Person, forced) if !left.is_zero() && forced.is_zero() => {
                return Ok(self.force(token, now));
            }
            _ => {}
        }
        let admission = self.admit_in_time(token, purpose, left, now)?;
        if purpose == Purpose::Refused {
            self.forced
                .insert(token, Cooldown::new(now, FORCED_INTERVAL));
        }
        Ok(admission)
    }

    /// Admits a token's refresh in spite of its backoff and the circuit.
    fn force(&mut self, token: TokenId, now: ClockReading) -> Admission {
        self.forced
            .insert(token, Cooldown::new(now, FORCED_INTERVAL));
        let ticket = self.circuit.admit(token, now);
        Admission {
            ticket: ticket.unwrap_or_else(|_| Ticket::beside(token)),
            turn: None,
        }
    }

    /// How long until a token's refresh can be forced again.
    fn forced_left(&self, token: TokenId, now: ClockReading) -> Duration {
        let forced = self.forced.get(&token);
        forced.map_or(Duration::ZERO, |pause| pause.left(now))
    }

    /// Admits a token's refresh if `left`, the time until it may be tried, is zero.
    fn admit_in_time(
        &mut self,
        token: TokenId,
        purpose: Purpose,
        left: Duration,
        now: ClockReading,
    ) -> Result<Admission, Refreshed> {
        let backoff = self.backoffs.get(&token);
        if !left.is_zero() {
            return Err(self.refused(backoff, left, now));
        }
        if backoff.is_some_and(|backoff| *backoff.cause() == Cause::Doubt) {
            let ticket = self.circuit.admit(token, now);
            return Ok(Admission {
                ticket: ticket.unwrap_or_else(|_| Ticket::beside(token)),
                turn: None,
            });
        }
        let turn = self
            .turns
            .take(purpose, now)
            .map_err(Refreshed::RetryAfter)?;
        let ticket = self
            .circuit
            .admit(token, now)
            .map_err(|pause| match pause.refusal {
                Some(refusal) => Refreshed::Rejected(refusal, pause.left),
                None => Refreshed::RetryAfter(pause.left),
            })?;
        Ok(Admission {
            ticket,
            turn: Some(turn),
        })
    }

    /// How long until a token's refresh may be tried.
    fn left(&self, token: TokenId, now: ClockReading) -> Duration {
        let circuit = self.circuit.left(token, now);
        let Some(backoff) = self.backoffs.get(&token) else {
            return circuit;
        };
        let own = backoff.left(now);
        match backoff.cause() {
            Cause::Outage if self.circuit.is_open() => circuit,
            Cause::Doubt if self.circuit.is_open() => own.min(circuit),
            _ => own.max(circuit),
        }
    }

    fn refused(&self, backoff: Option<&Backoff>, left: Duration, now: ClockReading) -> Refreshed {
        let own = backoff.filter(|backoff| !backoff.left(now).is_zero());
        match (own.map(Backoff::cause), self.circuit.refusal()) {
            (Some(Cause::Refusal(error)), _) => Refreshed::Rejected(error.clone(), left),
            (_, Some(error)) => Refreshed::Rejected(error.clone(), left),
            _ => Refreshed::RetryAfter(left),
        }
    }

    /// Notes a valid answer of the provider: a grant or `invalid_grant`.
    pub(super) fn succeed(&mut self, token: TokenId, now: ClockReading) {
        self.backoffs.remove(&token);
        self.answered(now);
    }

    /// Notes that the provider answers and accepts the client.
    fn answered(&mut self, now: ClockReading) {
        if self.circuit.succeed() {
            self.backoffs
                .retain(|_, backoff| backoff.outlasts_an_outage());
            self.turns.spread(now);
        }
    }

    /// Notes a failure. Returns how long to wait before trying again.
    pub(super) fn fail(&mut self, ticket: Ticket, failed: Failed<'_>, env: &Env) -> Duration {
        use oauth::Error as E;
        let (now, token) = (env.reading(), ticket.token());
        let below = |end| env.below(end);
        match failed.error {
            E::Refused { .. } => self.answered(now),
            // Nothing was sent: the fault is on this machine.
            E::HttpClient { .. } => self.circuit.release(ticket, now),
            error => self.circuit.fail(ticket, error, now, below),
        }
        let backoff = self.backoffs.entry(token).or_default();
        let is_waiting = failed
            .doubt
            .is_some_and(|doubt| backoff.doubt(doubt, now, below));
        if !is_waiting {
            backoff.fail(failed.error, now, below);
        }
        self.left(token, now)
    }

    /// Notes a failure that says nothing about the provider, and waits `wait`.
    pub(super) fn excuse(&mut self, ticket: Ticket, now: ClockReading, wait: Duration) {
        self.circuit.release(ticket, now);
        let backoff = self.backoffs.entry(ticket.token()).or_default();
        backoff.wait(now, wait);
    }

    /// Notes a refresh that the daemon itself could not do. Returns how long to wait
    /// before trying again.
    pub(super) fn stall(&mut self, token: TokenId, env: &Env) -> Duration {
        let now = env.reading();
        let backoff = self.backoffs.entry(token).or_default();
        let here = oauth::Error::HttpClient {
            what: String::new(),
        };
        backoff.fail(&here, now, |end| env.below(end));
        backoff.left(now)
    }

    /// Notes that a request has ended, if nothing else was noted of it.
    pub(super) fn end(&mut self, ticket: Ticket, now: ClockReading) {
        self.circuit.release(ticket, now);
    }

    /// Forgets the failures that the machine's sleep may have caused.
    pub(super) fn wake(&mut self, now: ClockReading) {
        if self.circuit.refusal().is_none() {
            self.circuit.reset();
        }
        self.backoffs
            .retain(|_, backoff| backoff.outlasts_an_outage());
        self.turns.spread(now);
    }

    /// Forgets the failures of the client, whose settings were changed.
    pub(super) fn forget(&mut self) {
        self.circuit.reset();
        self.backoffs
            .retain(|_, backoff| *backoff.cause() == Cause::AskedFor);
    }

    /// Forgets every token but these. Returns whether anything is left to remember.
    pub(super) fn keep(&mut self, tokens: &HashSet<TokenId>, now: ClockReading) -> bool {
        self.backoffs.retain(|id, _| tokens.contains(id));
        self.forced.retain(|_, pause| !pause.left(now).is_zero());
        let is_idle = self.backoffs.is_empty()
            && self.forced.is_empty()
            && !self.circuit.is_open()
            && self.turns.is_idle(now);
        !is_idle
    }
}
