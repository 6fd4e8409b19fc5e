//! The writing thread. Waiting changes share a transaction, with a savepoint
//! for each change, and one commit makes them durable.
//!
//! A change that fails is rolled back alone. If the commit fails, every caller
//! gets an error.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::super::Error;
use super::super::health::Health;
use super::job::{Job, Outcome};
use super::queue::{Next, Queue};
use super::{Surroundings, checkpoint};
use crate::failpoint;

/// The shortest and the longest wait before a checkpoint is repeated that
/// another connection prevented. The daemon's own reads take microseconds;
/// those of a backup tool may take minutes.
const RETRY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// After this many commits without a checkpoint, one is made even if changes
/// are waiting, so that the log does not grow without bound.
const MOST_COMMITS: u32 = 256;

/// After this time no further change joins a transaction. A change that arrives
/// meanwhile waits for at most this time and the commit.
const LONGEST_WORK: Duration = Duration::from_millis(5);

/// The state of the writing thread.
pub(super) struct Committer {
    connection: Connection,
    surroundings: Surroundings,
    /// Whether the log may hold ciphertext that was overwritten.
    erases: bool,
    commits: u32,
    /// The wait before the next checkpoint, if the last one was prevented.
    retry: Duration,
}

impl Committer {
    pub(super) fn new(connection: Connection, surroundings: Surroundings) -> Result<Self, Error> {
        // Checkpoints are made while no change is waiting, not during a commit.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        Ok(Self {
            connection,
            surroundings,
            erases: false,
            commits: 0,
            retry: RETRY.0,
        })
    }

    /// Runs until the queue is closed and empty.
    pub(super) fn run(mut self, queue: &Queue) {
        loop {
            match queue.next(self.erases.then_some(self.retry)) {
                Next::Batch(jobs) => self.store(jobs, queue),
                Next::Quiet => self.checkpoint(),
                Next::Closed => break,
            }
        }
        // Moves the rest of the write-ahead log into the file.
        if let Err(error) = checkpoint(&self.connection) {
            tracing::debug!(error = %error, "the last checkpoint failed; the next start makes it");
        }
    }

    /// Commits the changes, then answers their callers. If no other change is
    /// waiting, the log is truncated before the answers.
    fn store(&mut self, jobs: Vec<Box<dyn Job>>, queue: &Queue) {
        let mut jobs = self.refuse_where_lost(jobs);
        let committed = self.commit(&mut jobs);
        let results: Vec<_> = match committed {
            Ok(made) => {
                queue.put_back(jobs.split_off(made));
                jobs.iter().map(|_| Ok(())).collect()
            }
            Err(error) => {
                let each = jobs.iter_mut();
                each.map(|job| self.again(job, &error)).collect()
            }
        };
        if self.erases {
            failpoint::pass("vault.erase");
        }
        if (self.erases && queue.is_empty()) || self.commits >= MOST_COMMITS {
            self.checkpoint();
            failpoint::pass("vault.erased");
        }
        for (job, result) in jobs.into_iter().zip(results) {
            job.answer(result);
        }
    }

    /// Refuses changes while the open file is not the file that the next start
    /// would open. Saves are still stored: `agent-auth vault backup` copies the
    /// open file.
    fn refuse_where_lost(&self, jobs: Vec<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
        let found = self.surroundings.placement.check();
        self.surroundings.health.note_place(found.clone());
        let Err(why) = found else { return jobs };
        let (saves, others): (Vec<_>, _) = jobs.into_iter().partition(|job| job.is_save());
        for job in others {
            job.answer(Err(Error::Unwritable { why: why.clone() }));
        }
        saves
    }

    /// Commits a save alone after its shared transaction failed with `error`:
    /// another change in it may have been too large. If the disk is full,
    /// releases the reserved space first.
    fn again(&mut self, job: &mut Box<dyn Job>, error: &Error) -> Result<(), Error> {
        if !job.is_save() {
            return Err(error.clone());
        }
        loop {
            let result = self.commit(std::slice::from_mut(job)).map(drop);
            let is_unwritable = matches!(result, Err(Error::Unwritable { .. }));
            if !(is_unwritable && self.surroundings.reserved_space.free()) {
                return result;
            }
        }
    }

    /// Runs changes in one transaction and commits it. Returns how many changes
    /// it contains: the first ones, if they take long.
    fn commit(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<usize, Error> {
        let committed = commit(&self.connection, jobs, &self.surroundings.health);
        match &committed {
            Ok(Committed {
                erases, is_kept, ..
            }) => {
                if *is_kept {
                    self.surroundings.health.note_change(&Ok(()));
                    self.commits += 1;
                }
                self.erases |= erases;
            }
            Err(error) => self
                .surroundings
                .health
                .note_change::<()>(&Err(error.clone())),
        }
        committed.map(|committed| committed.made)
    }

    fn checkpoint(&mut self) {
        let is_busy = match checkpoint(&self.connection) {
            Ok(is_complete) => !is_complete,
            Err(error) => {
                // The changes are durable; only the log was not truncated.
                tracing::debug!(error = %error, "old ciphertext is still in the write-ahead log");
                true
            }
        };
        self.commits = 0;
        if is_busy {
            self.retry = (self.retry * 2).min(RETRY.1);
        } else {
            self.retry = RETRY.0;
            self.erases = false;
            self.surroundings.placement.note_size();
        }
    }
}

/// The result of a commit.
struct Committed {
    /// How many changes it contains.
    made: usize,
    /// Whether a secret was overwritten.
    erases: bool,
    /// Whether any change was stored.
    is_kept: bool,
}

/// # Errors
/// The reason why none of the changes was stored.
fn commit(
    connection: &Connection,
    jobs: &mut [Box<dyn Job>],
    health: &Health,
) -> Result<Committed, Error> {
    let behavior = TransactionBehavior::Immediate;
    let transaction = Transaction::new_unchecked(connection, behavior)?;
    let (mut erases, mut is_kept, mut made) = (false, false, 0);
    let began = Instant::now();
    for job in jobs {
        // An answer of a provider always joins the transaction.
        if made > 0 && !job.is_save() && began.elapsed() > LONGEST_WORK {
            break;
        }
        made += 1;
        match in_savepoint(&transaction, &mut **job)? {
            Outcome::Kept { erases: one } => {
                erases |= one;
                is_kept = true;
            }
            Outcome::Undone {
                unwritable: Some(error),
            } => health.note_change::<()>(&Err(error)),
            Outcome::Undone { unwritable: None } => {}
        }
    }
    transaction.commit()?;
    Ok(Committed {
        made,
        erases,
        is_kept,
    })
}

/// Runs one change in its own savepoint.
///
/// # Errors
/// Only if SQLite has rolled back the whole transaction, as it does after some
/// failures, such as a full disk.
fn in_savepoint(connection: &Connection, job: &mut dyn Job) -> Result<Outcome, Error> {
    connection.execute_batch("SAVEPOINT change")?;
    // A panic in one change must not end the thread or affect other changes.
    let outcome = catch_unwind(AssertUnwindSafe(|| job.run(connection)))
        .unwrap_or(Outcome::Undone { unwritable: None });
    if connection.is_autocommit() {
        let why = "the whole transaction was rolled back".to_owned();
        return Err(match outcome {
            Outcome::Undone {
                unwritable: Some(error),
            } => error,
            _ => Error::Unwritable { why },
        });
    }
    if matches!(outcome, Outcome::Undone { .. }) {
        connection.execute_batch("ROLLBACK TO change")?;
    }
    connection.execute_batch("RELEASE change")?;
    Ok(outcome)
}
