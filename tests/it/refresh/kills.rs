//! `kill -9` at every step of a refresh, and at random ones.
//!
//! What is left is decided by two facts: whether the provider has spent the
//! refresh token, and whether the new one was durable. Between the two, only a
//! server that is not strict can be asked again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agent_authd::client::Client;
use agent_authd::clock::Env;

use super::{summary, token_before, until, wanted};
use crate::support::daemon::{Binary, Home};
use crate::support::provider::{Provider, Rotation};

/// Long enough for every test to end within it.
const GRACE: Rotation = Rotation::Grace(Duration::from_secs(600));

/// The provider of a daemon that holds one grant, whose token is dead.
async fn prepared(home: &Home, rotation: Rotation, life: u64) -> Provider {
    let provider = Provider::start(rotation, life);
    let daemon = Binary::start(home).await;
    let client = daemon.client();
    client
        .create_provider(&provider.registration())
        .await
        .unwrap();
    client.import_token(&provider.import(0)).await.unwrap();
    assert!(daemon.stop().await.success());
    provider
}

/// What a kill must leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// The grant, after so many requests in all.
    Kept(usize),
    /// A person must log in again, and is told that a rotation was lost.
    Lost,
}

/// What is left after a kill, as the next daemon finds it.
async fn left(home: &Home, provider: &Provider) -> Left {
    let daemon = Binary::start(home).await;
    let client = daemon.client();
    let answer = client.authenticate(&wanted()).await;
    if answer.is_ok_and(|answer| answer.token.is_none()) {
        let reason = summary(client).await.reconnect_reason;
        assert_eq!(reason.as_deref(), Some("rotation_lost"));
        return Left::Lost;
    }
    let token = token_before(client).await;
    assert!(provider.accepts(&token));
    assert_eq!(provider.reuses(), 0);
    assert!(daemon.stop().await.success());
    Left::Kept(provider.refreshes())
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_step_leaves_what_the_table_says() {
    use Left::{Kept, Lost};

    #[rustfmt::skip]
    let table = [
        // the step             no rotation  strict   grace
        ("refresh.begin",      [Kept(1),     Kept(1), Kept(1)]),
        ("refresh.recorded",   [Kept(1),     Kept(1), Kept(1)]),
        ("refresh.answered",   [Kept(2),     Lost,    Kept(2)]),
        ("refresh.save",       [Kept(2),     Lost,    Kept(2)]),
        ("vault.erase",        [Kept(1),     Kept(1), Kept(1)]),
        ("vault.erased",       [Kept(1),     Kept(1), Kept(1)]),
        ("refresh.done",       [Kept(1),     Kept(1), Kept(1)]),
    ];
    for (step, row) in table {
        for (rotation, expected) in [Rotation::None, Rotation::Strict, GRACE]
            .into_iter()
            .zip(row)
        {
            let home = Home::with_settings("refresh_active_within = 0\n");
            let provider = prepared(&home, rotation, 3600).await;
            let daemon = Binary::start_with(&home, |command| {
                command.env("AGENT_AUTH_FAILPOINT", step);
            })
            .await;
            // The answer breaks off, since the daemon does.
            daemon.client().authenticate(&wanted()).await.unwrap_err();
            assert_eq!(daemon.ended().await.code(), None, "{step} is not passed");
            let left = left(&home, &provider).await;
            assert_eq!(left, expected, "{step}, {rotation:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_request_and_answer_is_made_good_unless_the_server_is_strict() {
    for (rotation, expected) in [
        (Rotation::None, Left::Kept(2)),
        (Rotation::Strict, Left::Lost),
        (GRACE, Left::Kept(2)),
    ] {
        let home = Home::with_settings("refresh_active_within = 0\n");
        let provider = prepared(&home, rotation, 3600).await;
        let daemon = Binary::start(&home).await;
        provider.answer_late(Duration::from_secs(30));
        let client = home.client();
        let call = tokio::spawn(async move { client.authenticate(&wanted()).await });
        until("the request", async || provider.refreshes() == 1).await;
        daemon.kill();
        call.await.unwrap().unwrap_err();
        provider.fail_always(None);
        assert_eq!(left(&home, &provider).await, expected, "{rotation:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_a_kill_left_open_is_resolved_with_nobody_asking() {
    let home = Home::with_settings("refresh_active_within = 0\n");
    let provider = prepared(&home, GRACE, 3600).await;
    provider.answer_late(Duration::from_secs(30));
    let daemon = Binary::start(&home).await;
    let client = home.client();
    let call = tokio::spawn(async move { client.authenticate(&wanted()).await });
    until("the request", async || provider.refreshes() == 1).await;
    daemon.kill();
    call.await.unwrap().unwrap_err();
    provider.fail_always(None);
    let daemon = Binary::start(&home).await;
    let client = daemon.client();
    until("the refresh", async || {
        summary(client).await.refreshed_at.is_some()
    })
    .await;
    assert_eq!((provider.refreshes(), provider.reuses()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn random_kills_under_load_lose_nothing_where_there_is_grace() {
    let home = Home::new();
    let provider = prepared(&home, GRACE, 2).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|_| tokio::spawn(call_again_and_again(home.client(), Arc::clone(&is_over))))
        .collect();
    for _ in 0..10 {
        let daemon = Binary::start(&home).await;
        let life = Env::system().below(1500);
        tokio::time::sleep(Duration::from_millis(life)).await;
        daemon.kill();
    }
    is_over.store(true, Ordering::Release);
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(provider.refreshes() > 0);
    let daemon = Binary::start(&home).await;
    token_before(daemon.client()).await;
    assert_eq!(summary(daemon.client()).await.reconnect_reason, None);
    assert_eq!(provider.reuses(), 0);
}

async fn call_again_and_again(client: Client, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Acquire) {
        // Whether this one is answered is a matter of luck.
        let _ = client.authenticate(&wanted()).await;
        tokio::task::yield_now().await;
    }
}
