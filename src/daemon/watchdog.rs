//! The service manager's watchdog (sd_watchdog_enabled(3)): told that all is
//! well only after a request went the whole way through the socket, and the
//! vault's writer has taken a turn.

use std::path::PathBuf;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::broker::Broker;
use crate::client::Client;

/// How often in the watchdog's time it is told, so that one answer may be late.
const TURNS: u32 = 3;

/// Tells the watchdog for as long as this runs; returns at once if nobody
/// watches.
pub(super) async fn run(socket: PathBuf, broker: Broker) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    let client = Client::new(socket);
    loop {
        tokio::time::sleep(limit / TURNS).await;
        match checked(&client, &broker, limit / TURNS).await {
            Ok(()) => {
                // It asked to be told; if it has gone, so has its interest.
                let _ = sd_notify::notify(&[NotifyState::Watchdog]);
            }
            Err(why) => tracing::error!(why, "the daemon does not answer itself"),
        }
    }
}

async fn checked(client: &Client, broker: &Broker, limit: Duration) -> Result<(), String> {
    let checks = async {
        client.ok().await.map_err(|error| error.to_string())?;
        // A vault that cannot be written is trouble that a restart does not end.
        broker
            .maintenance()
            .writer_turns()
            .await
            .map_err(|error| error.to_string())
    };
    let checked = tokio::time::timeout(limit, checks).await;
    checked.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}
