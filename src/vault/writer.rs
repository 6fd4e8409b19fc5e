//! The one writer: a thread that owns the writing connection and runs one
//! transaction after another.
//!
//! A transaction that was handed over runs to its end even if whoever asked
//! for it has gone.

use std::sync::mpsc;
use std::thread;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::Error;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Hands transactions to the writing thread; the thread ends with it.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the system gives no thread.
    pub(super) fn start(mut connection: Connection) -> Result<Self, Error> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let thread = thread::Builder::new()
            .name("vault-writer".to_owned())
            .spawn(move || {
                for job in queue {
                    job(&mut connection);
                }
                // What is left in the write-ahead log goes into the file.
                if let Err(error) = checkpoint(&connection) {
                    tracing::debug!(error = %error, "the last checkpoint was left to the next start");
                }
            })
            .map_err(|error| Error::Unwritable { why: error.to_string() })?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Runs `work` with the writing connection and gives its result.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let gone = || Error::Unwritable {
            why: "the vault is closed".to_owned(),
        };
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Whoever asked may have gone; the work is done all the same.
            let _ = reply.send(work(connection));
        });
        self.jobs
            .as_ref()
            .ok_or_else(gone)?
            .send(job)
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
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
/// commit has overwritten is not left in it.
pub(super) fn checkpoint(connection: &Connection) -> Result<(), Error> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}
