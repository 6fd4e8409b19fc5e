//! Waiting changes, with a lane for each owner. Changes are taken from one lane
//! after another, so that an owner with a thousand changes does not delay the
//! single change of another.

use std::collections::VecDeque;

use super::job::Job;
use crate::identity::Owner;

/// The changes of one owner, in order; `None` is the daemon itself.
struct Lane {
    owner: Option<Owner>,
    jobs: VecDeque<Box<dyn Job>>,
}

/// The lanes that are not empty, in the order of their turns.
#[derive(Default)]
pub(super) struct Lanes(VecDeque<Lane>);

impl Lanes {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends a change to its owner's lane.
    pub(super) fn push(&mut self, job: Box<dyn Job>) {
        let owner = job.owner();
        match self.0.iter_mut().find(|lane| lane.owner == owner) {
            Some(lane) => lane.jobs.push_back(job),
            None => self.0.push_back(Lane::of(job)),
        }
    }

    /// Puts back a change that was taken; it becomes the next one.
    pub(super) fn put_back(&mut self, job: Box<dyn Job>) {
        let owner = job.owner();
        let found = self.0.iter().position(|lane| lane.owner == owner);
        let lane = match found.and_then(|index| self.0.remove(index)) {
            Some(mut lane) => {
                lane.jobs.push_front(job);
                lane
            }
            None => Lane::of(job),
        };
        self.0.push_front(lane);
    }

    /// Takes the first change of the next lane; that lane's next turn is then
    /// the last.
    pub(super) fn pop(&mut self) -> Option<Box<dyn Job>> {
        let mut lane = self.0.pop_front()?;
        let job = lane.jobs.pop_front();
        if !lane.jobs.is_empty() {
            self.0.push_back(lane);
        }
        job
    }
}

impl Lane {
    fn of(job: Box<dyn Job>) -> Self {
        Self {
            owner: job.owner(),
            jobs: VecDeque::from([job]),
        }
    }
}
