//! Whether a refresh may be tried now: each token's backoff, each provider's
//! circuit, and whether the machine has just woken.
//!
//! In memory only: a daemon that starts anew tries everything anew.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Refreshed;
use super::backoff::Backoff;
use super::circuit::Circuit;
use crate::clock::{Ambient, Moment, Pause};
use crate::identity::{Owner, TokenId};
use crate::oauth;
use crate::provider::Binding;
use crate::token::Token;

/// Clocks that differ by more than this between two looks mean that the
/// machine slept, or that its clock was set.
const JUMP: Duration = Duration::from_secs(10);

/// How long after waking the network may take to be there; until then, a
/// failure to reach a provider says nothing about the provider.
const NETWORK_GRACE: Duration = Duration::from_secs(60);

/// The wait after such a failure.
const NETWORK_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    backoffs: HashMap<TokenId, Backoff>,
    circuits: HashMap<(Owner, Binding), Circuit>,
    /// When the clocks were last compared.
    seen: Option<Moment>,
    /// How often the machine was found to have slept.
    wakes: u64,
    /// Runs from a wake-up for as long as the network may take.
    waking: Option<Pause>,
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compares the clocks; how often, in all, the machine was found to have
    /// slept, or its clock to have been set. What was held against providers
    /// before that is forgotten, but for what they asked for themselves.
    pub(super) fn wakes(&self, now: Moment) -> u64 {
        let mut state = self.lock();
        let seen = state.seen.replace(now);
        if seen.is_some_and(|seen| now.jump_since(seen) > JUMP) {
            state.wakes += 1;
            state.waking = Some(Pause::new(now, NETWORK_GRACE));
            state.backoffs.retain(|_, backoff| backoff.was_asked_for());
            state.circuits.retain(|_, circuit| circuit.is_refused());
            tracing::info!("the machine slept, or its clock was set; catching up");
        }
        state.wakes
    }

    /// Whether a token's refresh may be tried now; else what to answer. Who is
    /// let through says how it ended.
    pub(super) fn admit(&self, token: &Token, now: Moment) -> Result<(), Refreshed> {
        let mut state = self.lock();
        let backoff = state.backoffs.get(&token.id);
        let left = backoff.map_or(Duration::ZERO, |backoff| backoff.left(now));
        if !left.is_zero() {
            return Err(Refreshed::NotNow(left));
        }
        let Some(circuit) = state.circuits.get_mut(&key(token)) else {
            return Ok(());
        };
        circuit.admit(now).map_err(|shut| match shut.refusal {
            Some(refusal) => Refreshed::Refused(refusal, shut.left),
            None => Refreshed::NotNow(shut.left),
        })
    }

    /// Notes that the provider answered as it should, with a grant or with
    /// the end of one.
    pub(super) fn succeeded(&self, token: &Token) {
        let mut state = self.lock();
        state.backoffs.remove(&token.id);
        state.circuits.remove(&key(token));
    }

    /// Notes that it did not; how long to wait before trying again.
    pub(super) fn failed(
        &self,
        token: &Token,
        error: &oauth::Error,
        ambient: &Ambient,
    ) -> Duration {
        use oauth::Error as E;
        let now = ambient.moment();
        let mut state = self.lock();
        let is_waking = state.waking.is_some_and(|pause| !pause.left(now).is_zero());
        let backoff = state.backoffs.entry(token.id).or_default();
        if is_waking && matches!(error, E::Unreachable | E::InDoubt { .. }) {
            backoff.wait(now, NETWORK_WAIT);
            return NETWORK_WAIT;
        }
        let retry_after = match error {
            E::Unavailable { retry_after } | E::InDoubt { retry_after, .. } => *retry_after,
            _ => None,
        };
        backoff.fail(retry_after, now, |end| ambient.below(end));
        let wait = backoff.left(now);
        if matches!(error, E::Refused { .. }) {
            return wait; // The provider is there and knows the client.
        }
        let circuit = state.circuits.entry(key(token)).or_default();
        circuit.fail(error, now, |end| ambient.below(end));
        let shut = circuit.clone().admit(now).err();
        shut.map_or(wait, |shut| wait.max(shut.left))
    }

    /// Notes a refresh that could not be tried for reasons of our own.
    pub(super) fn stalled(&self, token: &Token, ambient: &Ambient) -> Duration {
        let now = ambient.moment();
        let mut state = self.lock();
        let backoff = state.backoffs.entry(token.id).or_default();
        backoff.fail(None, now, |end| ambient.below(end));
        backoff.left(now)
    }

    /// Notes that a refresh that was let through has ended. If it asked the
    /// provider nothing, and was the circuit's probe, the next one is.
    pub(super) fn ended(&self, token: &Token, now: Moment) {
        if let Some(circuit) = self.lock().circuits.get_mut(&key(token)) {
            circuit.release(now);
        }
    }

    /// Forgets what is held against a client whose settings were changed: all
    /// of its tokens may be refreshed now.
    pub(super) fn forget_client(&self, owner: Owner, binding: &Binding) {
        let mut state = self.lock();
        state.circuits.remove(&(owner, binding.clone()));
        state.backoffs.retain(|_, backoff| backoff.was_asked_for());
    }

    /// Forgets every token but these.
    pub(super) fn keep(&self, tokens: &HashSet<TokenId>) {
        self.lock().backoffs.retain(|id, _| tokens.contains(id));
    }
}

fn key(token: &Token) -> (Owner, Binding) {
    (token.owner, token.binding.clone())
}
