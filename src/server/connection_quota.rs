//! A bound on how many connections one user may have at a time, so that no
//! user of a shared machine can keep the others from being served.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The part of all connections that one user of many may have: one in so many.
const SHARE: usize = 4;

/// Once three quarters of all connections are taken, only users who have no
/// more than one in so many get another one: several users who each take their
/// share leave room for the rest.
const SMALL_SHARE: usize = 64;

/// How often it is logged that a user is refused.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The connections of every user of one listener.
#[derive(Clone, Debug)]
pub struct ConnectionQuota {
    max_connections: usize,
    /// Whose daemon it is; this user and root are not held to a share.
    daemon_user: Option<u32>,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    users: HashMap<u32, User>,
}

#[derive(Debug, Default)]
struct User {
    connections: usize,
    /// Since the last line in the log.
    refused: usize,
    logged_at: Option<Instant>,
}

/// One connection's place, given back when dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    quota: ConnectionQuota,
    uid: u32,
}

impl ConnectionQuota {
    /// Equal shares for every user; on a user's own daemon (`daemon_user`)
    /// for every other user.
    #[must_use]
    pub fn new(max_connections: usize, daemon_user: Option<u32>) -> Self {
        Self {
            max_connections,
            daemon_user,
            taken: Arc::default(),
        }
    }

    /// A permit for one more connection of a user, or `None` if that user has
    /// as many as may be.
    #[must_use]
    pub fn take(&self, uid: u32) -> Option<ConnectionPermit> {
        let mut taken = self.lock();
        let all = taken.all;
        let user = taken.users.entry(uid).or_default();
        if !self.has_room(uid, user.connections, all) {
            user.note_refusal(uid);
            return None;
        }
        user.connections += 1;
        taken.all += 1;
        Some(ConnectionPermit {
            quota: self.clone(),
            uid,
        })
    }

    fn has_room(&self, uid: u32, connections: usize, all: usize) -> bool {
        if self.daemon_user.is_some_and(|own| own == uid || uid == 0) {
            return true;
        }
        let max = self.max_connections;
        let is_crowded = all >= max - max.div_ceil(SHARE);
        let share = if is_crowded { SMALL_SHARE } else { SHARE };
        connections < max.div_ceil(share)
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl User {
    fn note_refusal(&mut self, uid: u32) {
        self.refused += 1;
        let is_due = self
            .logged_at
            .is_none_or(|logged_at| logged_at.elapsed() >= LOG_INTERVAL);
        if is_due {
            tracing::warn!(
                peer.uid = uid,
                refused = self.refused,
                "a user has too many connections; further ones are refused"
            );
            self.refused = 0;
            self.logged_at = Some(Instant::now());
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut taken = self.quota.lock();
        taken.all -= 1;
        let Some(user) = taken.users.get_mut(&self.uid) else {
            return;
        };
        user.connections -= 1;
        // Kept while it says when a refusal was logged last.
        if user.connections == 0 && user.logged_at.is_none() {
            taken.users.remove(&self.uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(quota: &ConnectionQuota, uid: u32, count: usize) -> Vec<ConnectionPermit> {
        (0..count).map_while(|_| quota.take(uid)).collect()
    }

    #[test]
    fn a_user_has_a_share_and_leaves_the_others_theirs() {
        let quota = ConnectionQuota::new(8, None);
        let held = take(&quota, 1, 8);
        assert_eq!(held.len(), 2);
        assert!(quota.take(2).is_some());
        drop(held);
        assert_eq!(take(&quota, 1, 8).len(), 2);
        assert_eq!(quota.lock().all, 0);
    }

    #[test]
    fn users_who_take_their_whole_share_leave_room_for_the_rest() {
        let quota = ConnectionQuota::new(1024, None);
        let held: Vec<_> = (1..9).map(|uid| take(&quota, uid, 1024)).collect();
        let counts: Vec<_> = held.iter().map(Vec::len).collect();
        assert_eq!(counts, [256, 256, 256, 16, 16, 16, 16, 16]);
    }

    #[test]
    fn a_users_own_daemon_has_all_its_connections_for_that_user_and_root() {
        let quota = ConnectionQuota::new(8, Some(1000));
        assert_eq!(take(&quota, 1000, 20).len(), 20);
        assert_eq!(take(&quota, 0, 20).len(), 20);
        assert_eq!(take(&quota, 1001, 20).len(), 2);
    }

    #[test]
    fn refusals_of_a_user_are_logged_once_in_a_while() {
        let quota = ConnectionQuota::new(1, None);
        let held = quota.take(1).unwrap();
        for _ in 0..1000 {
            assert!(quota.take(1).is_none());
        }
        let logged = |quota: &ConnectionQuota| quota.lock().users[&1].refused;
        assert_eq!(logged(&quota), 999);
        // Neither does it begin anew when all connections have gone.
        drop(held);
        let _held = quota.take(1).unwrap();
        assert!(quota.take(1).is_none());
        assert_eq!(logged(&quota), 1000);
    }
}
