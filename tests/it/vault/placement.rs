//! A vault whose files are deleted, replaced, cut off or moved under a running
//! daemon: nothing is spent, and what the daemon has open can be saved.

use std::fs;
use std::time::Duration;

use agent_authd::client::replies::Health;

use super::health::{bears_it, daemon_with_two_tokens, heals, home};
use super::{Binary, Home, done, ran, stderr, token, vault_file};
use crate::support::provider::{Provider, Rotation};

#[tokio::test]
async fn a_deleted_vault_is_saved_from_the_running_daemon_and_put_back() {
    let (home, provider) = (home(), Provider::start(Rotation::Strict, 3600));
    let daemon = daemon_with_two_tokens(&home, &provider).await;
    fs::remove_file(vault_file(&home)).unwrap();
    bears_it(&home, &daemon, &provider, &["was deleted or moved"]).await;
    let copy = done(&home, &["vault", "backup"]).trim().to_owned();
    daemon.stop().await;
    done(&home, &["vault", "restore", &copy]);
    let daemon = Binary::start(&home).await;
    assert!(provider.accepts(&token(daemon.client()).await));
    assert_eq!((provider.refreshes(), provider.reuses()), (1, 0));
}

#[tokio::test]
async fn a_vault_that_another_replaces_is_not_written_until_it_is_back() {
    let (home, provider) = (home(), Provider::start(Rotation::Strict, 3600));
    let daemon = daemon_with_two_tokens(&home, &provider).await;
    let (vault, aside) = (vault_file(&home), home.path("data/aside.db"));
    fs::rename(&vault, &aside).unwrap();
    let other = home.path("other");
    fs::copy(&aside, &other).unwrap();
    fs::rename(&other, &vault).unwrap();
    bears_it(&home, &daemon, &provider, &["another file is in the place"]).await;
    fs::rename(&aside, &vault).unwrap();
    heals(&daemon, &provider).await;
}

#[tokio::test]
async fn a_folder_that_is_moved_away_is_written_again_when_it_is_back() {
    let (home, provider) = (home(), Provider::start(Rotation::Strict, 3600));
    let daemon = daemon_with_two_tokens(&home, &provider).await;
    fs::rename(home.path("data"), home.path("moved")).unwrap();
    bears_it(&home, &daemon, &provider, &["was deleted or moved"]).await;
    fs::rename(home.path("moved"), home.path("data")).unwrap();
    heals(&daemon, &provider).await;
}

#[tokio::test]
async fn a_log_that_is_deleted_stops_refreshes() {
    let (home, provider) = (home(), Provider::start(Rotation::Strict, 3600));
    let daemon = daemon_with_two_tokens(&home, &provider).await;
    fs::remove_file(home.path("data/vault.db-wal")).unwrap();
    bears_it(&home, &daemon, &provider, &["vault.db-wal was deleted"]).await;
}

#[tokio::test]
async fn a_vault_that_is_cut_off_is_known_at_once_and_nothing_is_spent() {
    let (home, provider) = (home(), Provider::start(Rotation::Strict, 3600));
    let daemon = daemon_with_two_tokens(&home, &provider).await;
    let file = fs::File::options().write(true).open(vault_file(&home));
    file.unwrap().set_len(4096).unwrap();
    let info = daemon.client().info().await;
    // What is counted may be unreadable by now.
    if let Ok(info) = info {
        assert_eq!(info.status, Health::Degraded);
    }
    daemon.client().authenticate(&super::wanted()).await.ok();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(provider.refreshes(), 0, "a refresh token was spent");
}

#[tokio::test]
async fn a_copy_of_the_running_daemons_vault_is_not_one_of_another_folders() {
    let (home, other) = (home(), Home::new());
    let provider = Provider::start(Rotation::Strict, 3600);
    let daemon = daemon_with_two_tokens(&home, &provider).await;
    let output = super::agent_auth(&other, &["vault", "backup"])
        .env("AGENT_AUTH_SOCK", home.socket())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(stderr(&output).contains("there is no vault"), "{output:?}");
    assert!(ran(&home, &["vault", "backup"]).status.success());
    drop(daemon);
}

#[tokio::test]
async fn a_second_daemon_does_not_start_where_the_lock_file_was_deleted() {
    let home = Home::new();
    let daemon = Binary::start(&home).await;
    fs::remove_file(home.path("data/agent-authd.lock")).unwrap();
    let second = Binary::spawn_with(&home, |_| {});
    assert!(!second.ended().await.success());
    assert!(home.log().contains("listens on"), "{}", home.log());
    fs::remove_file(home.path("run/s.lock")).unwrap();
    let third = Binary::spawn_with(&home, |_| {});
    assert!(!third.ended().await.success());
    daemon.client().ok().await.unwrap();
    fs::remove_file(home.path("run/s")).unwrap();
    let fourth = Binary::spawn_with(&home, |_| {});
    assert!(!fourth.ended().await.success());
    assert!(home.log().contains("holds the data in"), "{}", home.log());
    drop(daemon);
}
