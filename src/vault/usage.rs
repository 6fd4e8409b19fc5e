//! When tokens were last handed out, until it is written down.
//!
//! A hand-out must not wait for the disk, so its time is kept here and goes to
//! the vault now and then; a crash loses some seconds of it, which only blurs
//! which of two tokens was used more recently.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::clock::Timestamp;
use crate::identity::TokenId;

#[derive(Debug, Default)]
pub(super) struct Usage(Mutex<HashMap<TokenId, Timestamp>>);

impl Usage {
    pub(super) fn mark(&self, id: TokenId, now: Timestamp) {
        if let Ok(mut uses) = self.0.lock() {
            uses.insert(id, now);
        }
    }

    pub(super) fn last(&self, id: TokenId) -> Option<Timestamp> {
        self.0.lock().ok()?.get(&id).copied()
    }

    /// Everything marked; it stays marked until [`Self::forget`].
    pub(super) fn all(&self) -> Vec<(TokenId, Timestamp)> {
        self.0
            .lock()
            .map(|uses| uses.iter().map(|(id, at)| (*id, *at)).collect())
            .unwrap_or_default()
    }

    /// Drops what has been written down, unless it was marked anew since.
    pub(super) fn forget(&self, written: &[(TokenId, Timestamp)]) {
        if let Ok(mut uses) = self.0.lock() {
            for (id, at) in written {
                if uses.get(id) == Some(at) {
                    uses.remove(id);
                }
            }
        }
    }
}
