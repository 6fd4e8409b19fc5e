//! Seals secrets for the vault's columns and opens them again.
//!
//! Fernet (AES-128-CBC and HMAC-SHA-256) has no associated data, so what is
//! encrypted is an envelope: a line that names the vault, owner, table, row
//! and column, then the secret. After decrypting, the line must be the one of
//! the place it was read from; a value copied to another row is refused.

use std::fmt::{self, Write as _};
use std::ptr::NonNull;

use fernet::Fernet;
use rusqlite::types::ValueRef;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Error;
use super::key::KeyRing;
use super::mac::{MacKey, Tag, mac};
use crate::clock::Timestamp;
use crate::identity::Owner;
use crate::secret::{ExposeSecret, VaultKey};

/// Marks the envelope's form, so that another one can follow.
const ENVELOPE: &str = "agent-authd vault 1";

/// What a key-check row of a vault held, sealed, before rows carried codes.
const CHECK_TEXT: &str = "the key of this vault";

/// What it holds once every row carries one.
const AUTHENTICATED_TEXT: &str = "the key of this vault, whose rows are authenticated";

/// A short public name of a key: half of its SHA-256, which tells nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct KeyId(pub(super) String);

/// Where a sealed value lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct SealContext<'a> {
    pub(super) owner: Owner,
    pub(super) table: &'static str,
    pub(super) row: &'a str,
    pub(super) column: &'static str,
}

/// What a key-check row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyCheck {
    /// The key is this vault's.
    OfKey,
    /// The same, and that every row carries its code.
    OfKeyAndRows,
}

/// A key with its name, and what is derived from it.
struct Key {
    id: KeyId,
    fernet: Fernet,
    mac: MacKey,
}

/// Seals with the primary key and opens with the key a row names.
pub(super) struct Cipher {
    vault_id: Uuid,
    /// The primary key first. On the heap, so that moving the cipher leaves no
    /// copy of a key behind; Fernet wipes its own when dropped.
    keys: Box<[Key]>,
    /// The key of fingerprints, derived from the primary key.
    fingerprint_key: Zeroizing<[u8; 32]>,
}

impl Cipher {
    /// A cipher for one vault. The ring's first key is the primary one.
    ///
    /// # Errors
    /// [`Error::MalformedKey`] if a key is not 32 bytes of URL-safe base64.
    pub(super) fn new(vault_id: Uuid, ring: &KeyRing) -> Result<Self, Error> {
        let keys: Result<Box<[_]>, _> =
            ring.keys().iter().map(|key| keyed(key, vault_id)).collect();
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

    /// The key that new values are sealed with.
    pub(super) fn key_id(&self) -> &KeyId {
        &self.keys[0].id
    }

    /// The vault whose values it seals.
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

    /// The code of a row that the key of that name authenticates; `None` if
    /// that key is not known.
    pub(super) fn tag_row<'a>(
        &self,
        key_id: &str,
        table: &str,
        values: impl Iterator<Item = ValueRef<'a>>,
    ) -> Option<Tag> {
        self.key(key_id).map(|key| key.mac.tag(table, values))
    }

    /// Whether `tag` is the code of that row.
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

