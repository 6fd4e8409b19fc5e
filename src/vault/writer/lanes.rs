//! Changes that wait, a lane for each owner, taken from one lane after another:
//! who has a thousand waiting does not keep the others from their one.

use std::collections::VecDeque;

use super::job::Job;
use crate::identity::Owner;

/// One owner's changes, in their order. Those of the daemon itself have none.
struct Lane {
    owner: Option<Owner>,
    jobs: VecDeque<Box<dyn Job>>,
}

/// Lanes with something in them, the next one first.
#[derive(Default)]
pub(super) struct Lanes(VecDeque<Lane>);

impl Lanes {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a change behind the others of its owner.
    pub(super) fn push(&mut self, job: Box<dyn Job>) {
        let owner = job.owner();
        match self.0.iter_mut().find(|lane| lane.owner == owner) {
            Some(lane) => lane.jobs.push_back(job),
            None => self.0.push_back(Lane::of(job)),
        }
    }

    /// Puts a change that was taken before everything else.
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

    /// The first change of the next lane, which then is the last.
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
