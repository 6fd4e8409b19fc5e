//! Parses identifiers of existing objects. A malformed identifier is reported like an
//! unknown one, not as a validation error.

use crate::broker::{Error, Missing};
use crate::identity::{FlowId, ProviderId, TokenId};

/// Parses the identifier of a provider.
///
/// # Errors
/// The provider does not exist.
pub fn provider(text: &str) -> Result<ProviderId, Error> {
    ProviderId::parse(text).ok_or_else(|| Missing::provider(text).into())
}

/// Parses the identifier of a token.
///
/// # Errors
/// The token does not exist.
pub fn token(text: &str) -> Result<TokenId, Error> {
    TokenId::parse(text).ok_or_else(|| Missing::Token.into())
}

/// Parses the identifier of a flow.
///
/// # Errors
/// The error that `missing` returns.
pub fn flow(text: &str, missing: Missing) -> Result<FlowId, Error> {
    FlowId::parse(text).ok_or_else(|| missing.into())
}
