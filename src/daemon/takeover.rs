//! Waiting for the end of the daemon before this one, where that one still
//! holds the socket or the vault.

use std::time::Duration;

use tokio::time::Instant;

use crate::http::socket;
use crate::lock_file::LockHolder;
use crate::vault;

/// How long a daemon is waited for that says that it is stopping: longer than
/// a stop takes at most.
const STOPPING_LIMIT: Duration = Duration::from_secs(45);

/// How long one is waited for that does not say so: it may have been told to
/// stop in this moment.
const RUNNING_LIMIT: Duration = Duration::from_secs(1);

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(5);

/// Opens something, again and again for a while if another daemon holds it.
///
/// # Errors
/// Those of `open`, the last one if it stays held.
pub(super) async fn attempt<T, E>(mut open: impl FnMut() -> Result<T, E>) -> anyhow::Result<T>
where
    E: Into<anyhow::Error>,
{
    let began = Instant::now();
    let mut is_told = false;
    loop {
        let error = match open() {
            Ok(opened) => return Ok(opened),
            Err(error) => error.into(),
        };
        let limit = match holder(&error) {
            Some(holder) if holder.is_stopping => STOPPING_LIMIT,
            Some(_) => RUNNING_LIMIT,
            None => return Err(error),
        };
        if began.elapsed() >= limit {
            return Err(error);
        }
        if !is_told {
            is_told = true;
            tracing::warn!(error = %error, limit = limit.as_secs(), "waiting for another daemon to end");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The process that holds what could not be opened, if one does.
fn holder(error: &anyhow::Error) -> Option<LockHolder> {
    if let Some(socket::Error::InUse { holder, .. }) = error.downcast_ref() {
        return Some(*holder);
    }
    match error.downcast_ref() {
        Some(vault::Error::Held { holder, .. }) => Some(*holder),
        _ => None,
    }
}
