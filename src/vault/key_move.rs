//! Moving the key from one place to another.

use super::key;
use super::{Error, KeyStore, Options, Unlocked};
use crate::clock::Env;

/// A key that lies in two places, the old and the new one.
pub struct Moving {
    /// What the settings call the new place.
    pub store: KeyStore,
    /// What a person calls the old place.
    pub from: String,
    /// What a person calls the new place.
    pub to: String,
    old: Box<dyn key::Store>,
    _vault: Unlocked,
}

impl Moving {
    /// Forgets the key in the old place, unless that is a credential, which is
    /// the service manager's to take away; whether it did. Before that the
    /// settings must name the new place.
    ///
    /// # Errors
    /// [`Error::KeyUnusable`] if the old place does not let go of it.
    pub fn finish(self) -> Result<bool, Error> {
        let is_ours = self.old.kind() != KeyStore::Credential;
        if is_ours {
            self.old.remove()?;
        }
        Ok(is_ours)
    }
}

/// Copies the vault's key to another place, and proves that it is there.
/// agent-authd must not be running.
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
    // What a move that was cut off has left there is the same key, or a reason
    // to stop.
    key::verify_stored(&*new, &vault.ring)?;
    Ok(Moving {
        store: new.kind(),
        from: old.place(),
        to: new.place(),
        old,
        _vault: vault,
    })
}
