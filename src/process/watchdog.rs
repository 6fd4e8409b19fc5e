//! The service manager's watchdog (sd_watchdog_enabled(3)): it is notified only
//! after a request was answered over the socket and the vault's writer thread
//! took a turn.

use sd_notify::NotifyState;

use crate::daemon::HealthCheck;

/// How many notifications fit into the watchdog's time, so that one answer may
/// be late.
const TURNS: u32 = 3;

/// Notifies the watchdog for as long as this runs; returns at once if the
/// service manager has none for this process.
pub(super) async fn run(check: HealthCheck) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    loop {
        tokio::time::sleep(limit / TURNS).await;
        match check.run(limit / TURNS).await {
            Ok(()) => {
                // A service manager that has gone needs no notification.
                let _ = sd_notify::notify(&[NotifyState::Watchdog]);
            }
            Err(why) => tracing::error!(why, "the daemon does not answer itself"),
        }
    }
}
