//! The keys of a cipher: their public names, and what is derived from them.

use std::fmt::Write as _;
use std::ptr::NonNull;

use fernet::Fernet;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::secret::{ExposeSecret as _, VaultKey};
use crate::vault::Error;
use crate::vault::mac::{MacKey, mac};

/// The short public name of a key: half of its SHA-256, from which the key cannot
/// be derived.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::vault) struct KeyId(pub(in crate::vault) String);

/// A key with its name, and the key of the message authentication codes, which is
/// derived from it.
pub(super) struct Key {
    pub(super) id: KeyId,
    pub(super) fernet: Fernet,
    pub(super) mac: MacKey,
}

impl Key {
    /// # Errors
    /// [`Error::MalformedKey`] if the key is not 32 bytes of URL-safe base64.
    #[expect(
        clippy::disallowed_methods,
        reason = "the cipher is where the vault key is used"
    )]
    pub(super) fn new(key: &VaultKey, vault_id: Uuid) -> Result<Self, Error> {
        let encoded = key.expose_secret();
        let fernet = Fernet::new(encoded).ok_or(Error::MalformedKey)?;
        let digest = Sha256::digest(encoded.as_bytes());
        let id = digest[..8]
            .iter()
            .fold(String::with_capacity(16), |mut hex, byte| {
                // Writing to a String cannot fail.
                let _ = write!(hex, "{byte:02x}");
                hex
            });
        Ok(Self {
            id: KeyId(id),
            fernet,
            mac: MacKey::derive(encoded.as_bytes(), vault_id),
        })
    }
}

/// The key of fingerprints. It differs from the key of Fernet, so that neither
/// use reveals anything about the other.
#[expect(
    clippy::disallowed_methods,
    reason = "the cipher is where the vault key is used"
)]
pub(super) fn fingerprint_key(key: &VaultKey, vault_id: Uuid) -> Zeroizing<[u8; 32]> {
    let purpose = b"agent-authd fingerprint 1";
    let key = key.expose_secret().as_bytes();
    Zeroizing::new(mac(key, &[purpose, vault_id.as_bytes()]))
}

/// Prevents the page with the keys from being swapped out. No other page is
/// locked: all of them together exceed the usual limit of a process.
pub(super) fn keep_in_memory(keys: &[Key]) {
    let start = NonNull::from(keys).cast();
    #[expect(unsafe_code, reason = "no safe function calls mlock(2)")]
    // SAFETY: the range is that of a live allocation, and mlock(2) neither
    // reads nor writes what is in it.
    let locked = unsafe { nix::sys::mman::mlock(start, size_of_val(keys)) };
    if let Err(error) = locked {
        tracing::debug!(%error, "the vault's key may be swapped out");
    }
}
