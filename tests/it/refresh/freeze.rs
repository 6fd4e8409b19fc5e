//! A daemon that is stopped with a refresh under way, as by SIGSTOP, a cgroup
//! freezer or a paused virtual machine.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use super::{token_before, until, wanted};
use crate::support::daemon::{Binary, Home};
use crate::support::provider::{Failure, Provider, Rotation};

/// The limit of a request, shortened for the test; thirty seconds else.
const TIMEOUT: Duration = Duration::from_millis(1000);

/// When the provider answers: while the daemon is stopped.
const ANSWER: Duration = Duration::from_millis(300);

/// One daemon, stopped until its limit has passed and the answer waits.
async fn frozen() {
    let home = Home::with_settings("refresh_active_within = 0\n");
    // Strict: a refresh token that is sent again ends the grant.
    let provider = Provider::start(Rotation::Strict, 3600);
    let daemon = Binary::start_with(&home, |command| {
        let limit = format!("oauth.timeout={}", TIMEOUT.as_millis());
        command.env("AGENT_AUTH_DURATION", limit);
    })
    .await;
    let client = home.client();
    let registration = provider.registration();
    client.create_provider(&registration).await.unwrap();
    client.import_token(&provider.import(0)).await.unwrap();
    provider.fail_next(Failure::Late(ANSWER));
    let call = tokio::spawn(async move { client.authenticate(&wanted()).await });
    until("the request", async || provider.refreshes() == 1).await;
    kill(daemon.pid(), Signal::SIGSTOP).unwrap();
    let stopped = Instant::now();
    until("the end of the limit", async || {
        stopped.elapsed() > TIMEOUT * 2
    })
    .await;
    kill(daemon.pid(), Signal::SIGCONT).unwrap();
    call.await.unwrap().ok();
    let token = token_before(daemon.client()).await;
    assert!(provider.accepts(&token));
    assert_eq!((provider.refreshes(), provider.reuses()), (1, 0));
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_daemon_reads_the_answer_that_waits_before_it_gives_up() {
    tokio::join!(frozen(), frozen(), frozen(), frozen(), frozen());
}
