//! Reads that take longer the more an owner has stored. They run one at a time
//! per owner, and off the threads that answer requests.
//!
//! A look-up takes some ten microseconds and runs where it is asked for. Reading a
//! hundred thousand rows takes a second; two such reads would occupy both threads
//! of a small machine, and delay every other owner's requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::identity::Owner;

/// Up to how many tokens of an owner are read like a look-up: about two
/// milliseconds.
pub(super) const FEW: u64 = 128;

/// Each owner's turn for a long read.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<Owner, Arc<Semaphore>>>);

/// An owner's turn; it ends when dropped.
#[derive(Debug)]
pub struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// Waits until no other long read of this owner's is under way.
    pub(super) async fn take(&self, owner: Owner) -> Turn {
        let turns = {
            let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let turns = owners.entry(owner);
            Arc::clone(turns.or_insert_with(|| Arc::new(Semaphore::new(1))))
        };
        // An error would mean that the semaphore is closed, which it never is.
        let _permit = turns.acquire_owned().await.ok();
        Turn { _permit }
    }
}

/// Runs `work` while the thread's other tasks move to another thread.
pub(super) fn off_worker<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // A runtime of one thread has no other thread to move them to.
        _ => work(),
    }
}
