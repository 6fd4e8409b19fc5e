//! Connections for reading: taken for one read, then put back.
//!
//! A read is a look-up of some ten microseconds in pages that are in memory;
//! handing it to another thread would cost more than the read, so it runs
//! where it is asked for.

use std::path::PathBuf;
use std::sync::Mutex;

use rusqlite::Connection;

use super::{Error, connection};

/// More idle connections than this are closed: as many as can read at a time.
const IDLE: usize = 8;

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Runs `work` with a reading connection.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let connection = match self.take() {
            Some(connection) => connection,
            None => connection::open_reader(&self.path)?,
        };
        let value = work(&connection);
        if let Ok(mut idle) = self.idle.lock()
            && idle.len() < IDLE
        {
            idle.push(connection);
        }
        value
    }

    fn take(&self) -> Option<Connection> {
        self.idle.lock().ok()?.pop()
    }
}
