//! What a completed login leaves to ask. (Not in the contract.)

use serde::{Deserialize, Serialize};

use crate::token::Token;

/// The reply of `GET` and `POST /v2/auth/flows/{auth_id}/follow-up`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUpResponse {
    /// Whether a person is asked if the account of the login is the one to renew.
    pub asks_same_account: bool,
    /// Whether it is, by the provider's data or a person's answer.
    pub same_account: Option<bool>,
    /// The token to renew, if the login was stored as another one.
    pub previous: Option<FollowUpToken>,
    /// The token with the grant of the login.
    pub current: FollowUpToken,
}

/// A stored token, and its account if known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUpToken {
    /// The token.
    pub token_id: String,
    /// The name of the account for people.
    pub provider_account_label: Option<String>,
    /// The issuer of `subject` (OpenID Connect Core, section 2); `None` if the
    /// identifier is specific to the provider.
    pub issuer: Option<String>,
    /// The provider's identifier of the account.
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
