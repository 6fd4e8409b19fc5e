//! Every released schema, as a vault of that version: it is brought up to
//! date, its secrets open, and its tables are then those of a new vault.
//!
//! A fixture is what `sqlite3 vault.db .dump` prints, with its `user_version`
//! and its key; it is never edited once its version is released.

use std::fs;
use std::path::Path;

use agent_authd::clock::Env;
use agent_authd::identity::Owner;
use agent_authd::internals::advice;
use agent_authd::internals::vault::Vault;
use agent_authd::secret::ExposeSecret as _;
use rusqlite::Connection;

use super::{Binary, Home, agent_auth, database, done, options, ran, stderr, vault_file};

/// The fixtures: the version, the dump, the key and the stored access token.
const RELEASED: &[(i64, &str, &str, &str)] = &[
    (
        1,
        include_str!("released/1.sql"),
        include_str!("released/1.key"),
        "released-access-token",
    ),
    (
        1,
        include_str!("released/1-full.sql"),
        include_str!("released/1-full.key"),
        "released-failing",
    ),
];

/// Tables and indexes as SQL, without blanks and comments.
fn schema(connection: &Connection) -> Vec<(String, String)> {
    let mut statement = connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
        .unwrap();
    let found = statement.query_map([], |row| {
        let sql: String = row.get(1)?;
        let lines = sql.lines().map(|line| line.split("--").next().unwrap());
        let words: Vec<_> = lines.flat_map(str::split_whitespace).collect();
        Ok((row.get(0)?, words.concat().to_lowercase()))
    });
    found.unwrap().map(Result::unwrap).collect()
}

fn version(connection: &Connection) -> i64 {
    let query = "SELECT user_version FROM pragma_user_version";
    connection.query_row(query, [], |row| row.get(0)).unwrap()
}

/// The access token of root, as whom the fixtures were made.
#[expect(clippy::disallowed_methods, reason = "the test looks at the token")]
fn stored_token(home: &Home) -> String {
    let vault = Vault::open(&options(home), &Env::system()).unwrap();
    let owner = Owner::from_uid(0).unwrap();
    let token = vault.read(|view| view.access_token(&view.tokens(owner)?[0]));
    token.unwrap().expose_secret().to_owned()
}

/// A home with a released vault and its key.
fn laid_out(released: i64, dump: &str, key: &str) -> Home {
    let home = Home::new();
    lay_out(&home, (released, dump, key));
    home
}

/// Puts a vault of version 1 and its key into a home.
pub(super) fn lay_out_version_1(home: &Home) {
    let (released, dump, key, _) = RELEASED[1];
    lay_out(home, (released, dump, key));
}

fn lay_out(home: &Home, (released, dump, key): (i64, &str, &str)) {
    fs::create_dir_all(home.path("data")).unwrap();
    fs::create_dir(home.path("key")).unwrap();
    let old = database(&vault_file(home));
    old.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    old.execute_batch(dump).unwrap();
    assert_eq!(version(&old), released);
    drop(old);
    let mut file = fs::File::create(home.path("key/vault.key")).unwrap();
    std::io::Write::write_all(&mut file, key.as_bytes()).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    file.set_permissions(private).unwrap();
}

/// What an upgrade must leave: each token, agent's permission, default, open
/// login and refresh in doubt.
#[cfg(feature = "failpoints")]
fn kept(home: &Home) -> Vec<String> {
    let vault = database(&vault_file(home));
    let mut rows = Vec::new();
    for query in [
        "SELECT id || user_id || coalesce(agent_id, '') || coalesce(person_needed, '') || generation FROM tokens",
        "SELECT id || agent_id || token_id FROM connections",
        "SELECT id || status FROM flows",
        "SELECT token_id || generation FROM refresh_attempts",
        "SELECT id || event_type FROM events",
        "SELECT provider_id || token_url FROM providers",
    ] {
        let mut statement = vault.prepare(query).unwrap();
        let found = statement
            .query_map([], |row| row.get::<_, String>(0))
            .unwrap();
        rows.extend(found.map(Result::unwrap));
    }
    rows.sort();
    rows
}

/// The defaults of a vault, as `provider user agent scopes`.
fn defaults(vault: &Connection) -> Vec<String> {
    let query = "SELECT concat_ws(' ', provider_id, user_id, coalesce(agent_id, '-'), requested)
                 FROM tokens WHERE is_default = 1";
    let mut statement = vault.prepare(query).unwrap();
    let found = statement.query_map([], |row| row.get(0)).unwrap();
    let mut found: Vec<_> = found.map(Result::unwrap).collect();
    found.sort();
    found
}

