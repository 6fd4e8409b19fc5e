//! Whose program it is that came to the loopback listener, where the kernel
//! tells, and whether that user has any business here.
//!
//! A state cannot be guessed, so this is a second door, not the lock: another
//! user of the machine who got hold of a redirect's address still cannot bring
//! it. Linux tells the uid of any connection's socket (sock_diag(7), and the
//! tables of proc_pid_net(5)); on other systems nobody is refused for it.

#[cfg(target_os = "linux")]
mod linux;

use std::net::SocketAddr;

use crate::identity::Owner;

/// The two ends of a browser's connection.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The browser's.
    pub from: SocketAddr,
    /// The listener's.
    pub to: SocketAddr,
}

/// Who is at a connection's other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visitor {
    /// A program of this uid.
    User(u32),
    /// The kernel does not tell: the other end is in another network
    /// namespace, or this is not Linux.
    Unknown,
    /// The other end has closed; whose it was is not told any more.
    Gone,
}

/// Whose browsers may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Welcome {
    /// Everybody's.
    All,
    /// This owner's and root's.
    Only(Owner),
    /// Every user's, each to the flows of their own; root's to all.
    EachToTheirOwn,
}

impl Welcome {
    /// Whose flows the visitor may end and see, `None` meaning everybody's;
    /// an error if nobody's.
    ///
    /// # Errors
    /// The visitor is another user, or has gone.
    pub fn admit(self, visitor: Visitor) -> Result<Option<Owner>, Visitor> {
        match (self, visitor) {
            (Self::All, _) | (_, Visitor::Unknown | Visitor::User(0)) => Ok(None),
            (Self::Only(owner), Visitor::User(uid)) if uid == owner.uid() => Ok(None),
            (Self::EachToTheirOwn, Visitor::User(uid)) => {
                Owner::from_uid(uid).map(Some).ok_or(visitor)
            }
            (_, Visitor::User(_) | Visitor::Gone) => Err(visitor),
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Arrival {
    /// Nobody tells.
    pub async fn visitor(self) -> Visitor {
        Visitor::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_user_is_welcome_nowhere_but_at_their_own() {
        let me = Owner::from_uid(1000).unwrap();
        let only_me = Welcome::Only(me);
        assert_eq!(only_me.admit(Visitor::User(1000)), Ok(None));
        assert_eq!(only_me.admit(Visitor::User(0)), Ok(None));
        assert_eq!(only_me.admit(Visitor::Unknown), Ok(None));
        assert!(only_me.admit(Visitor::User(1001)).is_err());
        assert!(only_me.admit(Visitor::Gone).is_err());
        let each = Welcome::EachToTheirOwn;
        assert_eq!(each.admit(Visitor::User(1000)), Ok(Some(me)));
        assert_eq!(each.admit(Visitor::User(0)), Ok(None));
        assert!(each.admit(Visitor::User(65_534)).is_err());
        assert!(each.admit(Visitor::Gone).is_err());
        assert_eq!(Welcome::All.admit(Visitor::Gone), Ok(None));
    }
}
