//! Limits the connections of each user, so that no user of a shared machine can
//! prevent others from being served.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A user of a shared daemon may have one `SHARE`th of all connections.
const SHARE: usize = 4;

/// Once three quarters of all connections are taken, a user may have only one
/// `SMALL_SHARE`th of them, so that several users with a full share leave room for
/// the others.
const SMALL_SHARE: usize = 64;

/// The shortest time between two log lines about the same user.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The connections of every user of one listener.
#[derive(Clone, Debug)]
pub struct ConnectionQuota {
    max_connections: usize,
    /// The user of a user daemon; this user and root have no limit.
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
    /// The number of refusals since the last log line.
    refused: usize,
    logged_at: Option<Instant>,
}

/// The permit of one connection, returned when dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    quota: ConnectionQuota,
    uid: u32,
}

impl ConnectionQuota {
    /// Makes a quota with the same limit for every user except `daemon_user` and
    /// root.
    #[must_use]
    pub fn new(max_connections: usize, daemon_user: Option<u32>) -> Self {
        Self {
            max_connections,
            daemon_user,
            taken: Arc::default(),
        }
    }

    /// Takes a permit for one more connection of a user; `None` if the user has
    /// reached the limit.
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
                "a user has too many connections; refusing further ones"
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
        // Kept if it contains the time of the last log line.
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
    fn a_user_gets_one_share_of_the_connections() {
        let quota = ConnectionQuota::new(8, None);
        let held = take(&quota, 1, 8);
        assert_eq!(held.len(), 2);
        assert!(quota.take(2).is_some());
        drop(held);
        assert_eq!(take(&quota, 1, 8).len(), 2);
        assert_eq!(quota.lock().all, 0);
    }

    #[test]
    fn users_with_a_full_share_leave_room_for_the_others() {
        let quota = ConnectionQuota::new(1024, None);
        let held: Vec<_> = (1..9).map(|uid| take(&quota, uid, 1024)).collect();
        let counts: Vec<_> = held.iter().map(Vec::len).collect();
        assert_eq!(counts, [256, 256, 256, 16, 16, 16, 16, 16]);
    }

    #[test]
    fn a_user_daemon_limits_neither_its_user_nor_root() {
        let quota = ConnectionQuota::new(8, Some(1000));
        assert_eq!(take(&quota, 1000, 20).len(), 20);
        assert_eq!(take(&quota, 0, 20).len(), 20);
        assert_eq!(take(&quota, 1001, 20).len(), 2);
    }

    #[test]
    fn refusals_of_a_user_are_logged_at_intervals() {
        let quota = ConnectionQuota::new(1, None);
        let held = quota.take(1).unwrap();
        for _ in 0..1000 {
            assert!(quota.take(1).is_none());
        }
        let logged = |quota: &ConnectionQuota| quota.lock().users[&1].refused;
        assert_eq!(logged(&quota), 999);
        // Nor does the interval start again when all connections have ended.
        drop(held);
        let _held = quota.take(1).unwrap();
        assert!(quota.take(1).is_none());
        assert_eq!(logged(&quota), 1000);
    }
}
