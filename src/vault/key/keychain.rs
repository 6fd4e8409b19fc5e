//! The key in the login keychain of macOS, as a generic password. The vault's
//! folder is its account.

use std::path::Path;

use security_framework::base::Error as KeychainError;
use security_framework::passwords::{
    delete_generic_password, get_generic_password, set_generic_password,
};
use zeroize::Zeroizing;

use super::{Error, KeyRing, KeyStore, SERVICE, Store, unusable};

/// `errSecItemNotFound` (Security/SecBase.h).
const NOT_FOUND: i32 = -25300;

/// The keychain's item.
#[derive(Debug)]
pub(super) struct Keychain {
    account: String,
}

impl Keychain {
    /// The item for the vault in `data_dir`.
    pub(super) fn of(data_dir: &Path) -> Self {
        Self {
            account: data_dir.display().to_string(),
        }
    }

    fn refuse(&self, error: &KeychainError) -> Error {
        unusable(&self.place(), error)
    }
}

impl Store for Keychain {
    fn kind(&self) -> KeyStore {
        KeyStore::Keychain
    }

    fn place(&self) -> String {
        format!(
            "the macOS Keychain (service {SERVICE}, account {})",
            self.account
        )
    }

    fn load(&self) -> Result<Option<KeyRing>, Error> {
        let bytes = match get_generic_password(SERVICE, &self.account) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.code() == NOT_FOUND => return Ok(None),
            Err(error) => return Err(self.refuse(&error)),
        };
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        KeyRing::parse(text, &self.place()).map(Some)
    }

    fn create(&self, ring: &KeyRing) -> Result<(), Error> {
        if self.load()?.is_some() {
            return Err(unusable(&self.place(), "it has a key already"));
        }
        self.replace(ring)
    }

    fn replace(&self, ring: &KeyRing) -> Result<(), Error> {
        set_generic_password(SERVICE, &self.account, ring.to_text().as_bytes())
            .map_err(|error| self.refuse(&error))
    }

    fn remove(&self) -> Result<(), Error> {
        delete_generic_password(SERVICE, &self.account).map_err(|error| self.refuse(&error))
    }
}