#[test]
fn an_upgrade_leaves_each_default_in_its_agents_group_and_fills_the_others_by_latest_use() {
    // Where version 1 had one default per user, an agent's login took it from
    // the user's own tokens; which of these was used last varies.
    let (released, dump, key, _) = RELEASED[1];
    for (change, users_own) in [
        ("", r#"["late"]"#),
        (
            "UPDATE tokens SET used_at = used_at + 1 WHERE seq = 2",
            r#"["read","write"]"#,
        ),
        (
            "UPDATE tokens SET used_at = created_at + 9000 WHERE seq = 1",
            r#"["read"]"#,
        ),
        // None was ever used: the one that was stored last.
        ("UPDATE tokens SET used_at = NULL", r#"["late"]"#),
    ] {
        let home = laid_out(released, dump, key);
        let vault = database(&vault_file(&home));
        vault.execute_batch(change).unwrap();
        let before = [
            r#"public root - ["read"]"#,
            r#"strict alice - ["read"]"#,
            r#"strict root bot ["read"]"#,
        ];
        assert_eq!(defaults(&vault), before);
        drop(vault);
        stored_token(&home);
        let added = [
            format!("strict root - {users_own}"),
            r#"strict root upserted ["read"]"#.to_owned(),
        ];
        let mut after = [before.map(str::to_owned).as_slice(), &added].concat();
        after.sort();
        assert_eq!(defaults(&database(&vault_file(&home))), after, "{change}");
    }
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn an_upgrade_that_is_cut_off_anywhere_is_resumed_and_loses_nothing() {
    let (released, dump, key, access_token) = RELEASED[1];
    let before = kept(&laid_out(released, dump, key));
    for step in [
        "vault.backed_up",
        "vault.migrated",
        "vault.authenticate",
        "vault.authenticated",
    ] {
        let home = laid_out(released, dump, key);
        let daemon = Binary::spawn_with(&home, |command| {
            command.env("AGENT_AUTH_FAILPOINT", step);
        });
        assert_eq!(daemon.ended().await.code(), None, "{step} is not passed");
        // Opened by itself, so that no chore of a daemon changes a row.
        assert_eq!(stored_token(&home), access_token, "{step}");
        done(&home, &["vault", "check"]);
        assert_eq!(kept(&home), before, "{step}");
    }
}

#[test]
fn a_program_that_is_too_old_names_the_backup_it_can_read() {
    let (released, dump, key, _) = RELEASED[1];
    let home = laid_out(released, dump, key);
    stored_token(&home);
    let newer = "PRAGMA user_version = 99";
    database(&vault_file(&home)).execute_batch(newer).unwrap();
    let error = Vault::open(&options(&home), &Env::system()).unwrap_err();
    let said = format!("{error}{}", advice::after(&error));
    assert!(said.contains("before-upgrade-of-schema-1-"), "{said}");
    assert!(said.contains("need a new login"), "{said}");
}

#[test]
fn an_old_backup_is_restored_only_when_its_addresses_were_looked_at() {
    let (released, dump, key, access_token) = RELEASED[1];
    let home = laid_out(released, dump, key);
    let old = home.path("old.db");
    fs::copy(vault_file(&home), &old).unwrap();
    let old = old.to_str().unwrap();
    let refused = ran(&home, &["vault", "restore", old]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("--accept-unauthenticated"),
        "{}",
        stderr(&refused)
    );
    for (answer, code) in [("no\n", 1), ("yes\n", 0)] {
        let mut command = agent_auth(
            &home,
            &["vault", "restore", "--accept-unauthenticated", old],
        );
        let pipe = std::process::Stdio::piped;
        let mut child = command
            .stdin(pipe())
            .stdout(pipe())
            .stderr(pipe())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, answer.as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        let said = stderr(&output);
        for table in ["providers", "tokens", "flows"] {
            let mut lines = said.lines().map(str::trim_start);
            let shown = lines.find(|line| line.starts_with(table));
            let shown = shown.unwrap_or_else(|| panic!("{table}: {said}"));
            assert!(shown.contains("token_url=http://127.0.0.1:"), "{shown}");
        }
    }
    assert_eq!(stored_token(&home), access_token);
}

#[test]
fn a_backup_with_a_trigger_is_refused() {
    let (released, dump, key, _) = RELEASED[1];
    let home = laid_out(released, dump, key);
    stored_token(&home);
    let backup = done(&home, &["vault", "backup"]);
    let trigger = "CREATE TRIGGER t AFTER UPDATE ON tokens BEGIN DELETE FROM events; END";
    database(Path::new(backup.trim()))
        .execute_batch(trigger)
        .unwrap();
    let refused = ran(&home, &["vault", "restore", backup.trim()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("the trigger \"t\""),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn restoring_twice_in_a_second_keeps_both_and_a_new_key_deletes_both() {
    let (released, dump, key, _) = RELEASED[1];
    let home = laid_out(released, dump, key);
    stored_token(&home);
    let backup = done(&home, &["vault", "backup"]);
    let replaced = || {
        let entries = fs::read_dir(home.path("data")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with("vault-replaced-"))
            .count()
    };
    for count in 1..=3 {
        done(&home, &["vault", "restore", backup.trim()]);
        assert_eq!(replaced(), count);
    }
    let said = done(&home, &["key", "rotate"]);
    assert_eq!(replaced(), 0);
    assert_eq!(said.matches("deleted ").count(), 3, "{said}");
    done(&home, &["vault", "check"]);
}

#[tokio::test]
async fn every_released_vault_becomes_like_a_new_one_and_keeps_its_secrets() {
    let fresh = Home::new();
    Binary::start(&fresh).await.stop().await;
    let fresh = database(&vault_file(&fresh));
    let mut versions: Vec<i64> = RELEASED.iter().map(|(version, ..)| *version).collect();
    versions.dedup();
    // The newest schema has a fixture from the day it is released.
    let known: Vec<i64> = (1..=version(&fresh)).collect();
    assert!(known.starts_with(&versions), "not a list of schemas");
    assert!(versions.len() + 1 >= known.len(), "a schema has no fixture");

    for (released, dump, key, access_token) in RELEASED {
        let home = laid_out(*released, dump, key);
        Binary::start(&home).await.stop().await;
        done(&home, &["vault", "check"]);
        assert_eq!(stored_token(&home), *access_token);
        let upgraded = database(&vault_file(&home));
        assert_eq!(version(&upgraded), version(&fresh));
        assert_eq!(
            schema(&upgraded),
            schema(&fresh),
            "a vault of schema {released}, brought up to date, is not like a new one; \
             while that schema is unreleased, make its fixture anew"
        );
        let backups = home.path("data/backups");
        assert_eq!(
            backups.exists(),
            *released < version(&fresh),
            "before a migration"
        );
    }
}
