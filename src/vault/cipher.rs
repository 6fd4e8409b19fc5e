//! Seals secrets for the vault's columns and opens them.
//!
//! Fernet (AES-128-CBC and HMAC-SHA-256) has no associated data. So the
//! plaintext is an envelope: a line that names the vault, owner, table, row and
//! column, then the secret. After decryption the line must name the place that
//! the value was read from. A value that was copied to another row is refused.

mod keys;
#[cfg(test)]
mod tests;

use std::fmt;

use fernet::Fernet;
use rusqlite::types::ValueRef;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Error;
use super::key::KeyRing;
use super::mac::{Tag, mac};
use crate::clock::Timestamp;
use crate::identity::Owner;
use crate::secret::ExposeSecret;

pub(super) use self::keys::KeyId;

use self::keys::{Key, fingerprint_key, keep_in_memory};

/// The version of the envelope.
const ENVELOPE: &str = "agent-authd vault 1";

/// The sealed text of a key check while rows may lack authentication codes.
const CHECK_TEXT: &str = "the key of this vault";

/// The sealed text of a key check once every row has an authentication code.
const AUTHENTICATED_TEXT: &str = "the key of this vault, whose rows are authenticated";

/// A keyed hash of a secret.
pub(super) type Fingerprint = [u8; 32];

/// What a sealed value is bound to: a column of an owner's row.
#[derive(Clone, Copy, Debug)]
pub(super) struct SealContext<'a> {
    pub(super) owner: Owner,
    pub(super) table: &'static str,
    pub(super) row: &'a str,
    pub(super) column: &'static str,
}

/// What a key check proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyCheck {
    /// The key belongs to this vault.
    OfKey,
    /// The key belongs to this vault, and every row has its authentication code.
    OfKeyAndRows,
}

/// Seals with the primary key and opens with the key that a row names.
pub(super) struct Cipher {
    vault_id: Uuid,
    /// The primary key first. They are on the heap, so that moving the cipher
    /// leaves no copy of a key behind. Fernet wipes its key when dropped.
    keys: Box<[Key]>,
    /// The key of fingerprints, derived from the primary key.
    fingerprint_key: Zeroizing<[u8; 32]>,
}

impl Cipher {
    /// A cipher for one vault. The first key of the ring is the primary key.
    ///
    /// # Errors
    /// [`Error::MalformedKey`] if a key is not 32 bytes of URL-safe base64.
    pub(super) fn new(vault_id: Uuid, ring: &KeyRing) -> Result<Self, Error> {
        let keys: Result<Box<[_]>, _> = ring
            .keys()
            .iter()
            .map(|key| Key::new(key, vault_id))
            .collect();
        let keys = keys?;
        keep_in_memory(&keys);
        let primary = ring.keys().first().ok_or(Error::MalformedKey)?;
        let fingerprint_key = fingerprint_key(primary, vault_id);
        Ok(Self {
            vault_id,
            keys,
            fingerprint_key,
        })
    }

    /// The name of the primary key, which seals new values.
    pub(super) fn key_id(&self) -> &KeyId {
        &self.keys[0].id
    }

    /// The identifier of the vault.
    pub(super) fn vault_id(&self) -> Uuid {
        self.vault_id
    }

    /// Whether the ring has a key of that name.
    pub(super) fn knows(&self, key_id: &str) -> bool {
        self.key(key_id).is_some()
    }

