//! A bound on how many connections one owner may have at a time, so that no
//! user of a shared machine can keep the others from being served.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::identity::Owner;

/// The seats of every owner.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    per_owner: usize,
    taken: Arc<Mutex<HashMap<Owner, usize>>>,
}

/// One connection's seat, given back when dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Seats,
    owner: Owner,
}

impl Seats {
    pub(super) fn new(per_owner: usize) -> Self {
        Self {
            per_owner,
            taken: Arc::default(),
        }
    }

    /// A seat, or `None` if the owner has none left.
    pub(super) fn take(&self, owner: Owner) -> Option<Seat> {
        let mut taken = self.lock();
        let count = taken.entry(owner).or_default();
        if *count >= self.per_owner {
            return None;
        }
        *count += 1;
        Some(Seat {
            seats: self.clone(),
            owner,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        if let Some(count) = taken.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_without_seats_leaves_the_others_theirs() {
        let (ada, grace) = (Owner::from_uid(1).unwrap(), Owner::from_uid(2).unwrap());
        let seats = Seats::new(2);
        let held = [seats.take(ada).unwrap(), seats.take(ada).unwrap()];
        assert!(seats.take(ada).is_none());
        assert!(seats.take(grace).is_some());
        drop(held);
        assert!(seats.take(ada).is_some());
        assert!(seats.lock().is_empty());
    }
}
