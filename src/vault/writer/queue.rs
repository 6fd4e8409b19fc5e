//! The writer's queue: answers of providers first, then everything else. Within
//! each, owners take turns.
//!
//! A provider's answer cannot be requested again, so it is stored before any
//! new attempt begins.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::job::Job;
use super::lanes::Lanes;

/// The most changes in one transaction. Each takes about 0.1 ms, so an answer
/// that arrives meanwhile waits for a few milliseconds.
const LARGEST_BATCH: usize = 64;

/// The writer's next task.
pub(super) enum Next {
    /// Store these changes in one transaction.
    Batch(Vec<Box<dyn Job>>),
    /// Nothing arrived within the timeout.
    Quiet,
    /// The queue is closed and empty.
    Closed,
}

#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    saves: Lanes,
    others: Lanes,
    is_closed: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.saves.is_empty() && self.others.is_empty()
    }

    fn of(&mut self, job: &dyn Job) -> &mut Lanes {
        if job.is_save() {
            &mut self.saves
        } else {
            &mut self.others
        }
    }

    fn take(&mut self) -> Vec<Box<dyn Job>> {
        let next = || self.saves.pop().or_else(|| self.others.pop());
        std::iter::from_fn(next).take(LARGEST_BATCH).collect()
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a job. Returns it if the queue is closed.
    pub(super) fn push(&self, job: Box<dyn Job>) -> Result<(), Box<dyn Job>> {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return Err(job);
        }
        waiting.of(&*job).push(job);
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Puts back the jobs of a batch that were not begun. They keep their order
    /// and come first among their owners' jobs.
    pub(super) fn put_back(&self, jobs: Vec<Box<dyn Job>>) {
        let mut waiting = self.lock();
        for job in jobs.into_iter().rev() {
            waiting.of(&*job).put_back(job);
        }
    }

    /// Closes the queue. Jobs that are waiting still run.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.arrived.notify_one();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Waits for the next task, for at most `timeout` if one is given.
    pub(super) fn next(&self, timeout: Option<Duration>) -> Next {
        let is_idle = |waiting: &mut Waiting| waiting.is_empty() && !waiting.is_closed;
        let waiting = self.lock();
        let mut waiting = match timeout {
            None => self
                .arrived
                .wait_while(waiting, is_idle)
                .unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                let waited = self
                    .arrived
                    .wait_timeout_while(waiting, timeout, is_idle)
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
    use crate::identity::Owner;

    struct Named {
        is_save: bool,
        owner: Option<Owner>,
    }

    impl Job for Named {
        fn run(&mut self, _: &Connection) -> Outcome {
            Outcome::Undone { unwritable: None }
        }
        fn is_save(&self) -> bool {
            self.is_save
        }
        fn owner(&self) -> Option<Owner> {
            self.owner
        }
        fn answer(self: Box<Self>, _: Result<(), Error>) {}
    }

    fn push(queue: &Queue, is_save: bool) {
        push_for(queue, is_save, None);
    }

    fn push_for(queue: &Queue, is_save: bool, uid: Option<u32>) {
        let owner = uid.and_then(Owner::from_uid);
        assert!(queue.push(Box::new(Named { is_save, owner })).is_ok());
    }

    fn batch(queue: &Queue) -> Vec<Box<dyn Job>> {
        match queue.next(Some(Duration::ZERO)) {
            Next::Batch(jobs) => jobs,
            Next::Quiet | Next::Closed => Vec::new(),
        }
    }

    fn uids(jobs: &[Box<dyn Job>]) -> Vec<u32> {
        let uids = jobs.iter().map(|job| job.owner().map_or(0, Owner::uid));
        uids.collect()
    }

    #[test]
    fn a_change_waits_for_one_change_of_each_other_owner_not_for_all_of_one() {
        let queue = Queue::default();
        for _ in 0..2 * LARGEST_BATCH {
            push_for(&queue, false, Some(1));
        }
        push_for(&queue, false, Some(2));
        push_for(&queue, false, Some(2));
        assert_eq!(uids(&batch(&queue))[..5], [1, 2, 1, 2, 1]);
    }

    #[test]
    fn changes_that_are_put_back_come_first_in_their_order() {
        let queue = Queue::default();
        for uid in [1, 1, 2, 3] {
            push_for(&queue, false, Some(uid));
        }
        let mut jobs = batch(&queue);
        assert_eq!(uids(&jobs), [1, 2, 3, 1]);
        let rest = jobs.split_off(1);
        push_for(&queue, false, Some(1));
        queue.put_back(rest);
        assert_eq!(uids(&batch(&queue)), [2, 3, 1, 1]);
        assert!(queue.is_empty());
    }

    fn taken(queue: &Queue) -> Vec<bool> {
        batch(queue).iter().map(|job| job.is_save()).collect()
    }

    #[test]
    fn saves_come_before_changes_that_waited_longer() {
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
    fn a_closed_queue_returns_its_changes_and_accepts_none() {
        let queue = Queue::default();
        push(&queue, false);
        queue.close();
        assert!(
            queue
                .push(Box::new(Named {
                    is_save: true,
                    owner: None
                }))
                .is_err()
        );
        assert_eq!(taken(&queue), [false]);
        assert!(matches!(queue.next(None), Next::Closed));
    }
}
