//! Connections for reading: taken for one read, then put back.
//!
//! A read is a look-up of some ten microseconds in pages that are in memory;
//! handing it to another thread would cost more than the read, so it runs
//! where it is asked for.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::placement::Placement;
use super::sqlite::BUSY_TIMEOUT;
use super::{Error, sqlite};

/// More idle connections than this are closed: as many as can read at a time.
const IDLE: usize = 8;

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    placement: Arc<Placement>,
    /// Never without a connection that is idle or in use: while the path names
    /// another file, no new one can be opened.
    idle: Mutex<Vec<Connection>>,
    /// A connection was put back.
    returned: Condvar,
}

impl Readers {
    /// Readers of the vault at `path`, beginning with a connection to it.
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
        // Others are reading; each takes microseconds.
        let waited = self
            .returned
            .wait_timeout_while(self.lock(), BUSY_TIMEOUT, |idle| idle.is_empty());
        let mut idle = waited.unwrap_or_else(PoisonError::into_inner).0;
        idle.pop().ok_or_else(|| Error::Unwritable {
            why: "the file cannot be opened once more".to_owned(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
