//! The process itself: closed to others of the same user, and without a trace
//! of its memory when it fails.

use anyhow::Context as _;
use nix::sys::resource::{Resource, setrlimit};

/// Closes the process: no core dump, and no look at its memory or environment
/// by other processes of the same user (prctl(2), `PR_SET_DUMPABLE`).
pub(super) fn harden() -> anyhow::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0).context("core dumps cannot be switched off")?;
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_dumpable(false).context("the process cannot be closed to others")?;
    Ok(())
}

/// Logs where a panic happened. Its payload may hold a value, and so is not
/// shown.
pub(super) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(
            place,
            "a defect was met; the call was given up, the daemon goes on"
        );
    }));
}
