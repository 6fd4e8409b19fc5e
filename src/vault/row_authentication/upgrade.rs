//! Authenticates the rows of a vault that was written before rows carried
//! codes: once, in steps that may be cut off anywhere.
//!
//! That it is done is written into the key_checks of the keys, which nobody writes
//! without a key. From then on a row without a code is refused.

use rusqlite::Connection;

use super::{AuthenticatedTable, TABLES};
use crate::clock::Env;
use crate::failpoint;
use crate::vault::cipher::Cipher;
use crate::vault::{Error, unlock, writer};

/// Rows per transaction: some milliseconds of work.
const BATCH: u32 = 500;

/// What is no address, or is sealed.
const HIDDEN: &[&str] = &[
    "id",
    "client_secret",
    "access_token",
    "refresh_token",
    "state",
];

/// After how many rows the log says how far it is.
const REPORTED: usize = 10_000;

/// Gives each row that has no code its own, and notes that this is done.
/// Does nothing to a vault in which it is.
///
/// # Errors
/// [`Error::Unwritable`]; the next opening goes on from there.
pub(in crate::vault) fn authenticate_existing(
    connection: &mut Connection,
    cipher: &Cipher,
    env: &Env,
) -> Result<(), Error> {
    if unlock::is_authenticated(connection, cipher)? {
        return Ok(());
    }
    let mut done = 0;
    for table in TABLES {
        let mut after = 0;
        while let Some((last, count)) = authenticate_some(connection, cipher, table, after)? {
            failpoint::pass("vault.authenticate");
            let before = done;
            (after, done) = (last, done + count);
            if before / REPORTED < done / REPORTED {
                tracing::info!(rows = done, "rows of an older vault are authenticated");
            }
        }
    }
    failpoint::pass("vault.authenticated");
    let now = env.now();
    writer::transact(connection, |connection| {
        unlock::prove_authenticated(connection, cipher, now)
    })?;
    tracing::info!(rows = done, "every row of an older vault is authenticated");
    Ok(())
}

/// Every address in a vault that decides where a secret is sent, a line each
/// for a person to read.
///
/// # Errors
/// [`Error::Corrupt`] if a row cannot be read.
pub(in crate::vault) fn addresses(connection: &Connection) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    for table in TABLES {
        let columns = table
            .authenticated()
            .filter(|column| !HIDDEN.contains(column));
        let shown: Vec<_> = columns
            .map(|column| format!("'{column}=' || {column}"))
            .collect();
        let mut statement = connection.prepare(&format!(
            "SELECT DISTINCT concat_ws(' ', {}) FROM {}",
            shown.join(", "),
            table.name
        ))?;
        let found = statement.query_map([], |row| row.get::<_, String>(0))?;
        for line in found {
            lines.push(format!("{} {}", table.name, line?));
        }
    }
    Ok(lines)
}

/// One batch of a table's rows after `after`: the last of them, and how many
/// they were; `None` if there are no more.
fn authenticate_some(
    connection: &mut Connection,
    cipher: &Cipher,
    table: &AuthenticatedTable,
    after: i64,
) -> Result<Option<(i64, usize)>, Error> {
    writer::transact(connection, |connection| {
        let query = format!(
            "SELECT seq FROM {} WHERE seq > ?1 AND mac IS NULL ORDER BY seq LIMIT ?2",
            table.name
        );
        let mut statement = connection.prepare_cached(&query)?;
        let found = statement.query_map((after, BATCH), |row| row.get(0))?;
        let found: Vec<i64> = found.collect::<Result<_, _>>()?;
        for seq in &found {
            table.authenticate(connection, cipher, *seq)?;
        }
        Ok(found.last().map(|last| (*last, found.len())))
    })
}
