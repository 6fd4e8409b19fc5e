//! Whom the daemon's two listeners serve, and how much each may carry.

use std::net::TcpListener;

use anyhow::Context as _;
use nix::unistd::geteuid;

use super::process;
use crate::config::Config;
use crate::http::Access;
use crate::identity::Owner;
use crate::redirect::listener::RedirectListener;
use crate::redirect::peer_user::AllowedPeers;
use crate::server::connection_quota::ConnectionQuota;

/// The listener for redirects, and whom it serves.
#[derive(Debug)]
pub(super) struct Browsers {
    pub(super) listener: RedirectListener,
    /// Whose browsers may come.
    pub(super) allowed: AllowedPeers,
}

impl Browsers {
    /// Binds its sockets, or takes over those that the service manager bound.
    ///
    /// # Errors
    /// What is in the way, in words that say what to do.
    pub(super) fn open(
        config: &Config,
        inherited: Vec<TcpListener>,
        (access, max_connections): (Access, usize),
    ) -> anyhow::Result<Self> {
        let listener = if inherited.is_empty() {
            RedirectListener::bind(config.redirect_listen)?
        } else {
            RedirectListener::inherit(config.redirect_listen, inherited)?
        };
        let allowed = match access {
            _ if !config.redirect_check_uid => AllowedPeers::All,
            Access::User(owner) => AllowedPeers::Only(owner),
            Access::System => AllowedPeers::EachToTheirOwn,
        };
        let daemon_user = match access {
            Access::User(owner) => Some(owner.uid()),
            Access::System => None,
        };
        let listener = match allowed {
            // Nobody asks who the visitors are.
            AllowedPeers::All => listener,
            _ => listener.with_quota(ConnectionQuota::new(max_connections, daemon_user)),
        };
        Ok(Self { listener, allowed })
    }
}

/// How many connections each listener may have at a time. Browsers need a
/// handful; the rest is there so that idle connections of others, which end
/// after seconds, do not keep a person's browser out.
pub(super) fn max_connections(config: &Config) -> usize {
    let wanted = usize::try_from(config.max_connections).unwrap_or(usize::MAX);
    process::affordable_connections(wanted)
}

/// Whom the daemon serves.
pub(super) fn access(config: &Config) -> anyhow::Result<Access> {
    if config.system {
        return Ok(Access::System);
    }
    let owner = Owner::from_uid(geteuid().as_raw())
        .context("agent-authd cannot run as uid 65534 (nobody): different people share it")?;
    Ok(Access::User(owner))
}
