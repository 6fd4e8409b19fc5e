//! Adds authentication codes to the rows of a vault from before rows had them.
//! This is done once, in batches, and may be interrupted anywhere.
//!
//! The key checks record that it is done; they can be written only with the
//! key. From then on a row without a code is refused.

use rusqlite::Connection;

use super::{AuthenticatedTable, TABLES};
use crate::clock::Env;
use crate::failpoint;
use crate::vault::cipher::Cipher;
use crate::vault::{Error, unlock, writer};

/// Rows per transaction, which takes some milliseconds.
const BATCH: u32 = 500;

/// Columns that are sealed, or are not addresses.
const HIDDEN: &[&str] = &[
    "id",
    "client_secret",
    "access_token",
    "refresh_token",
    "state",
];

/// The log reports progress after this many rows.
const REPORTED: usize = 10_000;

/// Adds a code to each row without one, and records that this is done. Does
/// nothing if it was done before.
///
/// # Errors
/// [`Error::Unwritable`] if the vault cannot be written; the next opening
/// continues.
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
                tracing::info!(rows = done, "authenticating the rows of an older vault");
            }
        }
    }
    failpoint::pass("vault.authenticated");
    let now = env.now();
    writer::transact(connection, |connection| {
        unlock::record_authenticated(connection, cipher, now)
    })?;
    tracing::info!(rows = done, "authenticated every row of an older vault");
    Ok(())
}

/// Every address in the vault that decides where a secret is sent, one line
/// each.
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

/// Authenticates one batch of rows after `after`. Returns the last row's `seq`
/// and the number of rows; `None` if there were none.
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
