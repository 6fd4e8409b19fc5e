//! How long a token waits between failed refreshes: full jitter under a ceiling that
//! doubles, so that many callers and machines do not retry at the same time. A grant
//! in doubt is tried twice more before that, within a provider's likely grace period.

use std::time::Duration;

use crate::clock::{ClockReading, Cooldown};
use crate::oauth;

/// The ceiling of the first wait: long enough for a short failure to pass.
const FIRST: Duration = Duration::from_secs(2);

/// The ceiling of every wait: recovery is noticed within it.
const LONGEST: Duration = Duration::from_secs(300);

/// A provider's `Retry-After` is lengthened by up to this fraction of it.
const STRETCH: u32 = 10;

/// When a grant in doubt is tried again, counted from when the refresh token was
/// sent: twice within a grace period of half a minute or more.
const GRACE_TRIES: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(25)];

/// Added at random to those times, so that requests that failed together do not
/// retry together.
const GRACE_JITTER: Duration = Duration::from_secs(1);

/// One token's failures in a row, and the wait that the last one led to.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    pause: Option<Cooldown>,
    cause: Cause,
    /// The grant in doubt, as it was first sent.
    doubt: Option<Doubt>,
}

/// A refresh token that was sent without a usable answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubt {
    /// The generation that it belongs to.
    pub(super) generation: i64,
    /// When it was sent.
    pub(super) sent_at: ClockReading,
}

/// Why a token waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Cause {
    /// The provider did not answer, or not usably.
    #[default]
    Outage,
    /// The next try of a grant in doubt is due then.
    Doubt,
    /// The provider asked for the wait.
    AskedFor,
    /// The provider refuses this one token, with this error.
    Refusal(oauth::Error),
}

impl Backoff {
    /// How much of the wait is left.
    pub(super) fn left(&self, now: ClockReading) -> Duration {
        self.pause.map_or(Duration::ZERO, |pause| pause.left(now))
    }

    /// Why it waits.
    pub(super) fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Notes a failure and begins the wait after it. `random` gives a number
    /// below its argument.
    pub(super) fn fail(
        &mut self,
        error: &oauth::Error,
        now: ClockReading,
        random: impl FnOnce(u64) -> u64,
    ) {
        use oauth::Error as E;
        self.failures = self.failures.saturating_add(1);
        let asked = match error {
            E::Unavailable { retry_after } | E::OutcomeUnknown { retry_after, .. } => *retry_after,
            _ => None,
        };
        let (wait, cause) = match (asked, error) {
            (Some(asked), _) => (asked + jitter(asked / STRETCH, random), Cause::AskedFor),
            (None, E::Refused { .. }) => (
                jitter(ceiling(self.failures), random),
                Cause::Refusal(error.clone()),
            ),
            (None, _) => (jitter(ceiling(self.failures), random), Cause::Outage),
        };
        self.cause = cause;
        self.pause = Some(Cooldown::new(now, wait));
    }

    /// Notes that a grant is in doubt, and begins the wait for its next try. `false`
    /// if no try is left; the failure then counts as any other.
    pub(super) fn doubt(
        &mut self,
        doubt: Doubt,
        now: ClockReading,
        random: impl FnOnce(u64) -> u64,
    ) -> bool {
        let known = self
            .doubt
            .filter(|known| known.generation == doubt.generation);
        let first = known.unwrap_or(doubt);
        self.doubt = Some(first);
        let left = |after: Duration| Cooldown::new(first.sent_at, after).left(now);
        let next = GRACE_TRIES
            .into_iter()
            .map(left)
            .find(|left| !left.is_zero());
        if let Some(left) = next {
            self.cause = Cause::Doubt;
            self.pause = Some(Cooldown::new(now, left + jitter(GRACE_JITTER, random)));
        }
        next.is_some()
    }

    /// Begins a wait without counting a failure.
    pub(super) fn wait(&mut self, now: ClockReading, wait: Duration) {
        self.cause = Cause::Outage;
        self.pause = Some(Cooldown::new(now, wait));
    }

