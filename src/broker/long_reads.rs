//! Reads that take longer the more an owner has stored: one at a time for each
//! owner, and off the threads that answer everybody.
//!
//! A look-up takes some ten microseconds and runs where it is asked for. To read
//! a hundred thousand rows takes a second; two of those would keep both threads
//! of a small machine, and with them every other owner's requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Broker;
use crate::identity::Owner;
use crate::vault::{self, View};

/// Up to how many tokens of an owner are read like a look-up: about two
/// milliseconds.
const FEW: u64 = 128;

/// Each owner's turn to read at length.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<Owner, Arc<Semaphore>>>);

/// An owner's turn, over when it is dropped.
#[derive(Debug)]
pub struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    async fn take(&self, owner: Owner) -> Turn {
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

impl Broker {
    /// Waits until no other read at length of this owner's is under way.
    pub async fn long_read_turn(&self, owner: Owner) -> Turn {
        self.0.long_reads.take(owner).await
    }

    /// Reads what may be all that an owner has stored.
    ///
    /// # Errors
    /// Those of `work`.
    pub(super) async fn read_at_length<T>(
        &self,
        owner: Owner,
        work: impl FnOnce(&View<'_>) -> Result<T, vault::Error>,
    ) -> Result<T, vault::Error> {
        let vault = &self.0.vault;
        if vault.read(|view| view.token_count(owner))? <= FEW {
            return vault.read(work);
        }
        let _turn = self.long_read_turn(owner).await;
        off_worker(|| vault.read(work))
    }
}

/// Runs `work` while the thread's other tasks go on elsewhere.
pub(super) fn off_worker<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // A runtime of one thread has nowhere else to go on.
        _ => work(),
    }
}
