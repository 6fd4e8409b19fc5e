//! Message authentication codes over the columns of a row.
//!
//! HMAC-SHA-256 (RFC 2104). Its key is derived from the vault's key by HMAC
//! with a label and the vault's identifier, so that it has no other use.

use hmac::{Hmac, Mac as _};
use rusqlite::types::ValueRef;
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

/// The purpose of the derived key, and the version of the encoding.
const LABEL: &[u8] = b"agent-authd row authentication 1";

/// A code, 32 bytes.
pub(super) type Tag = [u8; 32];

/// The key of the codes. It is wiped when dropped.
pub(super) struct MacKey(Zeroizing<Tag>);

impl MacKey {
    /// Derives the key from a vault's key.
    pub(super) fn derive(vault_key: &[u8], vault_id: Uuid) -> Self {
        Self(Zeroizing::new(mac(
            vault_key,
            &[LABEL, vault_id.as_bytes()],
        )))
    }

    /// The code of a row of `table` with these values.
    pub(super) fn tag<'a>(&self, table: &str, values: impl Iterator<Item = ValueRef<'a>>) -> Tag {
        self.over(table, values).finalize().into_bytes().into()
    }

    /// Whether `tag` is the code of that row, compared in constant time.
    pub(super) fn verifies<'a>(
        &self,
        tag: &[u8],
        table: &str,
        values: impl Iterator<Item = ValueRef<'a>>,
    ) -> bool {
        self.over(table, values).verify_slice(tag).is_ok()
    }

    fn over<'a>(&self, table: &str, values: impl Iterator<Item = ValueRef<'a>>) -> Hmac<Sha256> {
        let mut mac = keyed(self.0.as_ref());
        add(&mut mac, b't', table.as_bytes());
        for value in values {
            match value {
                ValueRef::Null => add(&mut mac, b'n', &[]),
                ValueRef::Integer(number) => add(&mut mac, b'i', &number.to_be_bytes()),
                ValueRef::Real(number) => add(&mut mac, b'r', &number.to_be_bytes()),
                ValueRef::Text(text) => add(&mut mac, b's', text),
                ValueRef::Blob(bytes) => add(&mut mac, b'b', bytes),
            }
        }
        mac
    }
}

/// Adds a value with its type and length, so that different rows have different
/// encodings.
fn add(mac: &mut Hmac<Sha256>, kind: u8, bytes: &[u8]) {
    mac.update(&[kind]);
    mac.update(&(bytes.len() as u64).to_be_bytes());
    mac.update(bytes);
}

/// The code of a sequence of byte strings. All but the last have a fixed
/// length.
pub(super) fn mac(key: &[u8], parts: &[&[u8]]) -> Tag {
    let mut mac = keyed(key);
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(vault: u128, table: &str, values: &[ValueRef<'_>]) -> Tag {
        let key = MacKey::derive(b"key", Uuid::from_u128(vault));
        key.tag(table, values.iter().copied())
    }

    #[test]
    fn a_code_depends_on_the_vault_the_table_and_the_values() {
        let (a, b) = (ValueRef::Text(b"a"), ValueRef::Text(b"b"));
        let tags = [
            tag(1, "tokens", &[a, b]),
            tag(2, "tokens", &[a, b]),
            tag(1, "flows", &[a, b]),
            tag(1, "tokens", &[b, a]),
            tag(1, "tokens", &[ValueRef::Text(b"ab")]),
            tag(1, "tokens", &[a, b, ValueRef::Null]),
            tag(1, "tokens", &[a, ValueRef::Blob(b"b")]),
        ];
        for (index, tag) in tags.iter().enumerate() {
            assert!(!tags[..index].contains(tag), "{index}");
        }
    }
}
