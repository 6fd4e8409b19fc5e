//! The refreshes that are under way: one per token, shared by all who ask.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Refreshed;
use crate::identity::TokenId;

/// How long a refresh is waited for, counted from its beginning; it goes on
/// without those who wait. Shorter than the 5 s after which Python's httpx, and
/// with it the SDK, gives up.
const PATIENCE: Duration = Duration::from_secs(4);

/// When a caller is told to try again who has waited long enough.
const RETRY_AFTER: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<TokenId, Flight>>);

/// A refresh under way.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    began: Instant,
    outcome: watch::Receiver<Option<Refreshed>>,
}

/// Whoever holds it flies: it takes the flight off the list when it is
/// dropped, even by a panic, and only then do those who wait wake.
#[derive(Debug)]
pub(super) struct Pilot<'a> {
    flights: &'a Flights,
    token: TokenId,
    outcome: Option<watch::Sender<Option<Refreshed>>>,
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<TokenId, Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the flight of a token, or has `start` begin one, unless
    /// `admission` refuses.
    pub(super) fn join<A>(
        &self,
        token: TokenId,
        admission: impl FnOnce() -> Result<A, Refreshed>,
        start: impl FnOnce(watch::Sender<Option<Refreshed>>, A),
    ) -> Result<Flight, Refreshed> {
        let mut flights = self.lock();
        if let Some(flight) = flights.get(&token) {
            return Ok(flight.clone());
        }
        let admission = admission()?;
        let (sender, outcome) = watch::channel(None);
        let flight = Flight {
            began: Instant::now(),
            outcome,
        };
        flights.insert(token, flight.clone());
        start(sender, admission);
        Ok(flight)
    }

    /// The pilot of a flight that has begun.
    pub(super) fn pilot(
        &self,
        token: TokenId,
        outcome: watch::Sender<Option<Refreshed>>,
    ) -> Pilot<'_> {
        Pilot {
            flights: self,
            token,
            outcome: Some(outcome),
        }
    }

    /// Whether a token is being refreshed.
    pub(super) fn has(&self, token: TokenId) -> bool {
        self.lock().contains_key(&token)
    }
}

impl Flight {
    /// Its outcome, if it ends while there is patience.
    pub(super) async fn landed(mut self) -> Refreshed {
        let landing = self.outcome.wait_for(Option::is_some);
        let landed = tokio::time::timeout_at(self.began + PATIENCE, landing).await;
        let outcome = landed.ok().and_then(Result::ok);
        outcome
            .and_then(|outcome| outcome.clone())
            .unwrap_or(Refreshed::NotNow(RETRY_AFTER))
    }
}

impl Pilot<'_> {
    /// Ends the flight.
    pub(super) fn land(mut self, refreshed: Refreshed) {
        let outcome = self.outcome.take();
        // Taken off the list first: whoever comes now looks at the vault anew.
        drop(self);
        if let Some(outcome) = outcome {
            outcome.send_replace(Some(refreshed));
        }
    }
}

impl Drop for Pilot<'_> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn join(flights: &Flights) -> (Flight, Option<watch::Sender<Option<Refreshed>>>) {
        let mut started = None;
        let flight = flights.join(id(), || Ok(()), |sender, ()| started = Some(sender));
        (flight.unwrap(), started)
    }

    fn id() -> TokenId {
        TokenId::new(Uuid::nil())
    }

    #[tokio::test]
    async fn all_who_ask_share_one_flight() {
        let flights = Flights::default();
        let (first, started) = join(&flights);
        let (second, again) = join(&flights);
        assert!(again.is_none());
        flights.pilot(id(), started.unwrap()).land(Refreshed::Done);
        assert!(matches!(first.landed().await, Refreshed::Done));
        assert!(matches!(second.landed().await, Refreshed::Done));
        assert!(!flights.has(id()));
    }

    #[tokio::test]
    async fn a_flight_that_crashes_holds_nobody_up() {
        let flights = Flights::default();
        let (flight, started) = join(&flights);
        drop(flights.pilot(id(), started.unwrap()));
        assert!(matches!(flight.landed().await, Refreshed::NotNow(_)));
        assert!(join(&flights).1.is_some());
    }

    #[tokio::test]
    async fn who_comes_late_to_a_long_flight_is_not_kept_waiting() {
        let flights = Flights::default();
        let (mut flight, _started) = join(&flights);
        flight.began = Instant::now() - PATIENCE;
        let landed = tokio::time::timeout(PATIENCE / 2, flight.landed());
        assert!(matches!(landed.await, Ok(Refreshed::NotNow(_))));
    }
}
