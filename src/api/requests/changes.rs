//! Requests that change stored data. Absent and `null` members change nothing.

use super::providers::{parameters, secret};
use crate::api::validate::{
    FieldErrors, Fields, boolean, choice, client_id, endpoint, label, redirect_uris, text,
};
use crate::broker::commands::{UpdateProvider, UpdateToken};
use crate::identity::{ProviderId, TokenId};
use crate::provider::Changes;

/// `PATCH /v2/auth/providers/{provider_id}`. `None` changes nothing.
///
/// Whether PKCE may be off depends on the stored client, so it is not checked here.
#[derive(Clone, Debug, Default)]
pub struct ProviderUpdateRequest {
    /// The changes. An empty secret counts as absent.
    pub changes: Changes,
}

impl ProviderUpdateRequest {
    /// Parses the body.
    ///
    /// # Errors
    /// All validation errors.
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

/// `PATCH /v2/auth/tokens/{token_id}/metadata`. `None` changes nothing.
#[derive(Clone, Debug, Default)]
pub struct TokenUpdateRequest {
    /// The name of the account for people.
    pub provider_account_label: Option<String>,
    /// Whether it is the default.
    pub is_default: Option<bool>,
}

impl TokenUpdateRequest {
    /// Parses the body.
    ///
    /// # Errors
    /// All validation errors.
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
    fn absent_and_null_members_of_an_update_change_nothing() {
        let request = ProviderUpdateRequest::from_json(br#"{"name": null, "uses_pkce": false}"#);
        let changes = request.unwrap().changes;
        assert!(changes.name.is_none() && changes.auth_url.is_none());
        assert_eq!(changes.uses_pkce, Some(false));
    }

    #[test]
    fn an_empty_update_is_accepted() {
        let request = TokenUpdateRequest::from_json(br#"{"is_default": null}"#).unwrap();
        assert_eq!(
            (request.provider_account_label, request.is_default),
            (None, None)
        );
    }
}
