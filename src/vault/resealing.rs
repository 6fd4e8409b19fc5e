//! The steps of a key rotation after the key's place holds the new key before
//! the old one. A crash may interrupt them anywhere: each step can be repeated,
//! and the next opening of the vault continues.
//!
//! 1. The vault gets a key check for the new key.
//! 2. Every row is sealed again with the new key, a batch per transaction.
//! 3. The old key's check is deleted.
//! 4. A backup is made. Backups and replaced vaults that only the old key opens
//!    are deleted, because they hold live grants.
//! 5. The key's place keeps the new key alone.

use std::path::PathBuf;

use rusqlite::Connection;

use super::cipher::Cipher;
use super::key::{self, KeyRing, Store};
use super::sealed::TABLES;
use super::{Error, KeyStore, Options, backup, restore, unlock, writer};
use crate::clock::Env;

/// Rows sealed again per transaction, which takes some milliseconds.
const BATCH: u32 = 100;

/// Whether a rotation is unfinished, according to the vault and its key's place.
pub(super) fn is_unfinished(
    connection: &Connection,
    cipher: &Cipher,
    ring: &KeyRing,
    store: &dyn Store,
) -> Result<bool, Error> {
    // A service manager's credential keeps the old key until a person removes it.
    let keeps_two = ring.keys().len() > 1 && store.kind() != KeyStore::Credential;
    let key_checks = unlock::key_checks(connection)?;
    let others = key_checks.iter().any(|(id, _)| *id != cipher.key_id().0);
    Ok(keeps_two || others)
}

/// Runs the steps and returns the replaced vaults that were deleted. Any step may
/// have been done before.
///
/// # Errors
/// [`Error::Corrupt`] if a row does not open; its key is then not retired.
pub(super) fn finish(
    connection: &mut Connection,
    cipher: &Cipher,
    ring: &KeyRing,
    options: &Options,
    env: &Env,
) -> Result<Vec<PathBuf>, Error> {
    let primary = cipher.key_id().0.clone();
    unlock::add_key_check(connection, cipher, env)?;
    reseal_all(connection, cipher, env)?;
    connection.execute("DELETE FROM keys WHERE key_id <> ?1", [&primary])?;
    // Otherwise the write-ahead log still holds rows that the old key opens.
    if !writer::checkpoint(connection)? {
        tracing::warn!(
            "another program is reading the vault; rows that the old key opens stay in the write-ahead log until the next start"
        );
    }
    backup::make(connection, &options.data_dir, env.now())?;
    backup::remove_sealed_otherwise(&options.data_dir, &primary)?;
    let removed = restore::remove_replaced(&options.data_dir)?;
    for path in &removed {
        tracing::info!(path = %path.display(), "deleted a replaced vault that the old key opened");
    }
    let store = key::store(options)?;
    if ring.keys().len() > 1 && store.kind() == KeyStore::Credential {
        tracing::warn!(
            "every row is sealed with the first key of the credential; remove the second line from it"
        );
    } else if ring.keys().len() > 1 {
        store.replace(&ring.newest())?;
    }
    tracing::info!(key.id = %primary, "the vault has a new key; the old key is retired");
    Ok(removed)
}

fn reseal_all(connection: &mut Connection, cipher: &Cipher, env: &Env) -> Result<(), Error> {
    for table in TABLES {
        let mut after = 0;
        loop {
            let now = env.now();
            let last = writer::transact(connection, |connection| {
                let batch = table.rows(connection, &cipher.key_id().0, after, BATCH)?;
                for row in &batch.rows {
                    row.reseal(connection, cipher, now)?;
                }
                Ok(batch.last)
            })?;
            match last {
                Some(last) => after = last,
                None => break,
            }
        }
    }
    Ok(())
}
