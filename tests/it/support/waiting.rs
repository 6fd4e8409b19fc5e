//! Waiting for what comes about by itself.

use std::time::{Duration, Instant};

/// How long something may take that happens by itself, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Returns when `is_so`.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !is_so().await {
        assert!(Instant::now() < deadline, "{what} does not come about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
