//! Backups: made by themselves, checked, and put back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use agent_authd::client::replies::AuthStatus;

use super::{
    Binary, Home, complaint, daemon_with_token, database, done, ran, stderr, token, vault_file,
    wanted,
};
use crate::support::provider::{Provider, Rotation};

/// Longer than the half minute in which the daemon looks after the vault.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The backups that there are, whole or not.
fn backups(home: &Home) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.path("data/backups"))
        .into_iter()
        .flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Makes the vault's file unreadable in its middle, and gives what it is then.
fn damage(home: &Home) -> Vec<u8> {
    let mut bytes = fs::read(vault_file(home)).unwrap();
    // The first page stays: it still looks like a database.
    for byte in bytes.iter_mut().skip(4096).step_by(7) {
        *byte ^= 0x55;
    }
    fs::write(vault_file(home), &bytes).unwrap();
    bytes
}

#[tokio::test]
async fn the_daemon_makes_a_backup_by_itself() {
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    let daemon = daemon_with_token(&home, &provider, 3600).await;
    let deadline = Instant::now() + TIMEOUT;
    while !backups(&home)
        .iter()
        .any(|path| path.extension().is_some_and(|end| end == "db"))
    {
        assert!(Instant::now() < deadline, "{}", home.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let made = backups(&home);
    assert_eq!(made.len(), 1, "{made:?}");
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&made[0]), 0o600);
    assert_eq!(mode(&home.path("data/backups")), 0o700);
    assert!(done(&home, &["vault", "check"]).contains(made[0].to_str().unwrap()));
    drop(daemon);
}

#[tokio::test]
async fn a_check_is_made_while_the_daemon_serves() {
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    let daemon = daemon_with_token(&home, &provider, 3600).await;
    let shown = done(&home, &["vault", "check"]);
    // The client's secret, the access token and the refresh token.
    assert!(
        shown.contains("3 encrypted values can be decrypted"),
        "{shown}"
    );
    let made = done(&home, &["vault", "backup"]);
    let report: serde_json::Value =
        serde_json::from_str(&done(&home, &["vault", "check", "--json"])).unwrap();
    assert_eq!(report["backups"][0]["file"], made.trim());
    assert_eq!(report["faults"], serde_json::json!([]));
    assert!(!token(daemon.client()).await.is_empty());
}

