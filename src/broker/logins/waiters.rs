//! The calls that wait for flows. All that wait for a flow wake when it ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::identity::{FlowId, Owner};

#[derive(Debug)]
pub(super) struct Waiters {
    /// How many may wait at once per owner.
    limit: usize,
    state: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Dropping the sender wakes all receivers.
    flows: HashMap<FlowId, watch::Sender<()>>,
    counts: HashMap<Owner, usize>,
}

/// A place among the waiters, given back when dropped.
#[derive(Debug)]
pub(super) struct Waiter {
    waiters: Arc<Waiters>,
    owner: Owner,
    flow: FlowId,
    ended: watch::Receiver<()>,
}

impl Waiters {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            state: Mutex::default(),
        }
    }

    /// Takes a place; `None` if the owner has none left. To be taken before
    /// the flow's status is read, so that its end cannot be missed.
    pub(super) fn join(self: &Arc<Self>, owner: Owner, flow: FlowId) -> Option<Waiter> {
        let mut state = self.lock();
        let count = state.counts.entry(owner).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        let ended = state.subscribe(flow);
        Some(Waiter {
            waiters: Arc::clone(self),
            owner,
            flow,
            ended,
        })
    }

    /// Wakes the calls that wait for a flow.
    pub(super) fn wake(&self, flow: FlowId) {
        self.lock().flows.remove(&flow);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn subscribe(&mut self, flow: FlowId) -> watch::Receiver<()> {
        self.flows
            .entry(flow)
            .or_insert_with(|| watch::Sender::new(()))
            .subscribe()
    }
}

impl Waiter {
    /// Returns when the flow has been woken. The place is kept, and the waiter
    /// can wait again: not every change of a flow is its end.
    pub(super) async fn woken(&mut self) {
        // Nothing is ever sent: the only change is that the sender goes.
        while self.ended.changed().await.is_ok() {}
        self.ended = self.waiters.lock().subscribe(self.flow);
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut state = self.waiters.lock();
        if let Some(count) = state.counts.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                state.counts.remove(&self.owner);
            }
        }
        // This one's receiver is still counted; the last one takes the entry along.
        if state
            .flows
            .get(&self.flow)
            .is_some_and(|sender| sender.receiver_count() <= 1)
        {
            state.flows.remove(&self.flow);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn a_waiter_that_is_woken_keeps_its_place() {
        let waiters = Arc::new(Waiters::new(1));
        let owner = Owner::from_uid(1).unwrap();
        let flow = FlowId::new(Uuid::nil());
        let mut waiter = waiters.join(owner, flow).unwrap();
        for _ in 0..2 {
            waiters.wake(flow);
            waiter.woken().await;
            assert!(waiters.join(owner, flow).is_none());
        }
        drop(waiter);
        assert!(waiters.lock().flows.is_empty());
        assert!(waiters.join(owner, flow).is_some());
    }
}
