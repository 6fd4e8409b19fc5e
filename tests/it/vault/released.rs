//! Every released schema, as a vault of that version: it is brought up to
//! date, its secrets open, and its tables are then those of a new vault.
//!
//! A fixture is what `sqlite3 vault.db .dump` prints, with its `user_version`
//! and its key; it is never edited once its version is released.

use std::fs;

use agent_authd::clock::Ambient;
use agent_authd::identity::Owner;
use agent_authd::secret::ExposeSecret as _;
use agent_authd::vault::Vault;
use rusqlite::Connection;

use super::{Binary, Home, database, done, options, vault_file};

/// The fixtures: the version, the dump, the key and the stored access token.
const RELEASED: &[(i64, &str, &str, &str)] = &[(
    1,
    include_str!("released/1.sql"),
    include_str!("released/1.key"),
    "released-access-token",
)];

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
    let vault = Vault::open(&options(home), &Ambient::system()).unwrap();
    let owner = Owner::from_uid(0).unwrap();
    let token = vault.read(|view| view.access_token(&view.tokens(owner)?[0]));
    token.unwrap().expose_secret().to_owned()
}

#[tokio::test]
async fn every_released_vault_becomes_like_a_new_one_and_keeps_its_secrets() {
    let fresh = Home::new();
    Binary::start(&fresh).await.stop().await;
    let fresh = database(&vault_file(&fresh));
    let versions: Vec<i64> = RELEASED.iter().map(|(version, ..)| *version).collect();
    // The newest schema has a fixture from the day it is released.
    let known: Vec<i64> = (1..=version(&fresh)).collect();
    assert!(known.starts_with(&versions), "not a list of schemas");
    assert!(versions.len() + 1 >= known.len(), "a schema has no fixture");

    for (released, dump, key, access_token) in RELEASED {
        let home = Home::new();
        fs::create_dir(home.path("data")).unwrap();
        fs::create_dir(home.path("key")).unwrap();
        let old = database(&vault_file(&home));
        old.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        old.execute_batch(dump).unwrap();
        assert_eq!(version(&old), *released);
        drop(old);
        let mut file = fs::File::create(home.path("key/vault.key")).unwrap();
        std::io::Write::write_all(&mut file, key.as_bytes()).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        file.set_permissions(private).unwrap();

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
