//! Waits for the end of the previous daemon where it still holds the socket or
//! the vault.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::Instant;

use crate::http::socket;
use crate::lock_file::LockHolder;
use crate::vault;

/// How long to wait for a daemon that announces its stop: longer than a stop
/// takes at most.
const STOPPING_LIMIT: Duration = Duration::from_secs(45);

/// How long to wait for a daemon that does not announce its stop: it may have
/// received its signal at this moment.
const RUNNING_LIMIT: Duration = Duration::from_secs(1);

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(5);

/// An error that may mean that another daemon holds what is to be opened.
pub(super) trait MayBeHeld: Display {
    /// The process that holds it, if one does.
    fn holder(&self) -> Option<LockHolder>;
}

impl MayBeHeld for socket::Error {
    fn holder(&self) -> Option<LockHolder> {
        match self {
            Self::InUse { holder, .. } => Some(*holder),
            Self::Unusable { .. } => None,
        }
    }
}

impl MayBeHeld for vault::Error {
    fn holder(&self) -> Option<LockHolder> {
        match self {
            Self::Held { holder, .. } => Some(*holder),
            _ => None,
        }
    }
}

/// Opens something, repeatedly for a while if another daemon holds it.
///
/// # Errors
/// Those of `open`, the last one if it stays held.
pub(super) async fn attempt<T, E: MayBeHeld>(
    mut open: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let began = Instant::now();
    let mut is_logged = false;
    loop {
        let error = match open() {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        let limit = match error.holder() {
            Some(holder) if holder.is_stopping => STOPPING_LIMIT,
            Some(_) => RUNNING_LIMIT,
            None => return Err(error),
        };
        if began.elapsed() >= limit {
            return Err(error);
        }
        if !is_logged {
            is_logged = true;
            tracing::warn!(error = %error, limit = limit.as_secs(), "waiting for another daemon to end");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
