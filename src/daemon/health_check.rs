//! Whether a daemon still answers, asked the way that its clients ask.

use std::time::Duration;

use crate::broker::Broker;
use crate::client::Client;

/// Checks one daemon.
#[derive(Clone, Debug)]
pub(crate) struct HealthCheck {
    client: Client,
    broker: Broker,
}

impl HealthCheck {
    pub(super) fn new(client: Client, broker: Broker) -> Self {
        Self { client, broker }
    }

    /// Sends a request over the socket, and lets the vault's writer thread take
    /// a turn. A vault that cannot be written passes: a restart would not help.
    ///
    /// # Errors
    /// What did not answer within `limit`.
    pub(crate) async fn run(&self, limit: Duration) -> Result<(), String> {
        let checks = async {
            self.client.ok().await.map_err(|error| error.to_string())?;
            self.broker
                .maintenance()
                .writer_turns()
                .await
                .map_err(|error| error.to_string())
        };
        let checked = tokio::time::timeout(limit, checks).await;
        checked.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }
}
