//! What is known of one client at one provider: its circuit, each token's
//! backoff, and the turns in which its refreshes begin.
//!
//! While the circuit is open, it decides when the provider is asked again, in
//! place of the tokens' own backoffs; but not in place of what the provider
//! asked for, or of one token's refusal.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::backoff::{Backoff, Cause, Doubt};
use super::circuit::{Circuit, Ticket};
use super::turns::{Turn, Turns};
use super::{Purpose, Refreshed};
use crate::clock::{ClockReading, Cooldown, Env};
use crate::identity::TokenId;
use crate::oauth;

/// How often one token is refreshed because somebody insists: a resource that
/// refuses whatever it is shown must not cost a refresh at each request.
const INSISTENCE: Duration = Duration::from_secs(30);

/// The state of one client.
#[derive(Debug, Default)]
pub(super) struct Client {
    circuit: Circuit,
    backoffs: HashMap<TokenId, Backoff>,
    turns: Turns,
    /// Tokens that were refreshed because somebody insisted, until they may be
    /// again.
    insisted: HashMap<TokenId, Cooldown>,
}

/// A refresh that may be tried.
#[derive(Debug)]
pub(super) struct Admission {
    /// To be given back with how it ended.
    pub(super) ticket: Ticket,
    /// When it may begin; `None` if at once, whatever else is under way.
    pub(super) turn: Option<Turn>,
}

/// How a refresh failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed<'a> {
    /// Why.
    pub(super) error: &'a oauth::Error,
    /// What was sent, if it may be spent.
    pub(super) doubt: Option<Doubt>,
}

impl Client {
    /// Whether a token's refresh may be tried now; else what to answer.
    pub(super) fn admit(
        &mut self,
        token: TokenId,
        purpose: Purpose,
        now: ClockReading,
    ) -> Result<Admission, Refreshed> {
        let left = self.left(token, now);
        match (purpose, self.insistence_left(token, now)) {
            (Purpose::Refused, insisted) if !insisted.is_zero() => {
                return Err(Refreshed::RetryAfter(insisted));
            }
            (Purpose::Person, insisted) if !left.is_zero() && insisted.is_zero() => {
                return Ok(self.insist(token, now));
            }
            _ => {}
        }
        let admission = self.admit_in_time(token, purpose, left, now)?;
        if purpose == Purpose::Refused {
            self.insisted.insert(token, Cooldown::new(now, INSISTENCE));
        }
        Ok(admission)
    }

    /// Lets a token's refresh through although it is not its time.
    fn insist(&mut self, token: TokenId, now: ClockReading) -> Admission {
        self.insisted.insert(token, Cooldown::new(now, INSISTENCE));
        let ticket = self.circuit.admit(token, now);
        Admission {
            ticket: ticket.unwrap_or_else(|_| Ticket::beside(token)),
            turn: None,
        }
    }

    /// How long until somebody may insist on a token's refresh.
    fn insistence_left(&self, token: TokenId, now: ClockReading) -> Duration {
        let insisted = self.insisted.get(&token);
        insisted.map_or(Duration::ZERO, |pause| pause.left(now))
    }

    /// Lets a token's refresh through if `left`, the time until it may be tried,
    /// is over.
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

    /// Notes that the provider answered as it should, with a grant or with the
    /// end of one.
    pub(super) fn succeed(&mut self, token: TokenId, now: ClockReading) {
        self.backoffs.remove(&token);
        self.answered(now);
    }

    /// Notes that the provider is there and knows the client.
    fn answered(&mut self, now: ClockReading) {
        if self.circuit.succeed() {
            self.backoffs
                .retain(|_, backoff| backoff.outlasts_an_outage());
            self.turns.spread(now);
        }
    }

    /// Notes that it did not; how long to wait before trying again.
    pub(super) fn fail(&mut self, ticket: Ticket, failed: Failed<'_>, env: &Env) -> Duration {
        use oauth::Error as E;
        let (now, token) = (env.reading(), ticket.token());
        let below = |end| env.below(end);
        match failed.error {
            E::Refused { .. } => self.answered(now),
            // Nothing was asked: this machine is at fault.
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

    /// Notes a failure that says nothing about the provider, and waits so long.
    pub(super) fn excuse(&mut self, ticket: Ticket, now: ClockReading, wait: Duration) {
        self.circuit.release(ticket, now);
        let backoff = self.backoffs.entry(ticket.token()).or_default();
        backoff.wait(now, wait);
    }

    /// Notes a refresh that could not be tried for reasons of our own; how long
    /// to wait before trying again.
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

    /// Forgets what the machine's sleep may have brought about.
    pub(super) fn wake(&mut self, now: ClockReading) {
        if self.circuit.refusal().is_none() {
            self.circuit.reset();
        }
        self.backoffs
            .retain(|_, backoff| backoff.outlasts_an_outage());
        self.turns.spread(now);
    }

    /// Forgets what is held against the client, whose settings were changed.
    pub(super) fn forget(&mut self) {
        self.circuit.reset();
        self.backoffs
            .retain(|_, backoff| *backoff.cause() == Cause::AskedFor);
    }

    /// Forgets every token but these; whether there is anything left to know.
    pub(super) fn keep(&mut self, tokens: &HashSet<TokenId>, now: ClockReading) -> bool {
        self.backoffs.retain(|id, _| tokens.contains(id));
        self.insisted.retain(|_, pause| !pause.left(now).is_zero());
        let is_idle = self.backoffs.is_empty()
            && self.insisted.is_empty()
            && !self.circuit.is_open()
            && self.turns.is_idle(now);
        !is_idle
    }
}
