//! Identifiers of what a request refers to. A malformed one is answered as an
//! unknown one is, not as a malformed request.

use crate::broker::{Error, Missing};
use crate::identity::{FlowId, ProviderId, TokenId};

/// A provider's.
///
/// # Errors
/// That there is no such provider.
pub fn provider(text: &str) -> Result<ProviderId, Error> {
    ProviderId::parse(text).ok_or_else(|| Missing::provider(text).into())
}

/// A token's.
///
/// # Errors
/// That there is no such token.
pub fn token(text: &str) -> Result<TokenId, Error> {
    TokenId::parse(text).ok_or_else(|| Missing::Token.into())
}

/// A flow's.
///
/// # Errors
/// `missing`.
pub fn flow(text: &str, missing: Missing) -> Result<FlowId, Error> {
    FlowId::parse(text).ok_or_else(|| missing.into())
}
