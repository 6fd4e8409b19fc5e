//! Steps at which a test can end the process the way a power cut does.
//!
//! Only in builds with the feature `failpoints`, which no release has: the
//! process kills itself when it comes to the step that the environment's
//! `AGENT_AUTH_FAILPOINT` names. In every other build a step costs nothing.

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
