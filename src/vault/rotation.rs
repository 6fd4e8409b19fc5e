//! Replacing the vault's key with a new one.
//!
//! First the key's place is made to hold both keys, the new one first. The other
//! steps are those of [`resealing`]. A crash may interrupt the rotation anywhere:
//! opening a vault whose place holds two keys continues it.

use std::path::PathBuf;

use super::cipher::Cipher;
use super::key::{self, KeyRing};
use super::{Error, Options, Unlocked, opening, resealing, rows, sealed};
use crate::clock::Env;

/// The result of a rotation.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The new key's public name.
    pub key_id: String,
    /// The place that keeps it, in a person's words.
    pub place: String,
    /// Replaced vaults that were deleted because the old key opened them.
    pub removed: Vec<PathBuf>,
}

/// Replaces the vault's key with a new one. agent-authd must not be running.
///
/// # Errors
/// Those of opening the vault; [`Error::UnreadableRow`] or [`Error::Corrupt`] if
/// a row cannot be read or a value does not open; [`Error::Unwritable`] if the
/// disk has too little free space. Nothing is changed by these. After
/// [`Error::RotationUnfinished`] the key's place holds both keys, and not every
/// row is sealed with the new one.
pub fn rotate(options: &Options, env: &Env) -> Result<Rotated, Error> {
    // Opening finishes an earlier rotation that was interrupted.
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
    let (_, mut faults) = sealed::check_all(&unlocked.connection, &unlocked.cipher)?;
    if let Some(fault) = faults.pop() {
        return Err(fault);
    }
    opening::require_free_space(&unlocked.options.data_dir, "sealing every row again")?;
    let ring = KeyRing::followed_by(KeyRing::generate(env), &unlocked.ring);
    store.replace(&ring)?;
    key::verify_stored(&*store, &ring)?;
    let cipher = Cipher::new(unlocked.id, &ring)?;
    let options = unlocked.options.clone();
    let removed = resealing::finish(&mut unlocked.connection, &cipher, &ring, &options, env)
        .map_err(|error| Error::RotationUnfinished {
            why: error.to_string(),
        })?;
    Ok(Rotated {
        removed,
        key_id: cipher.key_id().0.clone(),
        place: store.place(),
    })
}