#[tokio::test]
async fn a_check_names_what_is_wrong() {
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    daemon_with_token(&home, &provider, 3600).await.stop().await;
    done(&home, &["vault", "backup"]);
    fs::set_permissions(&backups(&home)[0], fs::Permissions::from_mode(0o644)).unwrap();
    let vault = database(&vault_file(&home));
    vault
        .execute("UPDATE tokens SET access_token = refresh_token", [])
        .unwrap();
    drop(vault);
    let output = ran(&home, &["vault", "check"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("tokens.access_token"), "{said}");
    assert!(said.contains("chmod go="), "{said}");
    assert!(!said.contains("providers"), "{said}");
}

#[tokio::test]
async fn a_damaged_vault_tells_of_the_backup_and_the_command_that_restores_it() {
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    let daemon = daemon_with_token(&home, &provider, 3600).await;
    let before = token(daemon.client()).await;
    done(&home, &["vault", "backup"]);
    daemon.stop().await;
    let damaged = damage(&home);

    let said = complaint(&home).await;
    assert_eq!(fs::read(vault_file(&home)).unwrap(), damaged);
    let newest = backups(&home)[0].display().to_string();
    let command = said
        .lines()
        .find_map(|line| line.split_once("agent-auth vault restore "))
        .unwrap_or_else(|| panic!("{said}"))
        .1;
    assert!(command.ends_with(&newest), "{said}");

    let restored = Command::new("sh")
        .args(["-c", &format!("\"$0\" vault restore {command}")])
        .arg(env!("CARGO_BIN_EXE_agent-auth"))
        .output()
        .unwrap();
    assert!(restored.status.success(), "{}", stderr(&restored));
    let shown = String::from_utf8(restored.stdout).unwrap();
    let kept = shown
        .lines()
        .find_map(|line| line.split_once("is kept in "));
    assert_eq!(fs::read(kept.unwrap().1).unwrap(), damaged);
    let daemon = Binary::start(&home).await;
    assert_eq!(token(daemon.client()).await, before);
}

#[tokio::test]
async fn a_vault_without_a_backup_says_so() {
    let home = Home::new();
    Binary::start(&home).await.stop().await;
    damage(&home);
    assert!(complaint(&home).await.contains("there is no backup"));
}

#[test]
fn a_file_that_is_no_backup_is_not_called_a_damaged_vault() {
    let home = Home::new();
    fs::create_dir(home.path("data")).unwrap();
    let file = home.path("note.txt");
    fs::write(&file, "no vault").unwrap();
    let output = ran(&home, &["vault", "restore", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("note.txt is not a backup that can be restored"),
        "{said}"
    );
    assert!(!said.contains("vault is damaged"), "{said}");
}

#[tokio::test]
async fn a_running_daemon_keeps_its_vault() {
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    let daemon = daemon_with_token(&home, &provider, 3600).await;
    let backup = done(&home, &["vault", "backup"]);
    let pid = daemon.pid().to_string();
    let restore = ["vault", "restore", backup.trim()];
    for words in [
        &restore[..],
        &["key", "rotate"],
        &["key", "move", "keychain"],
    ] {
        let output = ran(&home, words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let said = stderr(&output);
        assert!(
            said.contains(&pid) && said.contains("stop it first"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_restored_grant_that_had_rotated_is_told_as_a_lost_rotation() {
    // Refreshed in the background, the token might be spent before the backup.
    let home = Home::with_settings("refresh_active_within = 0\n");
    let provider = Provider::start(Rotation::Strict, 3600);
    let daemon = daemon_with_token(&home, &provider, 0).await;
    let backup = done(&home, &["vault", "backup"]);
    // Spends the refresh token that is in the backup.
    assert!(provider.accepts(&token(daemon.client()).await));
    daemon.stop().await;

    let shown = done(&home, &["vault", "restore", backup.trim()]);
    assert!(
        shown.contains("1 grant may have a newer refresh token"),
        "{shown}"
    );
    let daemon = Binary::start(&home).await;
    let answer = daemon.client().authenticate(&wanted()).await.unwrap();
    assert_ne!(answer.status, AuthStatus::Completed);
    let reason: String = database(&vault_file(&home))
        .query_row(
            "SELECT reason FROM events WHERE event_type = 'reconnect_required'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(reason, "rotation_lost");
}

#[tokio::test]
async fn a_backup_that_is_of_no_use_changes_nothing() {
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    daemon_with_token(&home, &provider, 3600).await.stop().await;
    let other = Home::new();
    daemon_with_token(&other, &provider, 3600)
        .await
        .stop()
        .await;
    let stranger = done(&other, &["vault", "backup"]);
    let broken = home.path("broken.db");
    fs::write(&broken, b"no database").unwrap();
    let before = fs::read(vault_file(&home)).unwrap();

    for (from, why) in [
        (stranger.trim(), "is not the key of this vault"),
        (broken.to_str().unwrap(), "not a database"),
        ("/nonexistent.db", "cannot be opened"),
    ] {
        let output = ran(&home, &["vault", "restore", from]);
        assert_eq!(output.status.code(), Some(1));
        let said = stderr(&output);
        assert!(
            said.contains(why) && said.contains("nothing was restored"),
            "{said}"
        );
        assert_eq!(fs::read(vault_file(&home)).unwrap(), before);
    }
    let left = fs::read_dir(home.path("data")).unwrap();
    let names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !names
            .iter()
            .any(|name| name.to_string_lossy().contains("restored")),
        "{names:?}"
    );
}

#[tokio::test]
async fn a_check_finds_a_backup_that_was_changed_without_the_key() {
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    daemon_with_token(&home, &provider, 3600).await.stop().await;
    let backup = done(&home, &["vault", "backup"]);
    done(&home, &["vault", "check"]);
    let copy = database(backup.trim().as_ref());
    copy.execute(
        "UPDATE providers SET token_url = 'https://127.0.0.1:1/token'",
        [],
    )
    .unwrap();
    drop(copy);
    let output = ran(&home, &["vault", "check"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains(backup.trim()), "{said}");
    assert!(said.contains("of providers cannot be read"), "{said}");
}
