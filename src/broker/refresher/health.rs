//! Whether a refresh may be tried now: what is known of each client at its
//! provider, and whether the machine has just woken.
//!
//! In memory only: a daemon that starts anew tries everything anew.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::circuit::Ticket;
use super::client::{Admission, Client, Failed};
use super::{Purpose, Refreshed};
use crate::clock::{ClockReading, Cooldown, Env};
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
    clients: HashMap<(Owner, Binding), Client>,
    /// When the clocks were last compared.
    seen: Option<ClockReading>,
    /// How often the machine was found to have slept.
    wakes: u64,
    /// Runs from a wake-up for as long as the network may take.
    waking: Option<Cooldown>,
}

impl State {
    fn client(&mut self, token: &Token) -> &mut Client {
        let key = (token.owner, token.binding.clone());
        self.clients.entry(key).or_default()
    }
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compares the clocks; how often, in all, the machine was found to have
    /// slept, or its clock to have been set. What was held against providers
    /// before that is forgotten, but for what they asked for themselves.
    pub(super) fn wakes(&self, now: ClockReading) -> u64 {
        let mut state = self.lock();
        let seen = state.seen.replace(now);
        if seen.is_some_and(|seen| now.jump_since(seen) > JUMP) {
            state.wakes += 1;
            state.waking = Some(Cooldown::new(now, NETWORK_GRACE));
            for client in state.clients.values_mut() {
                client.wake(now);
            }
            tracing::info!("the machine slept, or its clock was set; catching up");
        }
        state.wakes
    }

    /// Whether a token's refresh may be tried now; else what to answer. Who is
    /// let through says how it ended.
    pub(super) fn admit(
        &self,
        token: &Token,
        purpose: Purpose,
        now: ClockReading,
    ) -> Result<Admission, Refreshed> {
        self.lock().client(token).admit(token.id, purpose, now)
    }

    /// Notes that the provider answered as it should, with a grant or with
    /// the end of one.
    pub(super) fn succeeded(&self, token: &Token, now: ClockReading) {
        self.lock().client(token).succeed(token.id, now);
    }

    /// Notes that it did not; how long to wait before trying again.
    pub(super) fn failed(
        &self,
        token: &Token,
        ticket: Ticket,
        failed: Failed<'_>,
        env: &Env,
    ) -> Duration {
        use oauth::Error as E;
        let now = env.reading();
        let mut state = self.lock();
        let is_waking = state.waking.is_some_and(|pause| !pause.left(now).is_zero());
        let client = state.client(token);
        if is_waking && matches!(failed.error, E::Unreachable | E::OutcomeUnknown { .. }) {
            client.excuse(ticket, now, NETWORK_WAIT);
            return NETWORK_WAIT;
        }
        client.fail(ticket, failed, env)
    }

    /// Notes a refresh that could not be tried for reasons of our own.
    pub(super) fn stalled(&self, token: &Token, env: &Env) -> Duration {
        self.lock().client(token).stall(token.id, env)
    }

    /// Notes that a refresh that was let through has ended. If it asked the
    /// provider nothing, and was the circuit's probe, the next one is.
    pub(super) fn ended(&self, token: &Token, ticket: Ticket, now: ClockReading) {
        self.lock().client(token).end(ticket, now);
    }

    /// Forgets what is held against a client whose settings were changed: all
    /// of its tokens may be refreshed now.
    pub(super) fn forget_client(&self, owner: Owner, binding: &Binding) {
        let key = (owner, binding.clone());
        if let Some(client) = self.lock().clients.get_mut(&key) {
            client.forget();
        }
    }

    /// Forgets every token but these.
    pub(super) fn keep(&self, tokens: &HashSet<TokenId>, now: ClockReading) {
        let clients = &mut self.lock().clients;
        clients.retain(|_, client| client.keep(tokens, now));
    }
}
