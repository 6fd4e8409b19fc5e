//! Named steps at which a test can end the process as a power failure does, and
//! durations that a test can shorten.
//!
//! Active only with the feature `failpoints`, which no release has: the process
//! kills itself at the step that `AGENT_AUTH_FAILPOINT` names. In other builds
//! a step does nothing.

use std::time::Duration;

/// Ends the process if `name` is the chosen step.
#[cfg(feature = "failpoints")]
pub(crate) fn pass(name: &str) {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    if std::env::var_os("AGENT_AUTH_FAILPOINT").is_some_and(|named| named == *name) {
        // No destructor or exit handler may run.
        let _ = kill(Pid::this(), Signal::SIGKILL);
        loop {
            std::thread::park();
        }
    }
}

/// Does nothing in this build.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn pass(_name: &str) {}

/// A named duration: `usual`, or the milliseconds that `AGENT_AUTH_DURATION`
/// gives for `name`, such as `oauth.timeout=2000`.
#[cfg(feature = "failpoints")]
pub(crate) fn duration(name: &str, usual: Duration) -> Duration {
    let named = std::env::var("AGENT_AUTH_DURATION").unwrap_or_default();
    let millis = named.strip_prefix(name).and_then(|rest| {
        let millis = rest.strip_prefix('=')?;
        millis.parse().ok()
    });
    millis.map_or(usual, Duration::from_millis)
}

/// A named duration: `usual` in this build.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn duration(_name: &str, usual: Duration) -> Duration {
    usual
}
