//! Whether a stored token is for the account that a provider has named now.

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
