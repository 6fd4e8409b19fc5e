//! A circuit breaker for one client at its provider, as a state machine. Closed, it
//! admits every request. After failures in a row it opens, and then admits one
//! request at a time, as a probe, after a pause.
//!
//! Each admitted request carries a ticket, which names the state that admitted it.
//! Requests that were under way when the circuit opened count once, and only the
//! probe's own failure lengthens the pause. Time and randomness are arguments.

use std::time::Duration;

use crate::clock::{ClockReading, Cooldown};
use crate::identity::TokenId;
use crate::oauth;

/// Failures in a row that open it. With the waits of a single token before
/// that (`backoff.rs`), a provider is asked at least every ten seconds.
const THRESHOLD: u32 = 4;

/// The longest pause when it opens; each probe that fails doubles it, up to
/// [`LONGEST`].
const FIRST: Duration = Duration::from_secs(2);

/// The longest pause, so that recovery is noticed within ten seconds.
const LONGEST: Duration = Duration::from_secs(8);

/// How much longer the token that failed last waits. Another token, if there is one,
/// then probes first: the failure may concern that one token only.
const OTHERS_FIRST: Duration = Duration::from_secs(1);

/// The longest pause after a probe that was answered with a refusal of the client,
/// and before the refused token itself probes: a person has to change a setting
/// first.
const FIRST_REFUSED: Duration = Duration::from_secs(60);

/// The longest pause while the client is refused.
const LONGEST_REFUSED: Duration = Duration::from_secs(300);

/// A probe that has not ended after this long is given up. A request and its retry
/// take less.
const PROBE_LIMIT: Duration = Duration::from_secs(70);

/// One client's circuit at one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Circuit {
    /// Failures in a row while it is closed.
    failures: u32,
    /// `None` while it is closed.
    open: Option<Open>,
    /// Grows with each change of state; a ticket names the epoch that admitted it.
    epoch: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Open {
    /// Until when nothing is sent. While a probe is under way, until when the circuit
    /// waits for its result.
    pause: Cooldown,
    /// The same for the token that failed last.
    own_pause: Cooldown,
    /// The token that failed last.
    failed: TokenId,
    is_probed: bool,
    /// How many probes failed in a row.
    probes: u32,
    /// How the provider refuses the client, if that is what failed last.
    refusal: Option<oauth::Error>,
}

/// The permission for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    token: TokenId,
    /// `None` if it was admitted whatever the state, so that its failure is not
    /// counted.
    epoch: Option<u64>,
}

impl Ticket {
    /// A request that is sent even while the circuit is open.
    pub(super) fn beside(token: TokenId) -> Self {
        Self { token, epoch: None }
    }

    /// The token that is refreshed.
    pub(super) fn token(self) -> TokenId {
        self.token
    }
}

/// Why nothing may be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CircuitOpen {
    /// For how long.
    pub(super) left: Duration,
    /// How the provider refuses the client, if that is why.
    pub(super) refusal: Option<oauth::Error>,
}

impl Circuit {
    /// Whether only probes are admitted.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// How long until a request for `token` is admitted, if no other one is admitted
    /// before.
    pub(super) fn left(&self, token: TokenId, now: ClockReading) -> Duration {
        self.open.as_ref().map_or(Duration::ZERO, |open| {
            if open.failed == token && !open.is_probed {
                open.own_pause.left(now)
            } else {
                open.pause.left(now)
            }
        })
    }

    /// Admits a request for `token`, or says why not. The first one after the pause
    /// is the probe; others wait for its end.
    pub(super) fn admit(
        &mut self,
        token: TokenId,
        now: ClockReading,
    ) -> Result<Ticket, CircuitOpen> {
        let left = self.left(token, now);
        if let Some(open) = &mut self.open {
            if !left.is_zero() {
                return Err(CircuitOpen {
                    left,
                    refusal: open.refusal.clone(),
                });
            }
            open.is_probed = true;
            open.pause = Cooldown::new(now, PROBE_LIMIT);
            self.epoch += 1;
        }
        Ok(Ticket {
            token,
            epoch: Some(self.epoch),
        })
    }

    /// Notes a failed request. `random` gives a number below its argument.
    pub(super) fn fail(
        &mut self,
        ticket: Ticket,
        error: &oauth::Error,
        now: ClockReading,
        random: impl FnOnce(u64) -> u64,
    ) {
        if !self.is_current(ticket) {
            return;
        }
        let refusal = matches!(error, oauth::Error::ClientRejected { .. }).then(|| error.clone());
        self.failures = self.failures.saturating_add(1);
        let probes = match &self.open {
            Some(open) => open.probes.saturating_add(1),
            None if refusal.is_none() && self.failures < THRESHOLD => return,
            None => 0,
        };
        let (longest, own) = longest_pauses(probes, refusal.is_some());
        let half = u64::try_from(longest.as_millis() / 2).unwrap_or(0);
        let length = Duration::from_millis(half + random(half + 1));
        self.epoch += 1;
        self.open = Some(Open {
            pause: Cooldown::new(now, length),
            own_pause: Cooldown::new(now, length + own),
            failed: ticket.token,
            is_probed: false,
            probes,
            refusal,
        });
    }

    /// Notes a valid answer to any request: the circuit closes. Returns whether it
    /// was open.
    pub(super) fn succeed(&mut self) -> bool {
        self.failures = 0;
        let was_open = self.open.take().is_some();
        self.epoch += u64::from(was_open);
        was_open
    }

    /// Notes that a request sent nothing, or that its result says nothing about the
    /// provider. If it was the probe, the next request becomes the probe.
    pub(super) fn release(&mut self, ticket: Ticket, now: ClockReading) {
        if self.is_current(ticket)
            && let Some(open) = &mut self.open
        {
            open.is_probed = false;
            open.pause = Cooldown::new(now, Duration::ZERO);
            open.own_pause = open.pause;
            self.epoch += 1;
        }
    }

    /// Closes the circuit. Requests that are under way no longer count.
    pub(super) fn reset(&mut self) {
        *self = Self {
            epoch: self.epoch + 1,
            ..Self::default()
        };
    }

    /// How the provider refuses the client, if the circuit is open for that reason.
    pub(super) fn refusal(&self) -> Option<&oauth::Error> {
        self.open.as_ref()?.refusal.as_ref()
    }

    /// Whether a ticket belongs to the present state: while open, to the probe.
    fn is_current(&self, ticket: Ticket) -> bool {
        ticket.epoch == Some(self.epoch) && self.open.as_ref().is_none_or(|open| open.is_probed)
    }
}

/// The longest pause after this many failed probes, and how much longer the token
/// that failed last waits.
fn longest_pauses(probes: u32, is_refused: bool) -> (Duration, Duration) {
    let doubled =
        |first: Duration, times: u32, limit| first.saturating_mul(1 << times.min(8)).min(limit);
    match (is_refused, probes) {
        (false, _) => (doubled(FIRST, probes, LONGEST), OTHERS_FIRST),
        // Only one token has met the refusal, so another one probes soon.
        (true, 0) => (FIRST, FIRST_REFUSED),
        (true, _) => (
            doubled(FIRST_REFUSED, probes - 1, LONGEST_REFUSED),
            OTHERS_FIRST,
        ),
    }
}

#[cfg(test)]
mod tests;
