//! A limit on how long a request may take, in time during which this process
//! ran.
//!
//! A process can be stopped in the middle of a request (SIGSTOP, a cgroup
//! freezer, a paused virtual machine). When it runs again, the limit has passed
//! and the answer waits in the socket. Giving up then would throw away a token
//! that the provider has spent another one for.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// The limit is waited for in steps of this length. A step in which the process
/// was stopped does not count, so that at least one step follows it: a second
/// is long enough for the runtime to read what waits in the sockets.
const STEP: Duration = Duration::from_secs(1);

/// The output of `work`, or `None` if it is not there after `limit`.
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut left = limit;
    while !left.is_zero() {
        let step = left.min(STEP);
        let began = Instant::now();
        // `timeout` looks at `work` first, then at the clock.
        if let Ok(done) = timeout(step, work.as_mut()).await {
            return Some(done);
        }
        if began.elapsed() < step + STEP {
            left = left.saturating_sub(step);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_that_never_ends_is_given_up_at_the_limit() {
        let began = Instant::now();
        let limit = Duration::from_millis(3500);
        assert_eq!(within(limit, pending::<()>()).await, None);
        let took = began.elapsed();
        assert!(took >= limit && took < limit + STEP, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_the_process_was_stopped_does_not_count() {
        let limit = Duration::from_millis(3500);
        let stopped = async {
            tokio::time::sleep(STEP * 5 / 2).await;
            tokio::time::advance(Duration::from_secs(3600)).await;
        };
        // The answer is read half a second after the stop.
        let (sender, answer) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            stopped.await;
            tokio::time::sleep(STEP / 2).await;
            sender.send(7)
        });
        assert_eq!(within(limit, answer).await, Some(Ok(7)));
    }
}
