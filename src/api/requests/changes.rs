//! Requests that change what is stored: what is left out or null stays as it is.

use std::collections::BTreeMap;

use url::Url;

use super::providers::{parameters, secret};
use crate::api::validate::{
    FieldErrors, Fields, boolean, choice, client_id, endpoint, label, redirect_uris, text,
};
use crate::provider::Pkce;
use crate::secret::ClientSecret;

/// `PATCH /v2/auth/providers/{provider_id}`: what is `None` stays as it is.
///
/// Whether PKCE may be off depends on the client that is stored, and so is
/// not checked here.
#[derive(Clone, Debug, Default)]
pub struct ProviderUpdateRequest {
    /// What people call it.
    pub name: Option<String>,
    /// The client registered there.
    pub client_id: Option<String>,
    /// The client's secret; an empty one counts as left out.
    pub client_secret: Option<ClientSecret>,
    /// The authorization endpoint.
    pub auth_url: Option<Url>,
    /// The token endpoint.
    pub token_url: Option<Url>,
    /// Whether PKCE is on.
    pub uses_pkce: Option<bool>,
    /// The PKCE method; never [`Pkce::Off`].
    pub code_challenge_method: Option<Pkce>,
    /// Fixed parameters of the authorization request, no reserved one.
    pub authorization_params: Option<BTreeMap<String, String>>,
    /// Redirect addresses allowed beside loopback ones.
    pub allowed_redirect_uris: Option<Vec<String>>,
}

impl ProviderUpdateRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn from_json(body: &[u8]) -> Result<Self, FieldErrors> {
        let mut fields = Fields::body(body)?;
        let request = Self {
            name: fields.optional("name", label),
            client_id: fields.optional("client_id", client_id),
            client_secret: fields.optional("client_secret", text).and_then(secret),
            auth_url: fields.optional("auth_url", endpoint),
            token_url: fields.optional("token_url", endpoint),
            uses_pkce: fields.optional("uses_pkce", boolean),
            code_challenge_method: fields.optional("code_challenge_method", choice),
            authorization_params: fields.optional("authorization_params", parameters),
            allowed_redirect_uris: fields.optional("allowed_redirect_uris", redirect_uris),
        };
        fields.finish(|| Some(request))
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_update_leaves_out_or_makes_null_stays() {
        let request =
            ProviderUpdateRequest::from_json(br#"{"name": null, "uses_pkce": false}"#).unwrap();
        assert!(request.name.is_none() && request.auth_url.is_none());
        assert_eq!(request.uses_pkce, Some(false));
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
