//! The daemon as a process: what its surroundings do to it.

use std::fs::File;

use crate::support::daemon::{Binary, Home};

/// The log is on the full disk: `/dev/full` refuses every write (full(4)).
#[tokio::test]
async fn a_log_that_cannot_be_written_harms_nothing() {
    let home = Home::new();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let daemon = Binary::start_with(&home, |command| {
        command.stderr(full()).stdout(full());
    })
    .await;
    daemon.client().ok().await.unwrap();
    assert!(daemon.stop().await.success());
}
