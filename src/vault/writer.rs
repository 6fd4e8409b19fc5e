//! The one writer: a thread that owns the writing connection and makes all
//! changes that wait durable together.
//!
//! A change that was handed over runs to its end even if its caller has gone.

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
use super::ballast::Ballast;
use super::health::Health;
use super::placement::Placement;
use super::sqlite::BUSY_TIMEOUT;
use crate::identity::Owner;

/// What the writing thread looks at beside its connection.
pub(super) struct Surroundings {
    /// Where it reports whether the vault can be written.
    pub(super) trouble: Arc<Health>,
    /// Where the vault's files should be.
    pub(super) placement: Arc<Placement>,
    /// What a save frees that finds the disk full.
    pub(super) ballast: Arc<Ballast>,
}

/// Hands changes to the writing thread; the thread ends with it.
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
    /// [`Error::Unwritable`] if the system gives no thread.
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

    /// Makes a change of an owner's, or with `None` of the daemon's own, and gives
    /// its result once it is durable.
    ///
    /// # Errors
    /// Those of the work, and why its transaction could not be committed.
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
            // A thread that panicked has nothing more to write.
            let _ = thread.join();
        }
    }
}

/// Runs `work` in a transaction of its own, committed durably on `Ok`.
pub(super) fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

/// Moves the write-ahead log into the file and empties it, so that what a
/// commit has overwritten is not left in it. Waits for no other connection:
/// whether it is complete, which a transaction of another program that reads
/// the file prevents for as long as it lasts.
pub(super) fn checkpoint(connection: &Connection) -> Result<bool, Error> {
    connection.busy_timeout(Duration::ZERO)?;
    let is_busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        row.get::<_, bool>(0)
    });
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(!is_busy?)
}
