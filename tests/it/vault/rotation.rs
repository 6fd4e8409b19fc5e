//! A new key, given whole or cut off by `kill -9` at every step.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use agent_authd::clock::Env;
use agent_authd::internals::vault::{Vault, check};

use super::{Binary, Home, daemon_with_token, database, done, options, token, vault_file};
use crate::support::provider::{Provider, Rotation};

/// The tokens' identifiers, newest first.
async fn tokens(daemon: &Binary) -> Vec<String> {
    let tokens = daemon.client().tokens(None).await.unwrap();
    tokens.into_iter().map(|token| token.id).collect()
}

#[tokio::test]
async fn a_refresh_token_is_still_known_after_a_new_key_and_an_upgrade() {
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    let daemon = daemon_with_token(&home, &provider, 3600).await;
    let import = provider.import(3600);
    daemon.client().import_token(&import).await.unwrap();
    let before = tokens(&daemon).await;
    daemon.stop().await;
    done(&home, &["key", "rotate"]);
    for forgets in [false, true] {
        if forgets {
            // As version 1 of the schema leaves it.
            database(&vault_file(&home))
                .execute_batch("UPDATE tokens SET refresh_token_hash = NULL")
                .unwrap();
        }
        let daemon = Binary::start(&home).await;
        daemon.client().import_token(&import).await.unwrap();
        assert_eq!(tokens(&daemon).await, before);
        daemon.stop().await;
    }
}

/// More than are sealed anew in one transaction.
const TOKENS: usize = 120;

/// The client's secret, and two for each token.
const SECRETS: usize = 1 + 2 * TOKENS;

/// A vault with many tokens, its daemon stopped.
async fn filled() -> Home {
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    let daemon = daemon_with_token(&home, &provider, 3600).await;
    for _ in 1..TOKENS {
        let import = provider.import(3600);
        daemon.client().import_token(&import).await.unwrap();
    }
    daemon.stop().await;
    home
}

fn key_lines(home: &Home) -> Vec<String> {
    let text = fs::read_to_string(home.path("key/vault.key")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn keys_of(vault: &Path) -> Vec<String> {
    let vault = database(vault);
    let mut statement = vault.prepare("SELECT key_id FROM keys").unwrap();
    let ids = statement.query_map([], |row| row.get(0)).unwrap();
    ids.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn a_new_key_seals_everything_and_the_old_one_is_retired() {
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    let daemon = daemon_with_token(&home, &provider, 3600).await;
    let before = token(daemon.client()).await;
    let sealed_with_old = done(&home, &["vault", "backup"]);
    daemon.stop().await;
    let (old_key, old_ids) = (key_lines(&home), keys_of(&vault_file(&home)));

    let shown = done(&home, &["key", "rotate"]);
    let new_ids = keys_of(&vault_file(&home));
    assert_eq!(new_ids.len(), 1);
    assert_ne!(new_ids, old_ids);
    assert!(shown.contains(&new_ids[0]), "{shown}");
    assert_eq!(key_lines(&home).len(), 1);
    assert_ne!(key_lines(&home), old_key);
    assert!(done(&home, &["vault", "check"]).contains("3 encrypted values can be decrypted"));
    // What the old key opens is gone, the live grants in the backup too; and
    // there is a backup that the new key opens.
    let backups = fs::read_dir(home.path("data/backups")).unwrap();
    let backups: Vec<_> = backups.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(backups.len(), 1);
    assert_eq!(keys_of(&backups[0]), new_ids, "{sealed_with_old}");
    for file in ["data/vault.db", "data/vault.db-wal"] {
        let bytes = fs::read(home.path(file)).unwrap_or_default();
        let old = old_ids[0].as_bytes();
        assert!(!bytes.windows(old.len()).any(|part| part == old), "{file}");
    }
    let daemon = Binary::start(&home).await;
    assert_eq!(token(daemon.client()).await, before);
}

#[tokio::test]
async fn a_value_that_does_not_open_stops_a_rotation_before_it_begins() {
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    daemon_with_token(&home, &provider, 3600).await.stop().await;
    let vault = database(&vault_file(&home));
    vault
        .execute("UPDATE tokens SET refresh_token = access_token", [])
        .unwrap();
    drop(vault);
    let before = key_lines(&home);
    let output = super::ran(&home, &["key", "rotate"]);
    assert_eq!(output.status.code(), Some(1));
    let said = super::stderr(&output);
    assert!(said.contains("of tokens cannot be read"), "{said}");
    assert_eq!(key_lines(&home), before);
}

/// Gives a new key to a copy of `base`, killed when it makes the `nth` of
/// these system calls; whether it was.
fn rotation_killed_at(base: &Home, calls: &str, nth: usize) -> Option<Home> {
    let home = Home::new();
    copy_folder(&base.path("data"), &home.path("data"));
    copy_folder(&base.path("key"), &home.path("key"));
    let rotate = super::agent_auth(&home, &["key", "rotate"]);
    let status = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null"])
        .args(["-e", &format!("trace={calls}")])
        .args(["-e", &format!("inject={calls}:signal=SIGKILL:when={nth}")])
        .arg(rotate.get_program())
        .args(rotate.get_args())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("strace is needed: apt-get install strace");
    (!status.success()).then_some(home)
}

fn copy_folder(from: &Path, to: &Path) {
    fs::DirBuilder::new().mode(0o700).create(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Nothing is lost at the moment of the kill, and the next start goes on.
fn survives(home: &Home, place: &str) {
    let options = options(home);
    let report = check::check(&options).unwrap();
    assert_eq!(report.opened, SECRETS, "{place}: {:?}", report.faults);
    drop(Vault::open(&options, &Env::system()).unwrap());
    let report = check::check(&options).unwrap();
    assert_eq!(report.opened, SECRETS, "{place}");
    assert!(report.is_well(), "{place}: {:?}", report.faults);
    assert_eq!(key_lines(home).len(), 1, "{place}");
    assert_eq!(keys_of(&vault_file(home)).len(), 1, "{place}");
}

/// Kills at every `step`th of these calls until there are no more; how often.
async fn kills(calls: &str, step: usize) -> usize {
    let base = filled().await;
    let mut kills = 0;
    for nth in (1..).step_by(step) {
        let Some(home) = rotation_killed_at(&base, calls, nth) else {
            break;
        };
        survives(&home, &format!("{calls}, call {nth}"));
        kills += 1;
    }
    kills
}

#[tokio::test]
async fn a_rotation_killed_before_any_flush_or_renaming_goes_on() {
    let calls = "fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,ftruncate";
    let kills = kills(calls, 1).await;
    assert!(kills > 20, "only {kills} places to be killed at");
}

#[tokio::test]
async fn a_rotation_killed_between_two_writes_goes_on() {
    let kills = kills("write,pwrite64", 7).await;
    assert!(kills > 20, "only {kills} places to be killed at");
}