    /// Seals `secret` for `place`. `now` is only written down: nothing
    /// expires by it.
    #[expect(
        clippy::disallowed_methods,
        reason = "the cipher is where a secret becomes ciphertext"
    )]
    pub(super) fn seal(
        &self,
        place: SealContext<'_>,
        secret: &impl ExposeSecret<str>,
        now: Timestamp,
    ) -> String {
        encrypt(
            &self.keys[0].fernet,
            &self.envelope(place),
            secret.expose_secret(),
            now,
        )
    }

    /// Opens what [`Self::seal`] sealed for the same place.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the value was damaged, sealed with another key,
    /// or sealed for another place.
    pub(super) fn open(
        &self,
        place: SealContext<'_>,
        key_id: &str,
        sealed: &str,
    ) -> Result<String, Error> {
        let corrupt = || Error::Corrupt {
            what: format!("{}.{} of row {}", place.table, place.column, place.row),
        };
        let key = self.key(key_id).ok_or_else(corrupt)?;
        decrypt(&key.fernet, &self.envelope(place), sealed).ok_or_else(corrupt)
    }

    /// What an owner's secret is found by without being opened: HMAC-SHA-256
    /// with a key that is derived from the vault's primary key. Without that
    /// key it neither shows the secret nor confirms a guess.
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

    /// A value for the key-check row of a key, which says that every row
    /// carries its code; `None` if that key is not known.
    pub(super) fn check_value(&self, key_id: &str, now: Timestamp) -> Option<String> {
        let key = self.key(key_id)?;
        let envelope = self.check_envelope();
        Some(encrypt(&key.fernet, &envelope, AUTHENTICATED_TEXT, now))
    }

    /// What a key-check row proves; `None` if it was not made with the key it
    /// names, for this vault.
    pub(super) fn proof(&self, key_id: &str, check_value: &str) -> Option<KeyCheck> {
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

    fn envelope(&self, place: SealContext<'_>) -> String {
        let SealContext {
            owner,
            table,
            row,
            column,
        } = place;
        // Debug-quoting keeps a row's name from looking like two fields.
        format!(
            "{ENVELOPE} {} {owner} {table} {row:?} {column}\n",
            self.vault_id
        )
    }
}

fn encrypt(key: &Fernet, envelope: &str, text: &str, now: Timestamp) -> String {
    let plain = Zeroizing::new([envelope, text].concat());
    // Fernet's clock starts in 1970; a machine whose clock is earlier still seals.
    let seconds = u64::try_from(now.as_seconds()).unwrap_or(0);
    key.encrypt_at_time(plain.as_bytes(), seconds)
}

/// A keyed hash of a secret.
pub(super) type Fingerprint = [u8; 32];

/// The key of fingerprints: another one than Fernet's, so that neither use of
/// the vault's key says anything about the other.
#[expect(
    clippy::disallowed_methods,
    reason = "the cipher is where the vault key is used"
)]
fn fingerprint_key(key: &VaultKey, vault_id: Uuid) -> Zeroizing<[u8; 32]> {
    let purpose = b"agent-authd fingerprint 1";
    let key = key.expose_secret().as_bytes();
    Zeroizing::new(mac(key, &[purpose, vault_id.as_bytes()]))
}

/// Keeps the page with the keys from being swapped out. Their page alone:
/// locking all memory would exceed the usual limit of a process.
fn keep_in_memory(keys: &[Key]) {
    let start = NonNull::from(keys).cast();
    #[expect(unsafe_code, reason = "mlock(2) has no safe face")]
    // SAFETY: the range is that of a live allocation, and mlock(2) neither
    // reads nor writes what is in it.
    let locked = unsafe { nix::sys::mman::mlock(start, size_of_val(keys)) };
    if let Err(error) = locked {
        tracing::debug!(%error, "the vault's key may be swapped out");
    }
}

/// A key with its name.
#[expect(
    clippy::disallowed_methods,
    reason = "the cipher is where the vault key is used"
)]
fn keyed(key: &VaultKey, vault_id: Uuid) -> Result<Key, Error> {
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
    Ok(Key {
        id: KeyId(id),
        fernet,
        mac: MacKey::derive(encoded.as_bytes(), vault_id),
    })
}

