//! How many refreshes of one client run at once, and at what rate they begin after
//! an outage.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Purpose;
use crate::clock::{ClockReading, Cooldown};

/// How many refreshes of one client run at once. More would not be answered sooner,
/// and each is a grant at risk if the connection breaks.
const MAX_AT_ONCE: usize = 32;

/// For how long after an outage refreshes are spread.
const RECOVERY: Duration = Duration::from_secs(60);

/// The distance between two of them then, for those that callers wait for and those
/// of the background each: at most forty in a second.
const DISTANCE: Duration = Duration::from_millis(50);

/// How long a refresh that a caller waits for may wait for its turn: less than the
/// caller's timeout. If it would be longer, the refresh is not begun yet.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// The same in the background, where the loop tries again soon.
const LONGEST_BACKGROUND_WAIT: Duration = Duration::from_millis(100);

/// The turns of one client.
#[derive(Debug)]
pub(super) struct Turns {
    permits: Arc<Semaphore>,
    recovery: Option<Cooldown>,
    asked: Lane,
    background: Lane,
}

/// When the next refresh may begin, by the machine's uptime.
#[derive(Clone, Copy, Debug, Default)]
struct Lane(Duration);

/// When a refresh may begin.
#[derive(Debug)]
pub(super) struct Turn {
    /// How long to wait for it.
    pub(super) wait: Duration,
    permits: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(MAX_AT_ONCE)),
            recovery: None,
            asked: Lane::default(),
            background: Lane::default(),
        }
    }
}

impl Turns {
    /// Notes that the provider is back. Refreshes are spread from now on.
    pub(super) fn spread(&mut self, now: ClockReading) {
        self.recovery = Some(Cooldown::new(now, RECOVERY));
    }

    /// Gives a turn, or says how long until there is one.
    pub(super) fn take(&mut self, purpose: Purpose, now: ClockReading) -> Result<Turn, Duration> {
        let is_spread = self.is_spread(now);
        let (lane, longest) = match purpose {
            Purpose::Background => (&mut self.background, LONGEST_BACKGROUND_WAIT),
            _ => (&mut self.asked, LONGEST_WAIT),
        };
        let wait = if is_spread {
            lane.0.saturating_sub(now.uptime)
        } else {
            Duration::ZERO
        };
        if wait > longest {
            return Err(wait);
        }
        lane.0 = now.uptime + wait + DISTANCE;
        let permits = Arc::clone(&self.permits);
        Ok(Turn { wait, permits })
    }

    /// Whether it can be dropped without a loss.
    pub(super) fn is_idle(&self, now: ClockReading) -> bool {
        !self.is_spread(now) && Arc::strong_count(&self.permits) == 1
    }

    fn is_spread(&self, now: ClockReading) -> bool {
        self.recovery
            .is_some_and(|recovery| !recovery.left(now).is_zero())
    }
}

impl Turn {
    /// Waits for a permit to run, which is held until it is dropped.
    pub(super) async fn permit(self) -> Option<OwnedSemaphorePermit> {
        // An error means that the semaphore was closed, which nothing does.
        self.permits.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn at(millis: u64) -> ClockReading {
        ClockReading {
            wall: Timestamp::from_millis(millis.cast_signed()),
            uptime: Duration::from_millis(millis),
        }
    }

    #[test]
    fn nothing_waits_while_all_is_well() {
        let mut turns = Turns::default();
        for _ in 0..1000 {
            let turn = turns.take(Purpose::Background, at(0)).unwrap();
            assert!(turn.wait.is_zero());
        }
    }

    #[test]
    fn after_an_outage_at_most_forty_begin_in_a_second() {
        let mut turns = Turns::default();
        turns.spread(at(0));
        let mut begun = 0;
        for millis in 0..1000 {
            for purpose in [Purpose::Background, Purpose::Asked] {
                let turn = turns.take(purpose, at(millis));
                begun +=
                    u32::from(turn.is_ok_and(|turn| millis + turn.wait.as_millis() as u64 <= 999));
            }
        }
        assert!((30..=40).contains(&begun), "{begun}");
    }

    #[test]
    fn a_caller_gets_a_time_to_retry_rather_than_a_long_wait() {
        let mut turns = Turns::default();
        turns.spread(at(0));
        let waits: Vec<_> = std::iter::repeat_with(|| turns.take(Purpose::Asked, at(0)))
            .map_while(Result::ok)
            .map(|turn| turn.wait)
            .collect();
        assert_eq!(waits.len(), 61);
        assert!(turns.take(Purpose::Asked, at(0)).is_err());
        assert!(
            turns
                .take(Purpose::Asked, at(60_000))
                .unwrap()
                .wait
                .is_zero()
        );
    }
}
