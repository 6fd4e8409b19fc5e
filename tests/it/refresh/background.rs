//! Refreshing before anybody asks.

use std::collections::BTreeSet;

use agent_authd::client::NewProvider;
use agent_authd::clock::Clock as _;

use super::{Setting, refusal, summary, token, token_before, until};
use crate::support::daemon::{Home, InProcess};
use crate::support::provider::{Failure, Provider, Rotation};

async fn setting() -> Setting {
    Setting::new(Provider::start(Rotation::Strict, 3600), "").await
}

/// Lets `seconds` pass a little at a time, and time for what they bring.
async fn pass_slowly(setting: &Setting, seconds: u64) {
    for _ in 0..seconds {
        setting.clock.pass(1);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_token_in_use_is_refreshed_before_its_margin_with_nobody_asking() {
    let setting = setting().await;
    let first = token(setting.client()).await;
    let due = summary(setting.client()).await;
    let left = due
        .expires_at
        .unwrap()
        .millis_since(due.next_refresh_at.unwrap())
        / 1000;
    assert!((60..=361).contains(&left), "{left}");

    setting.clock.pass(3600 - left.unsigned_abs() - 31);
    assert_eq!(token(setting.client()).await, first);
    assert_eq!(setting.provider.refreshes(), 0);
    setting.clock.pass(31);
    until("the refresh", async || setting.provider.refreshes() == 1).await;
    until("the new token", async || {
        summary(setting.client()).await.refreshed_at.is_some()
    })
    .await;
    assert_ne!(token(setting.client()).await, first);
    assert_eq!(setting.provider.refreshes(), 1);
}

#[tokio::test]
async fn a_token_that_nobody_uses_is_left_alone() {
    let provider = Provider::start(Rotation::Strict, 3600);
    let setting = Setting::new(provider, "refresh_active_within = 1800\n").await;
    setting.clock.pass(1800);
    for _ in 0..100 {
        pass_slowly(&setting, 36).await;
    }
    token(setting.client()).await;
    assert_eq!(setting.provider.refreshes(), 1);
}

#[tokio::test]
async fn a_refresh_token_is_used_before_it_dies_of_idleness() {
    const DAY: u64 = 86_400;
    let provider = Provider::start(Rotation::Strict, 3600);
    // Microsoft's die after 90 days.
    let registration = NewProvider {
        provider_type: Some("microsoft".to_owned()),
        ..provider.registration()
    };
    let setting = Setting::registered(provider, &registration, "").await;
    for _ in 0..53 {
        pass_slowly(&setting, 1).await;
        setting.clock.pass(DAY - 1);
        summary(setting.client()).await;
    }
    assert_eq!(setting.provider.refreshes(), 0);
    setting.clock.pass(7 * DAY);
    until("the refresh", async || setting.provider.refreshes() == 1).await;
    until("the new token", async || {
        summary(setting.client()).await.refreshed_at.is_some()
    })
    .await;
}

/// When each refresh that is under way was begun, in seconds of the daemon's
/// wall clock.
fn begun(home: &Home) -> Vec<i64> {
    let vault = rusqlite::Connection::open(home.path("data/vault.db")).unwrap();
    let query = "SELECT started_at / 1000 FROM refresh_attempts";
    let mut statement = vault.prepare(query).unwrap();
    let times = statement.query_map([], |row| row.get(0)).unwrap();
    times.map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_machine_that_slept_catches_up_within_a_minute_and_not_all_at_once() {
    let setting = setting().await;
    for _ in 0..19 {
        let grant = setting.provider.import(3600);
        setting.client().import_token(&grant).await.unwrap();
    }
    // No refresh ends, so each keeps the time at which it was begun, however
    // long this machine takes for the rest of it.
    setting.provider.fail_always(Some(Failure::Ignored));
    setting.clock.jump(8 * 3600);
    let woken = setting.clock.now().as_seconds();
    // Somebody who asks at once takes nothing of it away.
    refusal(setting.client()).await;
    for _ in 0..60 {
        setting.clock.pass(1);
        // The daemon runs in this thread: time to look, and to begin what is due.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
    until("the last", async || begun(&setting.home).len() == 20).await;
    let begun: BTreeSet<_> = begun(&setting.home).into_iter().collect();
    let last = *begun.last().unwrap();
    assert!(last - woken <= 60, "{begun:?}");
    assert!(begun.len() > 3, "they came at once: {begun:?}");
}

#[tokio::test]
async fn an_attempt_whose_token_was_renewed_since_is_over_and_not_made_again() {
    let Setting {
        provider,
        home,
        clock,
        daemon,
    } = setting().await;
    // Of these the attempt is still open, which shows when the daemon has looked.
    for _ in 0..9 {
        let grant = provider.import(3600);
        daemon.client().import_token(&grant).await.unwrap();
    }
    daemon.stop().await;
    let vault = rusqlite::Connection::open(home.path("data/vault.db")).unwrap();
    let attempts = "
        INSERT INTO refresh_attempts (owner, token_id, generation, started_at)
          SELECT owner, id, generation, created_at FROM tokens;
        UPDATE refresh_attempts SET generation = generation - 1
          WHERE token_id = (SELECT id FROM tokens ORDER BY seq LIMIT 1)";
    vault.execute_batch(attempts).unwrap();
    drop(vault);
    let daemon = InProcess::start(&home, clock.env()).await;
    until("the others", async || {
        // Never as much as would make a token due by itself.
        clock.pass_millis(100);
        provider.refreshes() >= 9
    })
    .await;
    let tokens = async || daemon.client().tokens(None).await.unwrap();
    until("their answers", async || {
        let tokens = tokens().await;
        let done = tokens.iter().filter(|token| token.refreshed_at.is_some());
        done.count() >= 9
    })
    .await;
    // A stop waits for what is under way.
    daemon.stop().await;
    assert_eq!((provider.refreshes(), provider.reuses()), (9, 0));
}

#[tokio::test]
async fn a_network_that_is_not_there_after_waking_is_held_against_nobody() {
    let provider = Provider::start(Rotation::None, 3600);
    let setting = Setting::new(provider, "").await;
    token(setting.client()).await;
    setting.provider.fail_always(Some(Failure::Ignored));
    setting.clock.jump(8 * 3600);
    // Callers who come again as they are told, more often than a circuit bears.
    for _ in 0..10 {
        let wait = refusal(setting.client()).await;
        assert!(wait.as_secs() <= 2, "{wait:?}");
        setting.clock.pass(wait.as_secs());
    }
    assert!(setting.provider.refreshes() > 5);
    setting.provider.fail_always(None);
    setting.clock.pass(2);
    let second = token_before(setting.client()).await;
    assert!(setting.provider.accepts(&second));
}
