//! When tokens were last issued, kept in memory until it is stored.
//!
//! Issuing a token must not wait for the disk, so the times are collected here
//! and stored at intervals. A crash loses some seconds of them, which affects
//! only the order of tokens by their last use.

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

    /// All times that are not stored yet. They are kept until [`Self::forget`].
    pub(super) fn all(&self) -> Vec<(TokenId, Timestamp)> {
        self.0
            .lock()
            .map(|uses| uses.iter().map(|(id, at)| (*id, *at)).collect())
            .unwrap_or_default()
    }

    /// Removes times that were stored, unless a later one was added meanwhile.
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
