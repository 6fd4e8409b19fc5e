//! Looking at every row now and then, so that `GET /info` counts those that
//! cannot be read though nobody has asked for them.

use super::{Error, Vault, rows};
use crate::clock::Timestamp;
use crate::identity::Owner;

/// How long a look at every row is good for, in seconds.
const INTERVAL: i64 = 60 * 60;

impl Vault {
    /// How many rows of an owner's, or with `None` of everybody's, are known
    /// to be unreadable.
    #[must_use]
    pub fn unreadable_rows(&self, owner: Option<Owner>) -> usize {
        self.0.unreadable.count(owner)
    }

    /// Reads every row, beside what is going on. A row that cannot be read is
    /// counted and logged.
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

    /// The same, if the last one is an hour old.
    pub async fn survey_if_due(&self, now: Timestamp) {
        if !self.0.surveyed.begin_if_due(now, INTERVAL) {
            return;
        }
        if let Err(error) = self.survey().await {
            tracing::warn!(error = %error, "the stored rows were not looked at");
        }
    }
}

/// When every row was looked at last.
#[derive(Debug, Default)]
pub(super) struct Surveyed(std::sync::Mutex<Option<Timestamp>>);

impl Surveyed {
    /// Whether it is time again; if so, the time counts from now.
    fn begin_if_due(&self, now: Timestamp, interval: i64) -> bool {
        let Ok(mut last) = self.0.lock() else {
            return false;
        };
        // A clock that was put back must not make it wait for long.
        let is_recent = last.is_some_and(|last| last <= now && now < last.plus_seconds(interval));
        if !is_recent {
            *last = Some(now);
        }
        !is_recent
    }
}
