//! A provider's circuit, as a state machine. Closed, it lets every request
//! through; after failures in a row it opens, and then lets through one request
//! at a time, as a probe, after a pause each.
//!
//! Each request that it lets through carries a ticket. Tickets tell requests
//! that were sent before a change of its state from those after it: what was
//! under way when it opened counts once, and only the probe's own failure
//! lengthens the pause. No clock, no randomness: both are arguments.

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

/// How much longer the token that failed last waits, so that another one
/// probes, if there is any: what failed may be that token's own.
const OTHERS_FIRST: Duration = Duration::from_secs(1);

/// The longest pause after a probe that the client was refused for, or before
/// the token that met the refusal probes itself: a person has to change a
/// setting first.
const FIRST_REFUSED: Duration = Duration::from_secs(60);

/// The longest pause while the client is refused.
const LONGEST_REFUSED: Duration = Duration::from_secs(300);

/// A probe that has not ended after this long is given up: longer than a
/// request and its retry take.
const PROBE_LIMIT: Duration = Duration::from_secs(70);

/// One client's circuit at one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Circuit {
    /// Failures in a row while it is closed.
    failures: u32,
    /// `None` while it is closed.
    open: Option<Open>,
    /// Grows with each change of its state; a ticket names the one it is of.
    epoch: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Open {
    /// Until when nothing is sent; while a probe is under way, until when that
    /// is waited for.
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

/// A request that was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    token: TokenId,
    /// `None` if it was let through whatever the state, and its failure says
    /// nothing new.
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
    /// Whether it lets through nothing but probes.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// How long until a request for `token` is let through, if no other one is
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

    /// Lets a request for `token` through, or says why not. The first one after
    /// the pause is the probe; others wait for its end.
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

    /// Notes that a request was not answered as it should be. `random` gives a
    /// number below its argument.
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

    /// Notes that the provider answered as it should, to whichever request:
    /// the circuit closes. Whether it was open.
    pub(super) fn succeed(&mut self) -> bool {
        self.failures = 0;
        let was_open = self.open.take().is_some();
        self.epoch += u64::from(was_open);
        was_open
    }

    /// Notes that a request asked the provider nothing after all, or that what
    /// came of it says nothing about the provider. If it was the probe, the next
    /// one is.
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

    /// Forgets what was held against the provider; requests that are under way
    /// no longer count.
    pub(super) fn reset(&mut self) {
        *self = Self {
            epoch: self.epoch + 1,
            ..Self::default()
        };
    }

    /// How the provider refuses the client, if it is open for that.
    pub(super) fn refusal(&self) -> Option<&oauth::Error> {
        self.open.as_ref()?.refusal.as_ref()
    }

    /// Whether a ticket is of the present state: while open, the probe's.
    fn is_current(&self, ticket: Ticket) -> bool {
        ticket.epoch == Some(self.epoch) && self.open.as_ref().is_none_or(|open| open.is_probed)
    }
}

/// The longest pause after so many failed probes, and how much longer the token
/// that failed waits.
fn longest_pauses(probes: u32, is_refused: bool) -> (Duration, Duration) {
    let doubled =
        |first: Duration, times: u32, limit| first.saturating_mul(1 << times.min(8)).min(limit);
    match (is_refused, probes) {
        (false, _) => (doubled(FIRST, probes, LONGEST), OTHERS_FIRST),
        // One token's word: another one is asked for soon, if there is any.
        (true, 0) => (FIRST, FIRST_REFUSED),
        (true, _) => (
            doubled(FIRST_REFUSED, probes - 1, LONGEST_REFUSED),
            OTHERS_FIRST,
        ),
    }
}

#[cfg(test)]
mod tests;
