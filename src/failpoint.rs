//! Steps at which a test can end the process the way a power cut does, and
//! times that a test can shorten.
//!
//! Only in builds with the feature `failpoints`, which no release has: the
//! process kills itself when it comes to the step that the environment's
//! `AGENT_AUTH_FAILPOINT` names. In every other build a step costs nothing.

use std::time::Duration;

/// Passes the step `name`, or ends there.
#[cfg(feature = "failpoints")]
pub(crate) fn pass(name: &str) {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    if std::env::var_os("AGENT_AUTH_FAILPOINT").is_some_and(|named| named == *name) {
        // Nothing that is left to do may be done.
        let _ = kill(Pid::this(), Signal::SIGKILL);
        loop {
            std::thread::park();
        }
    }
}

/// Passes the step `name`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn pass(_name: &str) {}

/// How long what is called `name` lasts: `usual`, or what the environment's
/// `AGENT_AUTH_DURATION` says, such as `oauth.timeout=2000`, in milliseconds.
#[cfg(feature = "failpoints")]
pub(crate) fn duration(name: &str, usual: Duration) -> Duration {
    let named = std::env::var("AGENT_AUTH_DURATION").unwrap_or_default();
    let millis = named.strip_prefix(name).and_then(|rest| {
        let millis = rest.strip_prefix('=')?;
        millis.parse().ok()
    });
    millis.map_or(usual, Duration::from_millis)
}

/// How long what is called `name` lasts: `usual`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn duration(_name: &str, usual: Duration) -> Duration {
    usual
}
