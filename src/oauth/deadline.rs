//! A time limit for requests that does not count the time during which this
//! process was stopped.
//!
//! A process can be stopped during a request (SIGSTOP, a cgroup freezer, a paused
//! virtual machine). When it continues, the limit has passed and the reply is in
//! the socket's buffer. Aborting the request then would discard a token for which
//! the provider has already invalidated the previous one.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// The limit is divided into steps of this length. A step during which the
/// process was stopped is not counted, so at least one more step follows: one
/// second is enough for the runtime to read what is in the sockets' buffers.
const STEP: Duration = Duration::from_secs(1);

/// Runs `work` for at most `limit` of running time. Returns its output, or `None`
/// if the limit passed first.
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut left = limit;
    while !left.is_zero() {
        let step = left.min(STEP);
        let began = Instant::now();
        // `timeout` polls `work` before it checks the clock.
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
    async fn work_that_never_ends_is_aborted_at_the_limit() {
        let began = Instant::now();
        let limit = Duration::from_millis(3500);
        assert_eq!(within(limit, pending::<()>()).await, None);
        let took = began.elapsed();
        assert!(took >= limit && took < limit + STEP, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn time_during_which_the_process_was_stopped_does_not_count() {
        let limit = Duration::from_millis(3500);
        let stopped = async {
            tokio::time::sleep(STEP * 5 / 2).await;
            tokio::time::advance(Duration::from_secs(3600)).await;
        };
        // The reply is read half a second after the process continues.
        let (sender, answer) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            stopped.await;
            tokio::time::sleep(STEP / 2).await;
            sender.send(7)
        });
        assert_eq!(within(limit, answer).await, Some(Ok(7)));
    }
}
