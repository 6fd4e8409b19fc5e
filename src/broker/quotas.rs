//! Whether an owner has room for something new, asked in the change that makes
//! it, so that two at once cannot both take the last place.

use super::Broker;
use crate::clock::Timestamp;
use crate::identity::Owner;
use crate::quota::{Limits, New};
use crate::vault::{self, View};

/// The limits, and the time by which flows under way are counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    limits: Limits,
    now: Timestamp,
}

impl Broker {
    /// What is asked for room.
    pub(super) fn room(&self) -> Room {
        Room {
            limits: self.0.settings.limits,
            now: self.0.ambient.now(),
        }
    }
}

impl Room {
    /// Whether an owner may begin `new`.
    ///
    /// # Errors
    /// [`vault::Error::QuotaExceeded`], which undoes the change.
    pub(super) fn check(self, view: &View<'_>, owner: Owner, new: New) -> Result<(), vault::Error> {
        let totals = view.totals(Some(owner), self.now)?;
        Ok(self.limits.check(new, &totals)?)
    }
}
