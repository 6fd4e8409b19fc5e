//! Reads every row at intervals, so that `GET /info` counts unreadable rows
//! that nothing has requested yet.

use std::time::Duration;

use super::{Error, Vault, rows};
use crate::clock::Timestamp;
use crate::identity::Owner;

/// How often every row is read.
const INTERVAL: Duration = Duration::from_secs(60 * 60);

impl Vault {
    /// How many rows of an owner are known to be unreadable; with `None`, of
    /// all owners.
    #[must_use]
    pub fn unreadable_rows(&self, owner: Option<Owner>) -> usize {
        self.0.unreadable.count(owner)
    }

    /// Reads every row on another thread. Unreadable rows are counted and
    /// logged.
    ///
    /// # Errors
    /// [`Error::Corrupt`] or [`Error::Unwritable`] if the file cannot be read.
    pub async fn survey(&self) -> Result<(), Error> {
        let inner = std::sync::Arc::clone(&self.0);
        let work = move || {
            let look = |connection: &_| rows::survey(connection, &inner.cipher);
            let found = inner.readers.read(look)?;
            inner.unreadable.replace(found);
            Ok(())
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| {
            Err(Error::Unwritable {
                why: error.to_string(),
            })
        })
    }

    /// As [`Self::survey`], if the last survey is an hour old. Errors are
    /// logged.
    pub async fn survey_if_due(&self, now: Timestamp) {
        if !self.0.surveyed.begin_if_due(now, INTERVAL) {
            return;
        }
        if let Err(error) = self.survey().await {
            tracing::warn!(error = %error, "the survey of stored rows failed");
        }
    }
}

/// When every row was read last.
#[derive(Debug, Default)]
pub(super) struct Surveyed(std::sync::Mutex<Option<Timestamp>>);

impl Surveyed {
    /// Whether a survey is due. If it is, records `now` as the time of the last
    /// one.
    fn begin_if_due(&self, now: Timestamp, interval: Duration) -> bool {
        let Ok(mut last) = self.0.lock() else {
            return false;
        };
        // A clock that was set back must not prolong the wait.
        let is_recent = last.is_some_and(|last| last <= now && now < last.plus(interval));
        if !is_recent {
            *last = Some(now);
        }
        !is_recent
    }
}
