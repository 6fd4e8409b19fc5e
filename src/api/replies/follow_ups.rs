//! What a completed login leaves to ask. (Beside the contract.)

use serde::{Deserialize, Serialize};

use crate::token::Token;

/// The reply of `GET` and `POST /v2/auth/flows/{auth_id}/follow-up`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUpResponse {
    /// Whether a person is asked if the login came back with the account that was
    /// to be renewed.
    pub asks_same_account: bool,
    /// Whether it did, as the provider or a person said.
    pub same_account: Option<bool>,
    /// The token that was to be renewed, where the login is stored beside it.
    pub previous: Option<FollowUpToken>,
    /// The token that holds what the login brought.
    pub current: FollowUpToken,
}

/// A stored token and its account, as far as that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUpToken {
    /// The token.
    pub token_id: String,
    /// What a person calls the account.
    pub provider_account_label: Option<String>,
    /// The issuer of `subject` (OpenID Connect Core, section 2); `None` where the
    /// identifier is the provider's own.
    pub issuer: Option<String>,
    /// The account's identifier at its provider.
    pub subject: Option<String>,
    /// Whether it is the default of its owner, provider, user and agent.
    pub is_default: bool,
}

impl From<&Token> for FollowUpToken {
    fn from(token: &Token) -> Self {
        let account = token.account_id.clone();
        let (issuer, subject) = account.map_or((None, None), |id| (id.issuer, Some(id.subject)));
        Self {
            token_id: token.id.to_string(),
            provider_account_label: token.label().map(str::to_owned),
            issuer,
            subject,
            is_default: token.is_default,
        }
    }
}
