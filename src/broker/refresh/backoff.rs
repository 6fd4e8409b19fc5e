//! How long a token waits between refreshes that do not succeed: full jitter
//! under a ceiling that doubles, so that many callers and many machines do not
//! come back at the same time.

use std::time::Duration;

use crate::clock::{Moment, Pause};

/// The ceiling of the first wait: a moment's trouble is over after it.
const FIRST: Duration = Duration::from_secs(2);

/// The ceiling of every wait: a provider that is back is noticed within it.
const LONGEST: Duration = Duration::from_secs(300);

/// A provider's `Retry-After` is stretched by up to this share of it.
const STRETCH: u32 = 10;

/// One token's failures in a row, and the wait that the last one led to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    pause: Option<Pause>,
    /// The provider itself asked for the wait.
    was_asked_for: bool,
}

impl Backoff {
    /// How much of the wait is left.
    pub(super) fn left(&self, now: Moment) -> Duration {
        self.pause.map_or(Duration::ZERO, |pause| pause.left(now))
    }

    /// Notes a failure and begins the wait after it. `random` gives a number
    /// below its argument.
    pub(super) fn fail(
        &mut self,
        retry_after: Option<Duration>,
        now: Moment,
        random: impl FnOnce(u64) -> u64,
    ) {
        self.failures = self.failures.saturating_add(1);
        let wait = match retry_after {
            Some(asked) => asked + jitter(asked / STRETCH, random),
            None => jitter(ceiling(self.failures), random),
        };
        self.was_asked_for = retry_after.is_some();
        self.pause = Some(Pause::new(now, wait));
    }

    /// Begins a wait without counting a failure.
    pub(super) fn wait(&mut self, now: Moment, wait: Duration) {
        self.was_asked_for = false;
        self.pause = Some(Pause::new(now, wait));
    }

    /// Whether the wait is one that the provider asked for, and so outlasts a
    /// change of the network.
    pub(super) fn was_asked_for(&self) -> bool {
        self.was_asked_for
    }
}

/// The longest wait after so many failures in a row.
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

    fn at(seconds: u64) -> Moment {
        Moment {
            wall: Timestamp::from_millis(0).plus_seconds(seconds.cast_signed()),
            uptime: Duration::from_secs(seconds),
        }
    }

    /// The longest waits after failures in a row, in seconds.
    fn longest_waits(failures: usize) -> Vec<u64> {
        let mut backoff = Backoff::default();
        let mut waits = Vec::new();
        for _ in 0..failures {
            backoff.fail(None, at(0), |end| end - 1);
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
        backoff.fail(None, at(0), |_| 0);
        assert_eq!(backoff.left(at(0)), Duration::ZERO);
    }

    #[test]
    fn a_retry_after_is_obeyed_to_the_second() {
        let mut backoff = Backoff::default();
        backoff.fail(Some(Duration::from_secs(120)), at(0), |_| 0);
        assert_eq!(backoff.left(at(119)), Duration::from_secs(1));
        assert_eq!(backoff.left(at(120)), Duration::ZERO);
    }
}
