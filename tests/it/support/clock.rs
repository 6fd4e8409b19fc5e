//! A clock that the test moves: the wall clock and the machine's uptime, each
//! by itself or both together.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use agent_authd::clock::{Clock, Env, SystemEntropy, Timestamp};
use tokio::sync::watch;

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000;

#[derive(Debug)]
pub(crate) struct TestClock(watch::Sender<(Timestamp, Duration)>);

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        let start = (Timestamp::from_millis(START), Duration::from_secs(1000));
        Arc::new(Self(watch::Sender::new(start)))
    }

    /// The surroundings of a daemon that lives by it.
    pub(crate) fn env(self: &Arc<Self>) -> Env {
        Env {
            clock: Arc::clone(self) as Arc<dyn Clock>,
            entropy: Arc::new(SystemEntropy),
        }
    }

    /// Lets so many seconds pass.
    pub(crate) fn pass(&self, seconds: u64) {
        self.0.send_modify(|(wall, uptime)| {
            *wall = wall.plus_seconds(seconds.cast_signed());
            *uptime += Duration::from_secs(seconds);
        });
    }

    /// Lets so many milliseconds pass.
    pub(crate) fn pass_millis(&self, millis: u64) {
        let passed = Duration::from_millis(millis);
        self.0.send_modify(|(wall, uptime)| {
            *wall = wall.plus(passed);
            *uptime += passed;
        });
    }

    /// Moves the wall clock alone: the machine sleeps, or somebody sets it.
    pub(crate) fn jump(&self, seconds: i64) {
        self.0
            .send_modify(|(wall, _)| *wall = wall.plus_seconds(seconds));
    }

    /// Sets the wall clock to so many seconds after 1970, or before.
    pub(crate) fn set(&self, seconds: i64) {
        self.0
            .send_modify(|(wall, _)| *wall = Timestamp::from_millis(0).plus_seconds(seconds));
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.0.borrow().0
    }

    fn uptime(&self) -> Duration {
        self.0.borrow().1
    }

    fn sleep(&self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut clock = self.0.subscribe();
        let end = self.uptime() + wait;
        Box::pin(async move {
            // The clock outlives whoever sleeps by it.
            let _ = clock.wait_for(|(_, uptime)| *uptime >= end).await;
        })
    }
}
