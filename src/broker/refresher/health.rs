//! Whether a refresh may be tried now: what is known of each client at its provider,
//! and whether the machine has just woken.
//!
//! It is kept in memory only, so a restart tries everything again.

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

/// If the two clocks advanced by amounts that differ by more than this, the machine
/// slept or its clock was set.
const JUMP: Duration = Duration::from_secs(10);

/// How long the network may take to come up after waking. Until then, a failure to
/// reach a provider says nothing about the provider.
const NETWORK_GRACE: Duration = Duration::from_secs(60);

/// The wait after such a failure.
const NETWORK_WAIT: Duration = Duration::from_secs(2);

/// What is known of all clients.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    clients: HashMap<(Owner, Binding), Client>,
    /// When the clocks were last compared.
    seen: Option<ClockReading>,
    /// How often the machine was found to have slept.
    wakes: u64,
    /// Runs for [`NETWORK_GRACE`] after a wake-up.
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

    /// Compares the clocks. Returns how often the machine has slept, or its clock was
    /// set, since the start. After a wake-up, earlier failures are forgotten, except
    /// for the waits that providers asked for.
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

    /// Admits a token's refresh, or says why it may not be tried now. The result of
    /// an admitted one is reported by the methods below.
    pub(super) fn admit(
        &self,
        token: &Token,
        purpose: Purpose,
        now: ClockReading,
    ) -> Result<Admission, Refreshed> {
        self.lock().client(token).admit(token.id, purpose, now)
    }

    /// Notes a valid answer of the provider: a grant or `invalid_grant`.
    pub(super) fn succeeded(&self, token: &Token, now: ClockReading) {
        self.lock().client(token).succeed(token.id, now);
    }

    /// Notes a failure. Returns how long to wait before trying again.
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

    /// Notes a refresh that the daemon itself could not do.
    pub(super) fn stalled(&self, token: &Token, env: &Env) -> Duration {
        self.lock().client(token).stall(token.id, env)
    }

    /// Notes that an admitted refresh has ended. If it was the circuit's probe and
    /// sent nothing, the next one becomes the probe.
    pub(super) fn ended(&self, token: &Token, ticket: Ticket, now: ClockReading) {
        self.lock().client(token).end(ticket, now);
    }

    /// Forgets the failures of a client whose settings were changed: all of its
    /// tokens may be refreshed now.
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
