//! The refreshes that are under way: one per token, shared by all its callers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Refreshed;
use crate::identity::TokenId;

/// How long callers wait for a refresh, counted from its beginning. The refresh
/// continues after that. Shorter than the 5 s after which Python's httpx, and with
/// it the SDK, gives up.
const TIMEOUT: Duration = Duration::from_secs(4);

/// What callers get as the time to retry when they have waited that long.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The refresh of each token that has one under way.
#[derive(Debug, Default)]
pub(super) struct InFlight(Mutex<HashMap<TokenId, RefreshTask>>);

/// A refresh under way.
#[derive(Clone, Debug)]
pub(super) struct RefreshTask {
    began: Instant,
    outcome: watch::Receiver<Option<Refreshed>>,
}

/// Removes the entry when dropped, even on panic, then wakes the waiters.
#[derive(Debug)]
pub(super) struct CompletionGuard<'a> {
    in_flight: &'a InFlight,
    token: TokenId,
    outcome: Option<watch::Sender<Option<Refreshed>>>,
}

impl InFlight {
    fn lock(&self) -> MutexGuard<'_, HashMap<TokenId, RefreshTask>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the refresh of a token. If there is none, `start` begins one, unless
    /// `admission` refuses.
    pub(super) fn join<A>(
        &self,
        token: TokenId,
        admission: impl FnOnce() -> Result<A, Refreshed>,
        start: impl FnOnce(watch::Sender<Option<Refreshed>>, A),
    ) -> Result<RefreshTask, Refreshed> {
        let mut tasks = self.lock();
        if let Some(task) = tasks.get(&token) {
            return Ok(task.clone());
        }
        let admission = admission()?;
        let (sender, outcome) = watch::channel(None);
        let task = RefreshTask {
            began: Instant::now(),
            outcome,
        };
        tasks.insert(token, task.clone());
        start(sender, admission);
        Ok(task)
    }

    /// The guard of a refresh that has begun.
    pub(super) fn guard(
        &self,
        token: TokenId,
        outcome: watch::Sender<Option<Refreshed>>,
    ) -> CompletionGuard<'_> {
        CompletionGuard {
            in_flight: self,
            token,
            outcome: Some(outcome),
        }
    }

    /// Whether a token is being refreshed.
    pub(super) fn has(&self, token: TokenId) -> bool {
        self.lock().contains_key(&token)
    }
}

impl RefreshTask {
    /// The result, or [`Refreshed::RetryAfter`] after [`TIMEOUT`].
    pub(super) async fn finished(mut self) -> Refreshed {
        let ended = self.outcome.wait_for(Option::is_some);
        let outcome = tokio::time::timeout_at(self.began + TIMEOUT, ended).await;
        let outcome = outcome.ok().and_then(Result::ok);
        outcome
            .and_then(|outcome| outcome.clone())
            .unwrap_or(Refreshed::RetryAfter(RETRY_AFTER))
    }
}

impl CompletionGuard<'_> {
    /// Removes the entry and gives the result to the waiters.
    pub(super) fn complete(mut self, refreshed: Refreshed) {
        let outcome = self.outcome.take();
        // The entry goes first, so that a new caller reads the vault again.
        drop(self);
        if let Some(outcome) = outcome {
            outcome.send_replace(Some(refreshed));
        }
    }
}

impl Drop for CompletionGuard<'_> {
    fn drop(&mut self) {
        self.in_flight.lock().remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn join(in_flight: &InFlight) -> (RefreshTask, Option<watch::Sender<Option<Refreshed>>>) {
        let mut started = None;
        let task = in_flight.join(id(), || Ok(()), |sender, ()| started = Some(sender));
        (task.unwrap(), started)
    }

    fn id() -> TokenId {
        TokenId::new(Uuid::nil())
    }

    #[tokio::test]
    async fn callers_of_one_token_share_one_refresh() {
        let in_flight = InFlight::default();
        let (first, started) = join(&in_flight);
        let (second, again) = join(&in_flight);
        assert!(again.is_none());
        in_flight
            .guard(id(), started.unwrap())
            .complete(Refreshed::Done);
        assert!(matches!(first.finished().await, Refreshed::Done));
        assert!(matches!(second.finished().await, Refreshed::Done));
        assert!(!in_flight.has(id()));
    }

    #[tokio::test]
    async fn a_panicking_refresh_wakes_its_waiters() {
        let in_flight = InFlight::default();
        let (task, started) = join(&in_flight);
        drop(in_flight.guard(id(), started.unwrap()));
        assert!(matches!(task.finished().await, Refreshed::RetryAfter(_)));
        assert!(join(&in_flight).1.is_some());
    }

    #[tokio::test]
    async fn a_late_caller_of_a_long_refresh_shares_its_timeout() {
        let in_flight = InFlight::default();
        let (mut task, _started) = join(&in_flight);
        task.began = Instant::now() - TIMEOUT;
        let outcome = tokio::time::timeout(TIMEOUT / 2, task.finished());
        assert!(matches!(outcome.await, Ok(Refreshed::RetryAfter(_))));
    }
}
