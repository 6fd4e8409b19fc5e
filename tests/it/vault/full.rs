//! A full disk, beside refreshes (`space.rs`): logins, imports, backups, a
//! restoring, a new key and an upgrade are done or say why not, and leave
//! nothing behind.
//!
//! These tests mount, and so must run as root.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::health::{Mount, fill, home};
use super::released::lay_out_version_1;
use super::space::{LEVELS, PAGE, leave};
use super::{
    Binary, Home, complaint, daemon_with_token, database, done, ran, stderr, token, vault_file,
};
use crate::support::person;
use crate::support::provider::{PROVIDER_ID, Provider, Rotation};
use crate::support::stage::Stage;

/// A disk for the data folder of a home, and what fills it.
fn disk(home: &Home, size: &str) -> (Mount, PathBuf) {
    let mount = Mount::tmpfs(home.path("data"), &format!("size={size},mode=700"));
    (mount, home.path("data/filler"))
}

/// How many pages are left on the disk, from many to none.
fn levels() -> impl Iterator<Item = u64> {
    (0..LEVELS).rev().filter(|level| level % 4 == 0)
}

/// How many tokens are stored.
fn stored(home: &Home) -> usize {
    let query = "SELECT count(*) FROM tokens";
    let count: i64 = database(&vault_file(home))
        .query_row(query, [], |row| row.get(0))
        .unwrap();
    count.try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_fill_level_a_login_is_stored_or_its_code_is_not_sent() {
    let home = home();
    let (_disk, filler) = disk(&home, "3m");
    let stage = Stage::at(home).await;
    let mut refused = 0;
    for level in levels() {
        let asked = stage.authenticate(json!({"force_new": true})).await;
        leave(&filler, level * PAGE);
        let page = person::open(asked["url"].as_str().unwrap()).await;
        let left = format!("{} KiB left: {}", level * 4, page.body);
        assert_eq!(
            stored(&stage.home),
            stage.provider.requests().len(),
            "{left}"
        );
        fs::remove_file(&filler).unwrap();
        if page.status == 200 {
            assert_eq!(stage.wait(&asked).await["status"], "completed", "{left}");
            continue;
        }
        refused += 1;
        assert_eq!(page.status, 503, "{left}");
        assert!(page.body.contains("disk is full"), "{left}");
        assert!(page.body.contains("reload this page"), "{left}");
        assert_eq!(stage.wait(&asked).await["status"], "pending", "{left}");
        let again = person::open(page.address.as_str()).await;
        assert_eq!(again.status, 200, "{}", again.body);
        assert_eq!(stage.wait(&asked).await["status"], "completed");
    }
    assert!(refused > 0, "the disk was never full");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_fill_level_an_import_is_stored_or_refused() {
    let home = home();
    let (_disk, filler) = disk(&home, "3m");
    let stage = Stage::at(home).await;
    let (mut taken, mut refused) = (0, 0);
    for level in levels() {
        leave(&filler, level * PAGE);
        let access_token = format!("canary-{}", "x".repeat(20_000));
        let body = json!({
            "provider_id": PROVIDER_ID, "access_token": access_token, "scopes": ["read"],
            "refresh_token": format!("canary-{level}"),
        });
        let answer = stage.post("/tokens/import", body).await;
        match answer.status {
            200 => taken += 1,
            503 => {
                refused += 1;
                assert!(
                    answer.json["detail"]
                        .as_str()
                        .unwrap()
                        .contains("disk is full")
                );
            }
            _ => panic!("{answer:?}"),
        }
        assert_eq!(stored(&stage.home), taken, "{} KiB left", level * 4);
        fs::remove_file(&filler).unwrap();
    }
    assert!(refused > 0, "the disk was never full");
}

/// What there is below a folder, but for the lock, SQLite's own files and what
/// fills the disk.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut found: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            !["filler", "agent-authd.lock"].contains(&&*name)
                && !name.ends_with("-wal")
                && !name.ends_with("-shm")
        })
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn on_a_full_disk_the_commands_say_so_and_leave_nothing_behind() {
    let (home, provider) = (home(), Provider::start(Rotation::None, 3600));
    let (_disk, filler) = disk(&home, "4m");
    let daemon = daemon_with_token(&home, &provider, 3600).await;
    let before = token(daemon.client()).await;
    let backup = done(&home, &["vault", "backup"]);
    daemon.stop().await;
    let key = fs::read(home.path("key/vault.key")).unwrap();
    let (vault, there) = (
        fs::read(vault_file(&home)).unwrap(),
        files(&home.path("data")),
    );
    fill(&filler);
    for (words, said) in [
        (&["vault", "backup"][..], "the vault was not backed up"),
        (&["vault", "restore", backup.trim()], "nothing was restored"),
        (&["key", "rotate"], "the key was not changed"),
    ] {
        let output = ran(&home, words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let text = stderr(&output);
        assert!(text.contains(said), "{words:?}: {text}");
        let names_it = ["disk is full", "No space left", "free some space"];
        assert!(
            names_it.iter().any(|name| text.contains(name)),
            "{words:?}: {text}"
        );
        assert!(!text.contains("cannot be opened"), "{words:?}: {text}");
        assert_eq!(files(&home.path("data")), there, "{words:?}");
        assert!(fs::read(vault_file(&home)).unwrap() == vault, "{words:?}");
        assert_eq!(
            fs::read(home.path("key/vault.key")).unwrap(),
            key,
            "{words:?}"
        );
    }
    fs::remove_file(&filler).unwrap();
    let daemon = Binary::start(&home).await;
    assert_eq!(token(daemon.client()).await, before);
    daemon.stop().await;
}

#[tokio::test]
async fn an_upgrade_without_room_changes_nothing_and_says_how_much_it_takes() {
    let home = Home::new();
    let (_disk, filler) = disk(&home, "4m");
    lay_out_version_1(&home);
    let vault = database(&vault_file(&home));
    vault.pragma_update(None, "journal_mode", "WAL").unwrap();
    drop(vault);
    let before = fs::read(vault_file(&home)).unwrap();
    let there = files(&home.path("data"));
    // Room for the daemon, and not for three times the vault and a MiB.
    leave(&filler, 512 * 1024);
    let said = complaint(&home).await;
    assert!(said.contains("upgrading the vault needs 2 MiB"), "{said}");
    assert!(said.contains("nothing was changed"), "{said}");
    assert!(fs::read(vault_file(&home)).unwrap() == before, "it changed");
    assert_eq!(files(&home.path("data")), there);
    fs::remove_file(&filler).unwrap();
    Binary::start(&home).await.stop().await;
    assert!(
        files(&home.path("data")).len() > there.len(),
        "the backup of before"
    );
}
