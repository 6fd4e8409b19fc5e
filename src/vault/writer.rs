//! The writer: one thread that owns the writing connection. It commits waiting
//! changes together, in one durable transaction.
//!
//! A change that was queued runs to its end even if its caller stops waiting.

mod committer;
mod job;
mod lanes;
mod queue;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

pub(super) use self::job::{Work, Written};

use self::committer::Committer;
use self::job::Task;
use self::queue::Queue;
use super::Error;
use super::health::Health;
use super::placement::Placement;
use super::reserved_space::ReservedSpace;
use super::sqlite::BUSY_TIMEOUT;
use crate::identity::Owner;

/// What the writing thread uses besides its connection.
pub(super) struct Surroundings {
    /// Records whether the vault can be written.
    pub(super) health: Arc<Health>,
    /// Knows which files the vault must be in.
    pub(super) placement: Arc<Placement>,
    /// Reserved disk space, released when a save finds the disk full.
    pub(super) reserved_space: Arc<ReservedSpace>,
}

/// Queues changes for the writing thread. Dropping it ends the thread.
pub(super) struct Writer {
    queue: Arc<Queue>,
    thread: Option<thread::JoinHandle<()>>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the system cannot start a thread.
    pub(super) fn start(connection: Connection, surroundings: Surroundings) -> Result<Self, Error> {
        let committer = Committer::new(connection, surroundings)?;
        let queue = Arc::new(Queue::default());
        let own = Arc::clone(&queue);
        let thread = thread::Builder::new()
            .name("vault-writer".to_owned())
            .spawn(move || committer.run(&own))
            .map_err(|error| Error::Unwritable {
                why: error.to_string(),
            })?;
        Ok(Self {
            queue,
            thread: Some(thread),
        })
    }

    /// Runs a change of an owner, or of the daemon if `owner` is `None`.
    /// Returns its result after the commit.
    ///
    /// # Errors
    /// Those of the work; why its transaction could not be committed.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        owner: Option<Owner>,
        work: Work<T>,
    ) -> Result<T, Error> {
        let gone = || Error::Unwritable {
            why: "the vault is closed".to_owned(),
        };
        let (reply, answer) = oneshot::channel();
        let task = Task {
            owner,
            work,
            result: None,
            reply,
        };
        self.queue.push(Box::new(task)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to write.
            let _ = thread.join();
        }
    }
}

/// Runs `work` in a transaction of its own, which is committed if it returns
/// `Ok`.
pub(super) fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

/// Moves the write-ahead log into the vault's file and truncates the log, so
/// that it no longer holds overwritten content. Does not wait for other
/// connections. Returns `false` if another program's open read transaction
/// prevented it.
pub(super) fn checkpoint(connection: &Connection) -> Result<bool, Error> {
    connection.busy_timeout(Duration::ZERO)?;
    let is_busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        row.get::<_, bool>(0)
    });
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(!is_busy?)
}
