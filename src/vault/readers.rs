//! A pool of connections for reading.
//!
//! A read takes about ten microseconds and finds its pages in memory. Handing
//! it to another thread would take longer, so it runs on the caller's thread.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::placement::Placement;
use super::sqlite::BUSY_TIMEOUT;
use super::{Error, sqlite};

/// The most idle connections that are kept; more cannot read at the same time.
const IDLE: usize = 8;

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    placement: Arc<Placement>,
    /// At least one connection always exists, idle or in use: while the path
    /// names another file, no new connection can be opened.
    idle: Mutex<Vec<Connection>>,
    /// Signals that a connection was returned.
    returned: Condvar,
}

impl Readers {
    /// A pool for the vault at `path`, with a first connection.
    pub(super) fn new(first: Connection, path: PathBuf, placement: Arc<Placement>) -> Self {
        Self {
            path,
            placement,
            idle: Mutex::new(vec![first]),
            returned: Condvar::new(),
        }
    }

    /// Runs `work` with a reading connection.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let connection = self.take()?;
        let value = work(&connection);
        let mut idle = self.lock();
        if idle.len() < IDLE {
            idle.push(connection);
        }
        drop(idle);
        self.returned.notify_one();
        value
    }

    fn take(&self) -> Result<Connection, Error> {
        if let Some(connection) = self.lock().pop() {
            return Ok(connection);
        }
        if self.placement.check().is_ok()
            && let Ok(connection) = sqlite::open_reader(&self.path)
        {
            return Ok(connection);
        }
        // Every connection is in use; each read takes microseconds.
        let waited = self
            .returned
            .wait_timeout_while(self.lock(), BUSY_TIMEOUT, |idle| idle.is_empty());
        let mut idle = waited.unwrap_or_else(PoisonError::into_inner).0;
        idle.pop().ok_or_else(|| Error::Unwritable {
            why: "the file cannot be opened again".to_owned(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
