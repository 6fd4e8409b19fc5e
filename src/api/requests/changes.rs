//! Requests that change what is stored: what is left out or null stays as it is.

use super::providers::{parameters, secret};
use crate::api::validate::{
    FieldErrors, Fields, boolean, choice, client_id, endpoint, label, redirect_uris, text,
};
use crate::broker::commands::{UpdateProvider, UpdateToken};
use crate::identity::{ProviderId, TokenId};
use crate::provider::Changes;

/// `PATCH /v2/auth/providers/{provider_id}`: what is `None` stays as it is.
///
/// Whether PKCE may be off depends on the client that is stored, and so is
/// not checked here.
#[derive(Clone, Debug, Default)]
pub struct ProviderUpdateRequest {
    /// What the body says; an empty secret counts as left out.
    pub changes: Changes,
}

impl ProviderUpdateRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn from_json(body: &[u8]) -> Result<Self, FieldErrors> {
        let mut fields = Fields::body(body)?;
        let changes = Changes {
            name: fields.optional("name", label),
            client_id: fields.optional("client_id", client_id),
            client_secret: fields.optional("client_secret", text).and_then(secret),
            auth_url: fields.optional("auth_url", endpoint),
            token_url: fields.optional("token_url", endpoint),
            uses_pkce: fields.optional("uses_pkce", boolean),
            pkce_method: fields.optional("code_challenge_method", choice),
            authorization_params: fields.optional("authorization_params", parameters),
            allowed_redirect_uris: fields.optional("allowed_redirect_uris", redirect_uris),
        };
        fields.finish(|| Some(Self { changes }))
    }

    /// The command for the provider that the path names.
    #[must_use]
    pub fn into_command(self, provider_id: ProviderId) -> UpdateProvider {
        UpdateProvider {
            provider_id,
            changes: self.changes,
        }
    }
}

/// `PATCH /v2/auth/tokens/{token_id}/metadata`: what is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct TokenUpdateRequest {
    /// What a person calls the account.
    pub provider_account_label: Option<String>,
    /// Whether it is the default.
    pub is_default: Option<bool>,
}

impl TokenUpdateRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn from_json(body: &[u8]) -> Result<Self, FieldErrors> {
        let mut fields = Fields::body(body)?;
        let request = Self {
            provider_account_label: fields.optional("provider_account_label", label),
            is_default: fields.optional("is_default", boolean),
        };
        fields.finish(|| Some(request))
    }

    /// The command for the token that the path names.
    #[must_use]
    pub fn into_command(self, token_id: TokenId) -> UpdateToken {
        UpdateToken {
            token_id,
            label: self.provider_account_label,
            is_default: self.is_default,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_update_leaves_out_or_makes_null_stays() {
        let request = ProviderUpdateRequest::from_json(br#"{"name": null, "uses_pkce": false}"#);
        let changes = request.unwrap().changes;
        assert!(changes.name.is_none() && changes.auth_url.is_none());
        assert_eq!(changes.uses_pkce, Some(false));
    }

    #[test]
    fn a_change_of_nothing_is_a_change() {
        let request = TokenUpdateRequest::from_json(br#"{"is_default": null}"#).unwrap();
        assert_eq!(
            (request.provider_account_label, request.is_default),
            (None, None)
        );
    }
}
