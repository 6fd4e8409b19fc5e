//! The settings of a daemon that few embedding programs need to change.

use std::time::Duration;

use crate::quota::Limits;

/// How long a person has to finish a login.
pub(crate) const FLOW_LIFETIME: Duration = Duration::from_secs(600);

/// Connections to the socket at a time: a few for each agent of a busy machine.
pub(crate) const MAX_CONNECTIONS: u32 = 1024;

/// Requests of one owner that wait for a login at a time.
pub(crate) const MAX_WAITERS: u32 = 256;

/// Events kept per owner; the oldest are deleted first.
pub(crate) const MAX_EVENTS: u32 = 10_000;

/// Whether this system tells which user's program is at the other end of a
/// loopback connection.
pub(crate) const CAN_CHECK_UID: bool = cfg!(target_os = "linux");

/// How long after its last use a token is still refreshed in the background: a day,
/// so that a token in daily use is always fresh.
pub(crate) const REFRESH_ACTIVE_WITHIN: Duration = Duration::from_secs(86_400);

/// The settings that only the program `agent-authd` changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Whether every user of the machine is served, each apart, instead of
    /// the one user whose process this is.
    pub(crate) serves_all_users: bool,
    /// Whether the redirect listener refuses a browser unless the kernel
    /// confirms that it is a permitted user's.
    pub(crate) checks_redirect_uid: bool,
    /// How long a person has to finish a login.
    pub(crate) flow_lifetime: Duration,
    /// Connections to the socket that are served at a time.
    pub(crate) max_connections: usize,
    /// Requests of one owner that may wait for a login at a time.
    pub(crate) max_waiters: usize,
    /// Events kept per owner.
    pub(crate) max_events: u32,
    /// What each owner may store.
    pub(crate) limits: Limits,
    /// How long after its last use a token is still refreshed in the background.
    pub(crate) refresh_active_within: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let count = |count| usize::try_from(count).unwrap_or(usize::MAX);
        Self {
            serves_all_users: false,
            checks_redirect_uid: CAN_CHECK_UID,
            flow_lifetime: FLOW_LIFETIME,
            max_connections: count(MAX_CONNECTIONS),
            max_waiters: count(MAX_WAITERS),
            max_events: MAX_EVENTS,
            limits: Limits::default(),
            refresh_active_within: REFRESH_ACTIVE_WITHIN,
        }
    }
}
