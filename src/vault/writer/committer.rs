//! The writing thread: what waits goes into one transaction, a savepoint for
//! each change, and is durable with one commit.
//!
//! A change that fails undoes itself alone. Where the commit fails, no caller
//! is told that anything was stored.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::super::Error;
use super::super::health::Health;
use super::job::{Job, Outcome};
use super::queue::{Next, Queue};
use super::{Surroundings, checkpoint};
use crate::failpoint;

/// The first wait after a checkpoint that another connection kept from
/// finishing, and the longest. The daemon's own reads take microseconds; a
/// backup tool's may take minutes.
const RETRY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Commits without a checkpoint after which one is made although changes
/// wait, so that a busy log does not grow without end.
const MOST_COMMITS: u32 = 256;

/// After how long no further change joins a transaction: one that arrives
/// meanwhile, or another owner's, waits for no more than this and the commit.
const LONGEST_WORK: Duration = Duration::from_millis(5);

/// What the writing thread holds.
pub(super) struct Committer {
    connection: Connection,
    surroundings: Surroundings,
    /// The log may hold ciphertext that has been overwritten.
    erases: bool,
    commits: u32,
    /// How long the next try of a checkpoint waits, after one that was kept
    /// from finishing.
    retry: Duration,
}

impl Committer {
    pub(super) fn new(connection: Connection, surroundings: Surroundings) -> Result<Self, Error> {
        // Checkpoints are made when nothing waits, not in the middle of a commit.
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
        // What is left in the write-ahead log goes into the file.
        if let Err(error) = checkpoint(&self.connection) {
            tracing::debug!(error = %error, "the last checkpoint was left to the next start");
        }
    }

    /// Makes the changes durable, then answers their callers. The log is
    /// emptied before the answers where nothing else waits.
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

    /// Refuses changes while the open file is not the one that the next start
    /// would open. A save is made all the same: it is in the copy that
    /// `agent-auth vault backup` makes from the open file.
    fn refuse_where_lost(&self, jobs: Vec<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
        let found = self.surroundings.placement.check();
        self.surroundings.trouble.note_place(found.clone());
        let Err(why) = found else { return jobs };
        let (saves, others): (Vec<_>, _) = jobs.into_iter().partition(|job| job.is_save());
        for job in others {
            job.answer(Err(Error::Unwritable { why: why.clone() }));
        }
        saves
    }

    /// Commits a save by itself whose shared transaction failed with `error`:
    /// another change of it may have been too large. If the disk is full, the
    /// room that was kept for it is freed first.
    fn again(&mut self, job: &mut Box<dyn Job>, error: &Error) -> Result<(), Error> {
        if !job.is_save() {
            return Err(error.clone());
        }
        loop {
            let result = self.commit(std::slice::from_mut(job)).map(drop);
            let is_unwritable = matches!(result, Err(Error::Unwritable { .. }));
            if !(is_unwritable && self.surroundings.ballast.free()) {
                return result;
            }
        }
    }

    /// Runs the changes in one transaction and commits it durably; how many it
    /// took, which is not all of them where they take long.
    fn commit(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<usize, Error> {
        let committed = commit(&self.connection, jobs, &self.surroundings.trouble);
        match &committed {
            Ok(Committed {
                erases, is_kept, ..
            }) => {
                if *is_kept {
                    self.surroundings.trouble.note_change(&Ok(()));
                    self.commits += 1;
                }
                self.erases |= erases;
            }
            Err(error) => self
                .surroundings
                .trouble
                .note_change::<()>(&Err(error.clone())),
        }
        committed.map(|committed| committed.made)
    }

    fn checkpoint(&mut self) {
        let is_busy = match checkpoint(&self.connection) {
            Ok(is_complete) => !is_complete,
            Err(error) => {
                // The changes are durable; what is in the log stays there.
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

/// What a commit did.
struct Committed {
    /// How many changes it took.
    made: usize,
    /// Whether a secret was overwritten.
    erases: bool,
    /// Whether anything was written at all.
    is_kept: bool,
}

/// # Errors
/// Why none of the changes was stored.
fn commit(
    connection: &Connection,
    jobs: &mut [Box<dyn Job>],
    trouble: &Health,
) -> Result<Committed, Error> {
    let behavior = TransactionBehavior::Immediate;
    let transaction = Transaction::new_unchecked(connection, behavior)?;
    let (mut erases, mut is_kept, mut made) = (false, false, 0);
    let began = Instant::now();
    for job in jobs {
        // What a provider gave is made durable at once, however much of it there is.
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
            } => trouble.note_change::<()>(&Err(error)),
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

/// Runs one change in a savepoint of its own.
///
/// # Errors
/// Only if the whole transaction is lost: SQLite ends it by itself after some
/// failures, a full disk among them.
fn in_savepoint(connection: &Connection, job: &mut dyn Job) -> Result<Outcome, Error> {
    connection.execute_batch("SAVEPOINT change")?;
    // A defect in one change must not end the writer, nor the other changes.
    let outcome = catch_unwind(AssertUnwindSafe(|| job.run(connection)))
        .unwrap_or(Outcome::Undone { unwritable: None });
    if connection.is_autocommit() {
        let why = "the whole transaction was given up".to_owned();
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
