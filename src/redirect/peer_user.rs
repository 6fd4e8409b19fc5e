//! The user at the other end of a connection to the loopback listener, and whether
//! this user is allowed.
//!
//! Linux reports the uid of each socket (sock_diag(7), and the tables of
//! proc_pid_net(5)). A peer whose uid is not reported is rejected. Other systems
//! do not report it, so the check is off there.

#[cfg(target_os = "linux")]
mod linux;

use std::net::SocketAddr;

use tokio::net::TcpStream;

use crate::identity::Owner;

/// The two ends of a browser's connection.
#[derive(Clone, Copy, Debug)]
pub struct Endpoints {
    /// The address of the browser's socket.
    pub from: SocketAddr,
    /// The address of the listener's socket.
    pub to: SocketAddr,
    /// The inode of the accepted socket, which distinguishes it from a later
    /// socket between the same two addresses.
    pub inode: u64,
}

impl Endpoints {
    /// The ends of a connection that was just accepted; `None` if it is broken.
    #[must_use]
    pub fn of(stream: &TcpStream, from: SocketAddr) -> Option<Self> {
        let to = stream.local_addr().ok()?;
        let inode = nix::sys::stat::fstat(stream).ok()?.st_ino;
        Some(Self { from, to, inode })
    }
}

/// The user at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerUser {
    /// A program of this uid.
    User(u32),
    /// The kernel does not report the user: the other end is in another network
    /// namespace, or this is not Linux.
    Unknown,
    /// One of the two ends was closed. The user is no longer reported, and another
    /// user may have the port now.
    Gone,
}

/// Which users may use the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowedPeers {
    /// All users; peers are not identified.
    All,
    /// This owner and root.
    Only(Owner),
    /// All users, each for their own flows. This includes root: a program that
    /// connects as root may forward the requests of another user.
    EachToTheirOwn,
}

impl AllowedPeers {
    /// The owner whose flows the peer may see and finish; `None` for all owners.
    ///
    /// # Errors
    /// The peer is another user, or the kernel does not report its user.
    pub fn admit(self, peer_user: PeerUser) -> Result<Option<Owner>, PeerUser> {
        match (self, peer_user) {
            (Self::All, _) => Ok(None),
            (Self::Only(owner), PeerUser::User(uid)) if uid == owner.uid() || uid == 0 => Ok(None),
            (Self::EachToTheirOwn, PeerUser::User(uid)) => {
                Owner::from_uid(uid).map(Some).ok_or(peer_user)
            }
            (_, PeerUser::User(_) | PeerUser::Unknown | PeerUser::Gone) => Err(peer_user),
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Endpoints {
    /// This system does not report the user of a connection.
    pub async fn peer_user(self) -> PeerUser {
        PeerUser::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_admitted_only_if_the_kernel_reports_an_allowed_user() {
        let me = Owner::from_uid(1000).unwrap();
        let only_me = AllowedPeers::Only(me);
        assert_eq!(only_me.admit(PeerUser::User(1000)), Ok(None));
        assert_eq!(only_me.admit(PeerUser::User(0)), Ok(None));
        assert!(only_me.admit(PeerUser::User(1001)).is_err());
        assert!(only_me.admit(PeerUser::User(65_534)).is_err());
        assert!(only_me.admit(PeerUser::Unknown).is_err());
        assert!(only_me.admit(PeerUser::Gone).is_err());
        let each = AllowedPeers::EachToTheirOwn;
        assert_eq!(each.admit(PeerUser::User(1000)), Ok(Some(me)));
        let root = Owner::ADMINISTRATOR;
        assert_eq!(each.admit(PeerUser::User(0)), Ok(Some(root)));
        assert!(each.admit(PeerUser::User(65_534)).is_err());
        assert!(each.admit(PeerUser::Unknown).is_err());
        assert!(each.admit(PeerUser::Gone).is_err());
        assert_eq!(AllowedPeers::All.admit(PeerUser::Gone), Ok(None));
    }
}
