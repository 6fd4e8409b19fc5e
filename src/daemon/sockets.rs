//! Whom the daemon's two listeners serve, and how many connections each may have.

use std::net::TcpListener;

use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::geteuid;

use super::{Error, Options};
use crate::http::Access;
use crate::identity::Owner;
use crate::redirect::address::RedirectAddress;
use crate::redirect::listener::RedirectListener;
use crate::redirect::peer_user::AllowedPeers;
use crate::server::connection_quota::ConnectionQuota;

/// Descriptors kept for the vault and for requests to providers.
const OWN_DESCRIPTORS: usize = 128;

/// The users whom a daemon with these options serves.
pub(super) fn access(options: &Options) -> Result<Access, Error> {
    if options.serves_all_users {
        return Ok(Access::System);
    }
    let owner = Owner::from_uid(geteuid().as_raw()).ok_or(Error::SharedUser)?;
    Ok(Access::User(owner))
}

/// How many of the `wanted` connections each of the two listeners may have:
/// all of them where the process may open that many files.
pub(super) fn affordable_connections(wanted: usize) -> usize {
    let Ok((limit, _)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return wanted;
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let affordable = (limit.saturating_sub(OWN_DESCRIPTORS) / 2).max(1);
    if affordable < wanted {
        tracing::warn!(
            limit,
            affordable,
            "fewer connections than set can be served: raise the limit of open files"
        );
    }
    wanted.min(affordable)
}

/// The listener for redirects, and whom it serves.
#[derive(Debug)]
pub(super) struct Browsers {
    pub(super) listener: RedirectListener,
    /// The users whose browsers are answered.
    pub(super) allowed: AllowedPeers,
}

impl Browsers {
    /// Binds the sockets of `address`, or takes over those that the service
    /// manager bound. Browsers need a handful of connections; the rest of
    /// `max_connections` keeps a person's browser from being shut out by the
    /// idle connections of others, which end after seconds.
    ///
    /// # Errors
    /// Those of [`RedirectListener::bind`] and [`RedirectListener::inherit`].
    pub(super) fn open(
        address: RedirectAddress,
        inherited: Vec<TcpListener>,
        allowed: AllowedPeers,
        max_connections: usize,
    ) -> Result<Self, Error> {
        let listener = if inherited.is_empty() {
            RedirectListener::bind(address)?
        } else {
            RedirectListener::inherit(address, inherited)?
        };
        let daemon_user = match allowed {
            // Without a check of the peer's user there is nobody to count for.
            AllowedPeers::All => return Ok(Self { listener, allowed }),
            AllowedPeers::Only(owner) => Some(owner.uid()),
            AllowedPeers::EachToTheirOwn => None,
        };
        let quota = ConnectionQuota::new(max_connections, daemon_user);
        let listener = listener.with_quota(quota);
        Ok(Self { listener, allowed })
    }
}

/// The users whose browsers the redirect listener answers.
pub(super) fn allowed_peers(options: &Options, access: Access) -> AllowedPeers {
    match access {
        _ if !options.checks_redirect_uid => AllowedPeers::All,
        Access::User(owner) => AllowedPeers::Only(owner),
        Access::System => AllowedPeers::EachToTheirOwn,
    }
}
