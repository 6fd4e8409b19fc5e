//! The settings of a daemon that few embedding programs need to change.

use std::time::Duration;

use crate::config;
use crate::quota::Limits;

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
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let count = |count| usize::try_from(count).unwrap_or(usize::MAX);
        Self {
            serves_all_users: false,
            checks_redirect_uid: config::CAN_CHECK_UID,
            flow_lifetime: seconds(config::FLOW_LIFETIME),
            max_connections: count(config::MAX_CONNECTIONS),
            max_waiters: count(config::MAX_WAITERS),
            max_events: config::MAX_EVENTS,
            limits: Limits::default(),
            refresh_active_within: seconds(config::REFRESH_ACTIVE_WITHIN),
        }
    }
}
