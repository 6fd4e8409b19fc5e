//! A daemon that starts while the disk of its vault is read-only: what lives is
//! handed out, nothing is spent, and it says what to do.
//!
//! These tests mount, and so must run as root.

use std::fs;

use agent_authd::client::replies::Health;
use rusqlite::Connection;

use super::health::{Mount, bears_it, daemon_with_two_tokens, home};
use super::released::lay_out_version_1;
use super::{Binary, Home, complaint, daemon_with_token, done, ran, stderr, token, vault_file};
use crate::support::provider::{Provider, Rotation};

/// A file system for the vault of this home.
fn disk(home: &Home) -> Mount {
    Mount::tmpfs(home.path("data"), "size=8m,mode=700")
}

#[tokio::test]
async fn on_a_read_only_disk_what_lives_is_handed_out_and_nothing_is_spent() {
    let (home, provider) = (home(), Provider::start(Rotation::Strict, 3600));
    let disk = disk(&home);
    let daemon = daemon_with_two_tokens(&home, &provider).await;
    daemon.stop().await;
    disk.remount("ro");

    let daemon = Binary::start(&home).await;
    let reason = async || daemon.client().info().await.unwrap().degraded_reason;
    bears_it(&home, &daemon, &provider, &["is on a read-only disk"]).await;
    done(&home, &["vault", "check"]);
    done(&home, &["key", "status"]);
    assert!(reason().await.unwrap().contains("restart agent-authd"));

    disk.remount("rw");
    let said = reason().await.unwrap();
    assert!(
        said.contains("is writable now: restart agent-authd"),
        "{said}"
    );
    daemon.stop().await;
    let daemon = Binary::start(&home).await;
    assert!(provider.accepts(&token(daemon.client()).await));
    assert_eq!((provider.refreshes(), provider.reuses()), (1, 0));
    assert_eq!(daemon.client().info().await.unwrap().status, Health::Ok);
    daemon.stop().await;
}

/// How many tokens there are in the vault's file, without its log.
fn tokens_in_the_file(home: &Home) -> u32 {
    let copy = home.path("without-log.db");
    fs::copy(vault_file(home), &copy).unwrap();
    let query = "SELECT count(*) FROM tokens";
    let count = Connection::open(&copy)
        .unwrap()
        .query_row(query, [], |row| row.get(0));
    fs::remove_file(copy).unwrap();
    count.unwrap()
}

/// A daemon is killed and its disk turns read-only, with or without the shared
/// memory that it had.
async fn killed_before_the_disk_turned_read_only(has_shared_memory: bool) {
    let (home, provider) = (home(), Provider::start(Rotation::None, 3600));
    let disk = disk(&home);
    let daemon = Binary::start(&home).await;
    let client = daemon.client();
    client
        .create_provider(&provider.registration())
        .await
        .unwrap();
    client.import_token(&provider.import(3600)).await.unwrap();
    let before = token(client).await;
    daemon.kill();
    assert_eq!(
        tokens_in_the_file(&home),
        0,
        "the token is in the log alone"
    );
    if !has_shared_memory {
        fs::remove_file(home.path("data/vault.db-shm")).unwrap();
    }
    disk.remount("ro");
    let daemon = Binary::start(&home).await;
    assert_eq!(token(daemon.client()).await, before);
    done(&home, &["vault", "check"]);
    daemon.stop().await;
    disk.remount("rw");
    let daemon = Binary::start(&home).await;
    assert_eq!(token(daemon.client()).await, before);
    daemon.stop().await;
}

#[tokio::test]
async fn on_a_read_only_disk_the_log_that_a_crash_left_is_read() {
    killed_before_the_disk_turned_read_only(true).await;
}

#[tokio::test]
async fn on_a_read_only_disk_a_log_without_its_shared_memory_is_read() {
    killed_before_the_disk_turned_read_only(false).await;
}

#[tokio::test]
async fn a_vault_that_must_be_upgraded_says_so_on_a_read_only_disk() {
    let home = Home::new();
    let disk = disk(&home);
    lay_out_version_1(&home);
    let before = fs::read(vault_file(&home)).unwrap();
    disk.remount("ro");
    let said = complaint(&home).await;
    assert!(said.contains("must be upgraded"), "{said}");
    assert!(said.contains("mount -o remount,rw"), "{said}");
    assert!(fs::read(vault_file(&home)).unwrap() == before, "it changed");
    disk.remount("rw");
    Binary::start(&home).await.stop().await;
}

#[tokio::test]
async fn without_a_vault_a_read_only_disk_is_refused() {
    let home = Home::new();
    let disk = disk(&home);
    disk.remount("ro");
    let said = complaint(&home).await;
    assert!(said.contains("there is no vault yet"), "{said}");
    assert!(!home.path("key/vault.key").exists());
}

#[tokio::test]
async fn commands_that_change_the_vault_refuse_a_read_only_disk() {
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    let disk = disk(&home);
    let daemon = daemon_with_token(&home, &provider, 3600).await;
    let before = token(daemon.client()).await;
    let backup = done(&home, &["vault", "backup"]);
    daemon.stop().await;
    let key = fs::read(home.path("key/vault.key")).unwrap();
    disk.remount("ro");
    for words in [
        &["key", "rotate"][..],
        &["vault", "restore", backup.trim()],
        &["vault", "backup"],
    ] {
        let output = ran(&home, words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let said = stderr(&output).to_lowercase();
        assert!(
            said.contains("read-only disk") || said.contains("read-only file system"),
            "{words:?}: {said}"
        );
    }
    assert_eq!(fs::read(home.path("key/vault.key")).unwrap(), key);
    disk.remount("rw");
    let daemon = Binary::start(&home).await;
    assert_eq!(token(daemon.client()).await, before);
    daemon.stop().await;
}
