//! What waits for the writer: answers of providers first, everything else
//! after them.
//!
//! The answer of a provider cannot be had a second time, so it is stored
//! before any new attempt is begun.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::job::Job;

/// How many changes one transaction holds at most. Each takes some 0.1 ms, so
/// an answer that arrives while one runs waits for a few milliseconds.
const LARGEST_BATCH: usize = 64;

/// What the writer does next.
pub(super) enum Next {
    /// These changes, in one transaction.
    Batch(Vec<Box<dyn Job>>),
    /// Nothing arrived within the time given.
    Quiet,
    /// Nothing waits and nothing more can arrive.
    Closed,
}

#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    saves: VecDeque<Box<dyn Job>>,
    others: VecDeque<Box<dyn Job>>,
    is_closed: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.saves.is_empty() && self.others.is_empty()
    }

    fn take(&mut self) -> Vec<Box<dyn Job>> {
        let saves = self.saves.len().min(LARGEST_BATCH);
        let others = self.others.len().min(LARGEST_BATCH - saves);
        let saves = self.saves.drain(..saves);
        saves.chain(self.others.drain(..others)).collect()
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job; gives it back if the queue is closed.
    pub(super) fn push(&self, job: Box<dyn Job>) -> Result<(), Box<dyn Job>> {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return Err(job);
        }
        if job.is_save() {
            waiting.saves.push_back(job);
        } else {
            waiting.others.push_back(job);
        }
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Takes nothing more; what waits is still done.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.arrived.notify_one();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Waits for something to do, for `patience` at most where it is given.
    pub(super) fn next(&self, patience: Option<Duration>) -> Next {
        let is_idle = |waiting: &mut Waiting| waiting.is_empty() && !waiting.is_closed;
        let waiting = self.lock();
        let mut waiting = match patience {
            None => self
                .arrived
                .wait_while(waiting, is_idle)
                .unwrap_or_else(PoisonError::into_inner),
            Some(patience) => {
                let waited = self
                    .arrived
                    .wait_timeout_while(waiting, patience, is_idle)
                    .unwrap_or_else(PoisonError::into_inner);
                if waited.1.timed_out() {
                    return Next::Quiet;
                }
                waited.0
            }
        };
        if waiting.is_empty() {
            Next::Closed
        } else {
            Next::Batch(waiting.take())
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::super::super::Error;
    use super::super::job::{Job, Outcome};
    use super::*;

    struct Named {
        is_save: bool,
    }

    impl Job for Named {
        fn run(&mut self, _: &Connection) -> Outcome {
            Outcome::Undone { unwritable: None }
        }
        fn is_save(&self) -> bool {
            self.is_save
        }
        fn answer(self: Box<Self>, _: Result<(), Error>) {}
    }

    fn push(queue: &Queue, is_save: bool) {
        assert!(queue.push(Box::new(Named { is_save })).is_ok());
    }

    fn taken(queue: &Queue) -> Vec<bool> {
        match queue.next(Some(Duration::ZERO)) {
            Next::Batch(jobs) => jobs.iter().map(|job| job.is_save()).collect(),
            Next::Quiet | Next::Closed => Vec::new(),
        }
    }

    #[test]
    fn saves_go_before_what_waited_longer() {
        let queue = Queue::default();
        push(&queue, false);
        push(&queue, true);
        assert_eq!(taken(&queue), [true, false]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_batch_is_bounded_and_takes_saves_first() {
        let queue = Queue::default();
        for _ in 0..LARGEST_BATCH {
            push(&queue, false);
            push(&queue, true);
        }
        assert_eq!(taken(&queue), [true; LARGEST_BATCH]);
        assert_eq!(taken(&queue), [false; LARGEST_BATCH]);
    }

    #[test]
    fn a_closed_queue_gives_what_it_has_and_takes_nothing() {
        let queue = Queue::default();
        push(&queue, false);
        queue.close();
        assert!(queue.push(Box::new(Named { is_save: true })).is_err());
        assert_eq!(taken(&queue), [false]);
        assert!(matches!(queue.next(None), Next::Closed));
    }
}
