//! Serializes access tokens for permitted peers, and deserializes them in the
//! client.

use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

use crate::secret::{AccessToken, ExposeSecret as _};

/// Serializes the token in plain text.
#[expect(
    clippy::disallowed_methods,
    reason = "the reply to a peer that may have this token"
)]
#[expect(
    clippy::ref_option,
    reason = "serde hands over a reference to the field"
)]
pub(super) fn serialize<S: Serializer>(
    token: &Option<AccessToken>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    token
        .as_ref()
        .map(|token| token.expose_secret())
        .serialize(serializer)
}

/// Deserializes the token to its secret type.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<AccessToken>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(AccessToken::new))
}