    fn key(&self, key_id: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.id.0 == key_id)
    }

    /// The authentication code of a row, made with the named key; `None` if that
    /// key is unknown.
    pub(super) fn tag_row<'a>(
        &self,
        key_id: &str,
        table: &str,
        values: impl Iterator<Item = ValueRef<'a>>,
    ) -> Option<Tag> {
        self.key(key_id).map(|key| key.mac.tag(table, values))
    }

    /// Whether `tag` is the authentication code of a row, made with the named key.
    pub(super) fn verifies_row<'a>(
        &self,
        key_id: &str,
        tag: &[u8],
        table: &str,
        values: impl Iterator<Item = ValueRef<'a>>,
    ) -> bool {
        self.key(key_id)
            .is_some_and(|key| key.mac.verifies(tag, table, values))
    }

    /// Seals `secret` for `context`. `now` becomes the timestamp of the Fernet token;
    /// no expiry is derived from it.
    #[expect(
        clippy::disallowed_methods,
        reason = "the cipher is where a secret becomes ciphertext"
    )]
    pub(super) fn seal(
        &self,
        context: SealContext<'_>,
        secret: &impl ExposeSecret<str>,
        now: Timestamp,
    ) -> String {
        encrypt(
            &self.keys[0].fernet,
            &self.envelope(context),
            secret.expose_secret(),
            now,
        )
    }

    /// Opens what [`Self::seal`] sealed for the same context.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the value was damaged, sealed with another key,
    /// or sealed for another context.
    pub(super) fn open(
        &self,
        context: SealContext<'_>,
        key_id: &str,
        sealed: &str,
    ) -> Result<String, Error> {
        let corrupt = || Error::Corrupt {
            what: format!(
                "{}.{} of row {}",
                context.table, context.column, context.row
            ),
        };
        let key = self.key(key_id).ok_or_else(corrupt)?;
        decrypt(&key.fernet, &self.envelope(context), sealed).ok_or_else(corrupt)
    }

    /// The fingerprint of an owner's secret, by which its row is found without
    /// opening any: HMAC-SHA-256 with a key that is derived from the vault's
    /// primary key. Without that key, a fingerprint neither reveals the secret nor
    /// confirms a guess.
    #[expect(
        clippy::disallowed_methods,
        reason = "the cipher is where a secret becomes its keyed hash"
    )]
    pub(super) fn fingerprint(&self, owner: Owner, secret: &impl ExposeSecret<str>) -> Fingerprint {
        let secret = secret.expose_secret().as_bytes();
        mac(
            &*self.fingerprint_key,
            &[&owner.uid().to_be_bytes(), secret],
        )
    }

    /// A key check of the named key, which says that every row has its
    /// authentication code; `None` if that key is unknown.
    pub(super) fn check_value(&self, key_id: &str, now: Timestamp) -> Option<String> {
        let key = self.key(key_id)?;
        let envelope = self.check_envelope();
        Some(encrypt(&key.fernet, &envelope, AUTHENTICATED_TEXT, now))
    }

    /// What a key check proves; `None` if it was not made with the named key for
    /// this vault.
    pub(super) fn verify_check(&self, key_id: &str, check_value: &str) -> Option<KeyCheck> {
        let key = self.key(key_id)?;
        match decrypt(&key.fernet, &self.check_envelope(), check_value)?.as_str() {
            CHECK_TEXT => Some(KeyCheck::OfKey),
            AUTHENTICATED_TEXT => Some(KeyCheck::OfKeyAndRows),
            _ => None,
        }
    }

    fn check_envelope(&self) -> String {
        format!("{ENVELOPE} {} check\n", self.vault_id)
    }

    fn envelope(&self, context: SealContext<'_>) -> String {
        let SealContext {
            owner,
            table,
            row,
            column,
        } = context;
        // Quoted, so that a row's name with a blank is one field.
        format!(
            "{ENVELOPE} {} {owner} {table} {row:?} {column}\n",
            self.vault_id
        )
    }
}

fn encrypt(key: &Fernet, envelope: &str, text: &str, now: Timestamp) -> String {
    let plain = Zeroizing::new([envelope, text].concat());
    // Fernet's timestamps start in 1970; an earlier clock must not prevent sealing.
    let seconds = u64::try_from(now.as_seconds()).unwrap_or(0);
    key.encrypt_at_time(plain.as_bytes(), seconds)
}

fn decrypt(key: &Fernet, envelope: &str, sealed: &str) -> Option<String> {
    // No TTL, and a `now` later than any timestamp: Fernet refuses timestamps in
    // the future, so a clock that was corrected backwards would make the vault
    // unreadable.
    let plain = key.decrypt_at_time(sealed, None, i64::MAX as u64).ok()?;
    let plain = Zeroizing::new(plain);
    let secret = plain.strip_prefix(envelope.as_bytes())?;
    std::str::from_utf8(secret).ok().map(str::to_owned)
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cipher({})", self.key_id().0)
    }
}
