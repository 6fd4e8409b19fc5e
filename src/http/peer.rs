//! The peer of a connection, as reported by the kernel, and the owner whose data
//! it may access.

use std::sync::Arc;

use tokio::net::UnixStream;

use crate::identity::Owner;
use crate::log_limit::log_limited;
use crate::server::connection_quota::ConnectionPermit;

/// A permitted peer.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The owner whose providers and tokens it can access.
    pub owner: Owner,
    /// Its uid, for the log.
    pub uid: u32,
    /// Its process id, only for the log: the id of a process that ended can be
    /// reused.
    pub pid: Option<i32>,
    /// Its permit in the quota of its user, held while the connection exists.
    #[allow(dead_code, reason = "it is held until the peer is dropped")]
    pub permit: Option<Arc<ConnectionPermit>>,
}

/// Which users a daemon serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// This user and root, who both act as this owner.
    User(Owner),
    /// Every local user, each its own owner.
    System,
}

impl Access {
    /// Asks the kernel for the peer; `None` if it is not served, or if the kernel
    /// does not report it.
    #[must_use]
    pub fn admit(self, stream: &UnixStream) -> Option<Peer> {
        let credentials = stream.peer_cred().ok()?;
        let uid = credentials.uid();
        let Some(owner) = self.owner_of(uid) else {
            log_limited!(
                1,
                warn,
                peer.uid = uid,
                peer.pid = credentials.pid(),
                "rejected a peer"
            );
            return None;
        };
        Some(Peer {
            owner,
            uid,
            pid: credentials.pid(),
            permit: None,
        })
    }

    fn owner_of(self, uid: u32) -> Option<Owner> {
        match self {
            Self::User(owner) => (uid == owner.uid() || uid == 0).then_some(owner),
            Self::System => Owner::from_uid(uid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_daemon_serves_its_own_uid_and_root_as_one_owner() {
        let me = Owner::from_uid(1000).unwrap();
        let access = Access::User(me);
        assert_eq!(access.owner_of(1000), Some(me));
        assert_eq!(access.owner_of(0), Some(me));
        assert_eq!(access.owner_of(1001), None);
        assert_eq!(access.owner_of(65_534), None);
    }

    #[test]
    fn a_system_daemon_serves_each_uid_as_its_own_owner() {
        assert_eq!(Access::System.owner_of(1001), Owner::from_uid(1001));
        assert_eq!(Access::System.owner_of(65_534), None);
    }
}
