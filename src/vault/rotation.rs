//! A new key for the vault, in steps that may be cut off anywhere.
//!
//! 1. The place of the key keeps two: the new one, then the old.
//! 2. The vault gets a proof of the new one.
//! 3. Every row is sealed anew, some at a time.
//! 4. The old key's proof goes.
//! 5. A backup is made, and those that only the old key opens go, for they
//!    hold live grants; so do the vaults that a restoring has set aside.
//! 6. The place keeps the new key alone.
//!
//! Whoever opens the vault next and finds two keys goes on from there.

use std::path::PathBuf;

use rusqlite::Connection;

use super::cipher::Cipher;
use super::key::{self, KeyRing, Store};
use super::sealed::TABLES;
use super::{
    Error, KeyStore, Options, Unlocked, backup, check, opening, restore, rows, unlock, writer,
};
use crate::clock::Env;

/// Rows sealed anew per transaction: some milliseconds of work.
const BATCH: u32 = 100;

/// What a rotation did.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The new key's public name.
    pub key_id: String,
    /// Where it is kept.
    pub place: String,
    /// Replaced vaults that the old key opened, and that were deleted.
    pub removed: Vec<PathBuf>,
}

/// Gives the vault a new key. agent-authd must not be running.
///
/// # Errors
/// Those of opening the vault; [`Error::UnreadableRow`] or [`Error::Corrupt`] if
/// a row cannot be read or a value does not open, [`Error::Unwritable`] if there
/// is too little room, and nothing is changed then. [`Error::RotationUnfinished`]
/// if the new key is kept beside the old one, and not every row is sealed with it.
pub fn rotate(options: &Options, env: &Env) -> Result<Rotated, Error> {
    // An earlier rotation that was cut off is finished by opening.
    let mut unlocked = Unlocked::open_existing(options, env)?;
    let store = key::store(options)?;
    if unlocked.ring.keys().len() > 1 {
        return Err(Error::RotationStuck {
            place: store.place(),
        });
    }
    if let Some(fault) = rows::survey(&unlocked.connection, &unlocked.cipher)?.first() {
        return Err(fault);
    }
    if let Some(fault) = check::sealed(&unlocked.connection, &unlocked.cipher)?
        .1
        .pop()
    {
        return Err(fault);
    }
    opening::require_room(&unlocked.options.data_dir, "sealing every row anew")?;
    let ring = KeyRing::followed_by(KeyRing::generate(env), &unlocked.ring);
    store.replace(&ring)?;
    key::verify_stored(&*store, &ring)?;
    let cipher = Cipher::new(unlocked.id, &ring)?;
    let options = unlocked.options.clone();
    let removed =
        finish(&mut unlocked.connection, &cipher, &ring, &options, env).map_err(|error| {
            Error::RotationUnfinished {
                why: error.to_string(),
            }
        })?;
    Ok(Rotated {
        removed,
        key_id: cipher.key_id().0.clone(),
        place: store.place(),
    })
}

/// Whether a rotation is under way, by what the vault and its key's place say.
pub(super) fn is_unfinished(
    connection: &Connection,
    cipher: &Cipher,
    ring: &KeyRing,
    store: &dyn Store,
) -> Result<bool, Error> {
    // A credential keeps its older key until somebody takes it out.
    let keeps_two = ring.keys().len() > 1 && store.kind() != KeyStore::Credential;
    let key_checks = unlock::key_checks(connection)?;
    let others = key_checks.iter().any(|(id, _)| *id != cipher.key_id().0);
    Ok(keeps_two || others)
}

/// Steps 2 to 6, each of which may have been done before.
///
/// # Errors
/// [`Error::Corrupt`] if a row does not open: its key is then not retired.
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
    // Nothing that the old key opens stays behind in the write-ahead log.
    if !writer::checkpoint(connection)? {
        tracing::warn!(
            "another program reads the vault; the log is emptied of the old key's rows at the next start"
        );
    }
    backup::make(connection, &options.data_dir, env.now())?;
    backup::remove_sealed_otherwise(&options.data_dir, &primary)?;
    let removed = restore::remove_replaced(&options.data_dir)?;
    for path in &removed {
        tracing::info!(path = %path.display(), "a replaced vault, which the old key opened, was deleted");
    }
    let store = key::store(options)?;
    if ring.keys().len() > 1 && store.kind() == KeyStore::Credential {
        tracing::warn!(
            "every row is sealed with the credential's first key; take the second line out of it"
        );
    } else if ring.keys().len() > 1 {
        store.replace(&ring.newest())?;
    }
    tracing::info!(key.id = %primary, "the vault has a new key, and the old one is retired");
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
