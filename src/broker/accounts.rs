//! Comparing the accounts of stored tokens: whether two are the same, and which one
//! is preferred.

use std::cmp::Reverse;

use crate::clock::Timestamp;
use crate::oauth;
use crate::token::{Account, Sameness, Token};

/// Compares a stored token's account with the one that a provider has named. A
/// token that was stored before accounts were kept is compared by its metadata.
pub(super) fn sameness(old: &Token, named: &Account<'_>) -> Sameness {
    let kept = match old.account_id {
        Some(_) => None,
        None => oauth::account_in(&old.metadata),
    };
    let account = Account {
        id: old.account_id.as_ref().or(kept.as_ref()),
        ..old.account()
    };
    account.compared_with(named)
}

/// The order in which tokens are preferred: the default first, then the most recently used, then the newest.
pub(super) fn preference(token: &Token) -> (bool, Reverse<Timestamp>, Reverse<Timestamp>) {
    (
        !token.is_default,
        Reverse(token.used_at.unwrap_or(token.created_at)),
        Reverse(token.created_at),
    )
}