    /// Whether the wait continues after the provider is back.
    pub(super) fn outlasts_an_outage(&self) -> bool {
        matches!(self.cause, Cause::AskedFor | Cause::Refusal(_))
    }
}

/// The longest wait after this many failures in a row.
fn ceiling(failures: u32) -> Duration {
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1).min(16));
    FIRST
        .saturating_mul(doubled.unwrap_or(u32::MAX))
        .min(LONGEST)
}

fn jitter(ceiling: Duration, random: impl FnOnce(u64) -> u64) -> Duration {
    let millis = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX - 1);
    Duration::from_millis(random(millis + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    const BROKEN: oauth::Error = oauth::Error::Unreachable;

    fn at(seconds: u64) -> ClockReading {
        ClockReading {
            wall: Timestamp::from_millis(0).plus_seconds(seconds.cast_signed()),
            uptime: Duration::from_secs(seconds),
        }
    }

    /// The longest waits after failures in a row, in seconds.
    fn longest_waits(failures: usize) -> Vec<u64> {
        let mut backoff = Backoff::default();
        let mut waits = Vec::new();
        for _ in 0..failures {
            backoff.fail(&BROKEN, at(0), |end| end - 1);
            waits.push(backoff.left(at(0)).as_secs());
        }
        waits
    }

    #[test]
    fn the_ceiling_doubles_up_to_five_minutes() {
        assert_eq!(longest_waits(10), [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(longest_waits(100)[99], 300);
    }

    #[test]
    fn the_jitter_is_full() {
        let mut backoff = Backoff::default();
        backoff.fail(&BROKEN, at(0), |_| 0);
        assert_eq!(backoff.left(at(0)), Duration::ZERO);
    }

    #[test]
    fn a_retry_after_is_obeyed_to_the_second() {
        let mut backoff = Backoff::default();
        let asked = oauth::Error::Unavailable {
            retry_after: Some(Duration::from_secs(120)),
        };
        backoff.fail(&asked, at(0), |_| 0);
        assert_eq!(backoff.left(at(119)), Duration::from_secs(1));
        assert_eq!(backoff.left(at(120)), Duration::ZERO);
        assert!(backoff.outlasts_an_outage());
    }

    fn sent_at(seconds: u64) -> Doubt {
        Doubt {
            generation: 1,
            sent_at: at(seconds),
        }
    }

    #[test]
    fn a_grant_in_doubt_is_tried_ten_and_twenty_five_seconds_after_it_was_sent() {
        let mut backoff = Backoff::default();
        assert!(backoff.doubt(sent_at(0), at(1), |_| 0));
        assert_eq!(backoff.left(at(1)).as_secs(), 9);
        assert!(backoff.doubt(sent_at(10), at(11), |end| end - 1));
        assert_eq!(backoff.left(at(11)).as_secs(), 15, "with its jitter");
        assert!(!backoff.doubt(sent_at(25), at(26), |_| 0), "no third time");
        backoff.fail(&BROKEN, at(26), |end| end - 1);
        assert_eq!(backoff.left(at(26)).as_secs(), 2, "the first failure");
    }

    #[test]
    fn a_newer_grant_in_doubt_has_tries_of_its_own() {
        let mut backoff = Backoff::default();
        backoff.doubt(sent_at(0), at(1), |_| 0);
        let newer = Doubt {
            generation: 2,
            sent_at: at(100),
        };
        assert!(backoff.doubt(newer, at(100), |_| 0));
        assert_eq!(backoff.left(at(100)).as_secs(), 10);
    }

    #[test]
    fn an_answer_that_was_waited_for_until_the_limit_leaves_the_later_try() {
        let mut backoff = Backoff::default();
        assert!(backoff.doubt(sent_at(0), at(20), |_| 0));
        assert_eq!(backoff.left(at(20)).as_secs(), 5);
    }
}
