//! Commands about stored tokens.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::identity::{ProviderId, Scopes, TokenId, UserId};
use crate::secret::{AccessToken, RefreshToken};

/// Stores a token that was obtained elsewhere.
#[derive(Clone, Debug)]
pub struct ImportToken {
    /// The provider.
    pub provider_id: ProviderId,
    /// The token.
    pub token: ImportedToken,
    /// Whether it becomes the default.
    pub is_default: bool,
}

/// A token that was obtained elsewhere.
#[derive(Clone, Debug)]
pub struct ImportedToken {
    /// The access token, not empty.
    pub access_token: AccessToken,
    /// The refresh token, not empty.
    pub refresh_token: Option<RefreshToken>,
    /// The access token's life from now; `None` if it does not expire.
    pub expires_in: Option<Duration>,
    /// The scopes granted.
    pub scopes: Scopes,
    /// For whom it speaks; `None` for the owner's login name.
    pub user_id: Option<UserId>,
    /// What to store with it: without members that carry a credential, since
    /// metadata is stored and handed out in clear.
    pub metadata: Map<String, Value>,
}

/// Changes what a person decides of a token; what is `None` stays as it is.
#[derive(Clone, Debug)]
pub struct UpdateToken {
    /// The token.
    pub token_id: TokenId,
    /// What a person calls the account; an empty text gives it back the
    /// provider's name.
    pub label: Option<String>,
    /// Whether it is the default.
    pub is_default: Option<bool>,
}

/// A stored row that is to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowName<Id> {
    /// By its identifier.
    Id(Id),
    /// By the text that is stored in the place of a damaged identifier.
    Damaged(String),
}

impl<Id> RowName<Id> {
    /// The row that `text` names, which `parse` reads as an identifier.
    pub fn new(text: &str, parse: impl FnOnce(&str) -> Option<Id>) -> Self {
        parse(text).map_or_else(|| Self::Damaged(text.to_owned()), Self::Id)
    }
}