fn decrypt(key: &Fernet, envelope: &str, sealed: &str) -> Option<String> {
    // No TTL, and a "now" that is later than any timestamp: without it
    // Fernet refuses what it thinks was sealed in the future, and a
    // corrected clock would make the whole vault look corrupt.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::AccessToken;

    fn cipher(vault: u128, key: &str) -> Cipher {
        Cipher::new(
            Uuid::from_u128(vault),
            &KeyRing::parse(key, "here").unwrap(),
        )
        .unwrap()
    }

    fn place(row: &str) -> SealContext<'_> {
        SealContext {
            owner: Owner::from_uid(1000).unwrap(),
            table: "tokens",
            row,
            column: "access_token",
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }

    #[test]
    fn what_was_sealed_opens_at_its_place_alone() {
        let cipher = cipher(1, &Fernet::generate_key());
        let key_id = cipher.key_id().0.clone();
        let sealed = cipher.seal(place("a"), &AccessToken::new("hush"), now());
        assert!(!sealed.contains("hush"));
        assert_eq!(cipher.open(place("a"), &key_id, &sealed).unwrap(), "hush");
        let elsewhere = [
            place("b"),
            SealContext {
                column: "refresh_token",
                ..place("a")
            },
            SealContext {
                table: "flows",
                ..place("a")
            },
            SealContext {
                owner: Owner::from_uid(1001).unwrap(),
                ..place("a")
            },
        ];
        for wrong in elsewhere {
            assert!(
                matches!(
                    cipher.open(wrong, &key_id, &sealed),
                    Err(Error::Corrupt { .. })
                ),
                "{wrong:?}"
            );
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_keys_page_is_locked_in_memory() {
        let _cipher = cipher(1, &Fernet::generate_key());
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let locked = status.lines().find(|line| line.starts_with("VmLck:"));
        assert_ne!(locked.unwrap().split_whitespace().nth(1), Some("0"));
    }

    #[test]
    fn another_vault_or_key_opens_nothing() {
        let key = Fernet::generate_key();
        let ours = cipher(1, &key);
        let sealed = ours.seal(place("a"), &AccessToken::new("hush"), now());
        let other_vault = cipher(2, &key);
        assert!(
            other_vault
                .open(place("a"), &other_vault.key_id().0, &sealed)
                .is_err()
        );
        let other_key = cipher(1, &Fernet::generate_key());
        assert!(
            other_key
                .open(place("a"), &other_key.key_id().0, &sealed)
                .is_err()
        );
        let key_id = &ours.key_id().0;
        let check = ours.check_value(key_id, now()).unwrap();
        assert_eq!(other_key.proof(&other_key.key_id().0, &check), None);
        assert_eq!(ours.proof(key_id, &check), Some(KeyCheck::OfKeyAndRows));
    }

    #[test]
    fn what_an_older_key_sealed_opens_with_the_key_it_names() {
        let (old, new) = (Fernet::generate_key(), Fernet::generate_key());
        let before = cipher(1, &old);
        let sealed = before.seal(place("a"), &AccessToken::new("hush"), now());
        let both = cipher(1, &format!("{new}\n{old}"));
        assert_eq!(both.key_id(), cipher(1, &new).key_id());
        let old_id = &before.key_id().0;
        assert_eq!(both.open(place("a"), old_id, &sealed).unwrap(), "hush");
        assert!(both.open(place("a"), &both.key_id().0, &sealed).is_err());
    }

    #[test]
    fn a_fingerprint_is_the_same_for_one_secret_owner_vault_and_key_alone() {
        let (key, other_key) = (Fernet::generate_key(), Fernet::generate_key());
        let [one, other] = [1000, 1001].map(|uid| Owner::from_uid(uid).unwrap());
        let token = AccessToken::new("hush");
        let expected = cipher(1, &key).fingerprint(one, &token);
        assert_eq!(cipher(1, &key).fingerprint(one, &token), expected);
        assert_ne!(cipher(1, &key).fingerprint(other, &token), expected);
        assert_ne!(cipher(2, &key).fingerprint(one, &token), expected);
        assert_ne!(cipher(1, &other_key).fingerprint(one, &token), expected);
        let another = AccessToken::new("hush!");
        assert_ne!(cipher(1, &key).fingerprint(one, &another), expected);
    }

    #[test]
    fn any_clock_seals_and_opens() {
        let cipher = cipher(1, &Fernet::generate_key());
        for millis in [i64::MIN, -1, 0, i64::MAX] {
            let at = Timestamp::from_millis(millis);
            let sealed = cipher.seal(place("a"), &AccessToken::new("hush"), at);
            assert_eq!(
                cipher
                    .open(place("a"), &cipher.key_id().0, &sealed)
                    .unwrap(),
                "hush"
            );
        }
    }

    #[test]
    fn a_damaged_value_is_refused() {
        let cipher = cipher(1, &Fernet::generate_key());
        let sealed = cipher.seal(place("a"), &AccessToken::new("hush"), now());
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone().into_bytes();
            damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
            let damaged = String::from_utf8(damaged).unwrap();
            // The last character of base64 may carry bits that nobody reads.
            let same = cipher
                .open(place("a"), &cipher.key_id().0, &damaged)
                .is_ok();
            assert!(!same || at > sealed.len() - 4, "byte {at}");
        }
    }
}
