//! The daemon's two listeners: bound here, or taken over from the service
//! manager, and how much each may carry.

use anyhow::Context as _;
use nix::unistd::geteuid;

use super::process;
use crate::config::Config;
use crate::http::Access;
use crate::http::socket::ApiListener;
use crate::identity::Owner;
use crate::inherited;
use crate::redirect::listener::RedirectListener;
use crate::redirect::visitor::Welcome;
use crate::server::connection_quota::ConnectionQuota;

/// Both listeners, and whom they serve.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) api: ApiListener,
    pub(super) browsers: RedirectListener,
    /// Whose browsers may come.
    pub(super) welcome: Welcome,
    /// Connections to each of them at a time. Browsers need a handful; the
    /// rest is there so that idle connections of others, which end after
    /// seconds, do not keep a person's browser out.
    pub(super) max_connections: usize,
}

/// Opens both.
///
/// # Errors
/// What is in the way, in words that say what to do.
pub(super) fn open(config: &Config) -> anyhow::Result<Sockets> {
    let access = access(config)?;
    let wanted = usize::try_from(config.max_connections).unwrap_or(usize::MAX);
    let max_connections = process::affordable_connections(wanted);
    let inherited = inherited::take()?;
    let browsers = if inherited.redirects.is_empty() {
        RedirectListener::bind(config.redirect_listen)?
    } else {
        RedirectListener::inherit(config.redirect_listen, inherited.redirects)?
    };
    let api = match inherited.api {
        Some(socket) => ApiListener::inherit(socket, access, max_connections)?,
        None => ApiListener::bind(&config.socket, access, max_connections)?,
    };
    let welcome = match access {
        _ if !config.redirect_check_uid => Welcome::All,
        Access::User(owner) => Welcome::Only(owner),
        Access::System => Welcome::EachToTheirOwn,
    };
    let daemon_user = match access {
        Access::User(owner) => Some(owner.uid()),
        Access::System => None,
    };
    let browsers = match welcome {
        // Nobody asks who the visitors are.
        Welcome::All => browsers,
        _ => browsers.with_quota(ConnectionQuota::new(max_connections, daemon_user)),
    };
    Ok(Sockets {
        api,
        browsers,
        welcome,
        max_connections,
    })
}

fn access(config: &Config) -> anyhow::Result<Access> {
    if config.system {
        return Ok(Access::System);
    }
    let owner = Owner::from_uid(geteuid().as_raw())
        .context("agent-authd cannot run as uid 65534 (nobody): different people share it")?;
    Ok(Access::User(owner))
}
