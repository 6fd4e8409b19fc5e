//! Storing what a provider answered, which cannot be asked for a second time.

use std::time::Duration;

use super::context::Context;
use crate::identity::Owner;
use crate::log_limit::log_limited;
use crate::vault::{self, Change};

/// The first wait after a failed save, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

impl Context {
    /// Makes a change, and repeats it until the store can take it. The code or
    /// refresh token is spent, so the exchange cannot be repeated, but the save
    /// can. Callers run in a task of their own, which no disconnect cancels.
    ///
    /// # Errors
    /// Those that another try would not change.
    pub(super) async fn save<T: Send + 'static>(
        &self,
        owner: Owner,
        change: impl Fn(&Change<'_>) -> Result<T, vault::Error> + Clone + Send + 'static,
    ) -> Result<T, vault::Error> {
        let mut pause = PAUSES.0;
        loop {
            match self.vault.save(owner, change.clone()).await {
                Err(vault::Error::Unwritable { why }) => {
                    log_limited!(20, error, error = %why, "a new grant cannot be stored yet; trying again");
                }
                other => return other,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}
