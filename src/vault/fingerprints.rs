//! Refresh tokens are found by their fingerprints, so that the same token is
//! not stored twice. With two rows, the refresh of one would end the grant of
//! the other.
//!
//! Each write of a token writes its fingerprint. Rows of an older version get
//! theirs when the vault is opened.

use rusqlite::Connection;

use super::cipher::{Cipher, SealContext};
use super::{Error, writer};
use crate::identity::Owner;
use crate::secret::RefreshToken;

/// Rows per transaction, which takes some milliseconds.
const BATCH: u32 = 100;

/// Adds the missing fingerprints. A refresh token that does not open gets none;
/// `vault check` reports it.
///
/// # Errors
/// [`Error::Unwritable`] if the vault cannot be written; the fingerprints that
/// were added remain.
pub(super) fn complete(connection: &mut Connection, cipher: &Cipher) -> Result<(), Error> {
    let mut after = 0;
    while let Some(last) = writer::transact(connection, |connection| {
        complete_batch(connection, cipher, after)
    })? {
        after = last;
    }
    Ok(())
}

/// Processes one batch of rows after `after`. Returns the `seq` of the last
/// row; `None` if there was none.
fn complete_batch(
    connection: &Connection,
    cipher: &Cipher,
    after: i64,
) -> Result<Option<i64>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, owner, id, key_id, refresh_token FROM tokens
         WHERE seq > ?1 AND refresh_token IS NOT NULL AND refresh_token_hash IS NULL
         ORDER BY seq LIMIT ?2",
    )?;
    let mut rows = statement.query((after, BATCH))?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        last = Some(seq);
        let columns: rusqlite::Result<(i64, Owner, String, String, String)> = row.try_into();
        let Ok((_, owner, id, key_id, sealed)) = columns else {
            continue;
        };
        let context = SealContext {
            owner,
            table: "tokens",
            row: &id,
            column: "refresh_token",
        };
        if let Ok(token) = cipher
            .open(context, &key_id, &sealed)
            .map(RefreshToken::new)
        {
            let fingerprint = cipher.fingerprint(owner, &token);
            connection.execute(
                "UPDATE tokens SET refresh_token_hash = ?2 WHERE seq = ?1",
                (seq, fingerprint),
            )?;
        }
    }
    Ok(last)
}
