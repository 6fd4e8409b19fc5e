//! Whose program it is that came to the loopback listener, where the kernel
//! tells, and whether that user has any business here.
//!
//! Linux tells the uid of any connection's socket (sock_diag(7), and the tables
//! of proc_pid_net(5)). The check fails closed: a peer whose uid the kernel does
//! not tell is refused. Other systems cannot be asked, and the check is off there.

#[cfg(target_os = "linux")]
mod linux;

use std::net::SocketAddr;

use tokio::net::TcpStream;

use crate::identity::Owner;

/// The two ends of a browser's connection.
#[derive(Clone, Copy, Debug)]
pub struct Endpoints {
    /// The browser's.
    pub from: SocketAddr,
    /// The listener's.
    pub to: SocketAddr,
    /// The inode of the accepted socket, which tells it from a later socket
    /// between the same two addresses.
    pub inode: u64,
}

impl Endpoints {
    /// Of a connection that was just accepted; `None` if it is broken already.
    #[must_use]
    pub fn of(stream: &TcpStream, from: SocketAddr) -> Option<Self> {
        let to = stream.local_addr().ok()?;
        let inode = nix::sys::stat::fstat(stream).ok()?.st_ino;
        Some(Self { from, to, inode })
    }
}

/// Who is at a connection's other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerUser {
    /// A program of this uid.
    User(u32),
    /// The kernel does not tell: the other end is in another network
    /// namespace, or this is not Linux.
    Unknown,
    /// One of the two ends has closed; whose the other end was is not told any
    /// more, and its port may be another user's by now.
    Gone,
}

/// Whose browsers may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowedPeers {
    /// Everybody's.
    All,
    /// This owner's and root's.
    Only(Owner),
    /// Every user's, each to the flows of their own. Root's are no exception:
    /// what connects as root may be a relay for somebody else.
    EachToTheirOwn,
}

impl AllowedPeers {
    /// Whose flows the visitor may end and see, `None` meaning everybody's;
    /// an error if nobody's.
    ///
    /// # Errors
    /// The visitor is another user, or the kernel does not tell who it is.
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
    /// There is no way to ask here.
    pub async fn peer_user(self) -> PeerUser {
        PeerUser::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_admitted_only_if_the_kernel_names_a_user_who_may_come() {
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
