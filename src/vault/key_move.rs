//! Moves the vault's key to another place.

use super::key;
use super::{Error, KeyStore, Options, Unlocked};
use crate::clock::Env;

/// A key that is in both places, the old one and the new one.
pub struct Moving {
    /// The name of the new place in the settings.
    pub store: KeyStore,
    /// The old place in a person's words.
    pub from: String,
    /// The new place in a person's words.
    pub to: String,
    old: Box<dyn key::Store>,
    _vault: Unlocked,
}

impl Moving {
    /// Deletes the key from the old place. The settings must name the new place
    /// by then. Returns `false` if the old place is a credential, which only
    /// the service manager can delete.
    ///
    /// # Errors
    /// [`Error::KeyUnusable`] if the key cannot be deleted.
    pub fn finish(self) -> Result<bool, Error> {
        let is_ours = self.old.kind() != KeyStore::Credential;
        if is_ours {
            self.old.remove()?;
        }
        Ok(is_ours)
    }
}

/// Copies the vault's key to another place and verifies the copy. agent-authd
/// must not be running.
///
/// # Errors
/// Those of opening the vault; [`Error::KeyThereAlready`];
/// [`Error::KeyUnusable`] if a place cannot be reached, cannot be written, or
/// holds another key.
pub fn move_key(options: &Options, to: KeyStore, env: &Env) -> Result<Moving, Error> {
    let vault = Unlocked::open_existing(options, env)?;
    let old = key::store(options)?;
    let new = key::store(&Options {
        key_store: to,
        ..options.clone()
    })?;
    if old.kind() == new.kind() {
        return Err(Error::KeyThereAlready { place: old.place() });
    }
    if new.load()?.is_none() {
        new.create(&vault.ring)?;
    }
    // An interrupted move leaves the same key there. A different key is an
    // error.
    key::verify_stored(&*new, &vault.ring)?;
    Ok(Moving {
        store: new.kind(),
        from: old.place(),
        to: new.place(),
        old,
        _vault: vault,
    })
}
