//! The daemon's periodic work on its vault.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::broker::Broker;
use crate::clock::Clock;

/// How often a vault in trouble is probed, so that recovery is noticed quickly.
/// Timers stand still while a machine sleeps, so nothing relies on a longer one.
const PROBE_INTERVAL: Duration = Duration::from_secs(3);

/// The number of probes between two runs of the maintenance: half a minute.
const PROBES_PER_MAINTENANCE: u32 = 10;

/// Probes and maintains the vault until `stopping` becomes true.
pub(super) async fn run(
    broker: Broker,
    clock: Arc<dyn Clock>,
    mut stopping: watch::Receiver<bool>,
) {
    broker.maintenance().survey().await;
    let mut probes = 0;
    loop {
        let stopped = stopping.wait_for(|stopping| *stopping);
        tokio::select! {
            _ = stopped => return,
            () = clock.sleep(PROBE_INTERVAL) => {}
        }
        probes += 1;
        if probes < PROBES_PER_MAINTENANCE {
            broker.maintenance().probe().await;
        } else {
            probes = 0;
            broker.maintenance().run().await;
        }
    }
}
