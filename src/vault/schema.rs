//! The vault's schema, as a list of migrations on `user_version`.
//!
//! A released migration is never edited; a change is a new entry at the end. A
//! file of a newer version is refused.

#[cfg(test)]
mod written;

use rusqlite::Connection;

use super::Error;

/// Entry `n` migrates a file from `user_version` n to n + 1. It has one script
/// per subject; the scripts run in order.
const MIGRATIONS: &[&[&str]] = &[
    &[include_str!("schema/0001_spine.sql")],
    &[
        include_str!("schema/0002/defaults.sql"),
        include_str!("schema/0002/accounts.sql"),
        include_str!("schema/0002/indexes.sql"),
        include_str!("schema/0002/totals.sql"),
        include_str!("schema/0002/revocations.sql"),
        include_str!("schema/0002/row_authentication.sql"),
        include_str!("schema/0002/account_answers.sql"),
        include_str!("schema/0002/unused_columns.sql"),
        include_str!("schema/0002/flow_kinds.sql"),
    ],
];

/// The version of a file after every migration.
pub(super) fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The file's version; 0 for a new one.
pub(super) fn version(connection: &Connection) -> Result<i64, Error> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Whether the file must be migrated.
///
/// # Errors
/// [`Error::NewerSchema`] if a newer version wrote the file.
pub(super) fn is_outdated(connection: &Connection) -> Result<bool, Error> {
    let (found, known) = (version(connection)?, known_version());
    if found > known {
        return Err(Error::NewerSchema {
            found,
            known,
            backup: None,
        });
    }
    Ok(found < known)
}

/// Refuses a file with a table, index, view or trigger that no vault of its
/// version has: a trigger, for example, would run when the vault is written.
///
/// # Errors
/// [`Error::Corrupt`] for the first one.
pub(super) fn require_known_objects(connection: &Connection) -> Result<(), Error> {
    let done = usize::try_from(version(connection)?).unwrap_or(0);
    let known = Connection::open_in_memory()?;
    for script in MIGRATIONS.iter().take(done).copied().flatten() {
        known.execute_batch(script)?;
    }
    let known = objects(&known)?;
    let found = objects(connection)?;
    match found.iter().find(|object| !known.contains(object)) {
        None => Ok(()),
        Some((kind, name, _)) => Err(Error::Corrupt {
            what: format!("it has the {kind} {name:?}, which no vault of its version has"),
        }),
    }
}

/// The objects of a file: kind, name, and SQL without blanks and comments.
fn objects(connection: &Connection) -> Result<Vec<(String, String, String)>, Error> {
    let mut statement = connection.prepare(
        "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite^_%' ESCAPE '^'",
    )?;
    let rows = statement.query_map([], |row| {
        let sql: Option<String> = row.get(2)?;
        let sql = sql.unwrap_or_default();
        let code = sql
            .lines()
            .map(|line| line.split("--").next().unwrap_or_default());
        let words: Vec<_> = code.flat_map(str::split_whitespace).collect();
        Ok((row.get(0)?, row.get(1)?, words.concat()))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Runs the missing migrations, all or none.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let done = usize::try_from(version(&transaction)?).unwrap_or(0);
    for script in MIGRATIONS.iter().skip(done).copied().flatten() {
        transaction.execute_batch(script)?;
    }
    transaction.pragma_update(None, "user_version", known_version())?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_file_reaches_the_known_version_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert!(is_outdated(&connection).unwrap());
        migrate(&mut connection).unwrap();
        assert!(!is_outdated(&connection).unwrap());
        migrate(&mut connection).unwrap();
    }

    #[test]
    fn a_permission_of_version_1_is_for_all_scopes_that_its_token_has() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(MIGRATIONS[0][0]).unwrap();
        connection
            .execute_batch(
                r#"PRAGMA user_version = 1; PRAGMA foreign_keys = ON;
                INSERT INTO keys VALUES ('k', '', 0);
                INSERT INTO tokens (owner, id, source, provider_id, client_id, token_url, user_id,
                    key_id, access_token, token_type, granted, requested, issued_at, is_default,
                    generation, metadata, created_at, updated_at)
                VALUES (0, 't', 'owner', 'p', 'c', 'u', 'me', 'k', '', 'Bearer', '["a","b"]',
                    '["b","c"]', 0, 1, 1, '{}', 0, 0);
                INSERT INTO connections (owner, id, agent_id, token_id, created_by, created_at)
                VALUES (0, 'x', 'bot', 't', 'me', 0);"#,
            )
            .unwrap();
        migrate(&mut connection).unwrap();
        let scopes: String = connection
            .query_row("SELECT scopes FROM connections", [], |row| row.get(0))
            .unwrap();
        assert_eq!(scopes, r#"["a","b","c"]"#);
    }

    #[test]
    fn a_newer_file_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .pragma_update(None, "user_version", known_version() + 1)
            .unwrap();
        assert!(matches!(
            is_outdated(&connection),
            Err(Error::NewerSchema { .. })
        ));
    }
}
