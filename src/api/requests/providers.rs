//! Requests that create providers.

use std::collections::BTreeMap;

use url::Url;

use crate::api::validate::{
    FieldErrors, FieldValue, Fields, Problem, boolean, choice, client_id, endpoint, label,
    provider_id, redirect_uris, text, text_map,
};
use crate::broker::commands::DiscoverProvider;
use crate::identity::ProviderId;
use crate::provider::{AuthMethod, ClientRule, Definition, check_parameter_name};
use crate::secret::ClientSecret;

/// `POST /v2/auth/providers`.
#[derive(Clone, Debug)]
pub struct ProviderCreateRequest {
    /// The definition. An empty secret counts as absent.
    pub definition: Definition,
}

impl ProviderCreateRequest {
    /// Parses the body.
    ///
    /// # Errors
    /// All validation errors.
    pub fn from_json(body: &[u8]) -> Result<Self, FieldErrors> {
        let mut fields = Fields::body(body)?;
        let provider_id = fields.required("provider_id", provider_id);
        let name = fields.required("name", label);
        let client_id = fields.required("client_id", client_id);
        let client_secret = fields.optional("client_secret", text).and_then(secret);
        let auth_url = fields.required("auth_url", endpoint);
        let token_url = fields.required("token_url", endpoint);
        let uses_pkce = fields.non_null("uses_pkce", boolean);
        let pkce_method = fields.non_null("code_challenge_method", choice);
        let kind = fields.optional("provider_type", choice);
        let auth_method = fields.non_null("token_endpoint_auth_method", choice);
        let authorization_params =
            fields.with_default("authorization_params", parameters, BTreeMap::new());
        let allowed_redirect_uris =
            fields.with_default("allowed_redirect_uris", redirect_uris, Vec::new());
        let has_secret = client_secret.is_some() || fields.is_refused("client_secret");
        check_client(&mut fields, has_secret, auth_method, uses_pkce);
        let definition = || {
            Some(Definition {
                provider_id: provider_id?,
                name: name?,
                client_id: client_id?,
                client_secret,
                auth_url: auth_url?,
                token_url: token_url?,
                uses_pkce,
                pkce_method,
                kind,
                auth_method,
                authorization_params,
                allowed_redirect_uris,
            })
        };
        fields.finish(|| definition().map(|definition| Self { definition }))
    }
}

/// Checks the rules for the client secret, the authentication method and PKCE.
fn check_client(
    fields: &mut Fields,
    has_secret: bool,
    auth_method: Option<AuthMethod>,
    uses_pkce: Option<bool>,
) {
    for rule in ClientRule::broken_by(has_secret, auth_method, uses_pkce) {
        fields.refuse(field_of_rule(rule), Problem::rule(&rule.to_string()));
    }
}

/// The field whose value violates a rule.
#[must_use]
pub fn field_of_rule(rule: ClientRule) -> &'static str {
    match rule {
        ClientRule::MethodNeedsSecret => "token_endpoint_auth_method",
        ClientRule::PublicClientNeedsPkce => "uses_pkce",
    }
}

/// `POST /v2/auth/providers/mcp-discover`.
#[derive(Clone, Debug)]
pub struct McpProviderCreateRequest {
    /// Its identifier.
    pub provider_id: ProviderId,
    /// Its name for people.
    pub name: String,
    /// The URL of the MCP server.
    pub mcp_server_url: Url,
}

impl McpProviderCreateRequest {
    /// Parses the body.
    ///
    /// # Errors
    /// All validation errors.
    pub fn from_json(body: &[u8]) -> Result<Self, FieldErrors> {
        let mut fields = Fields::body(body)?;
        let provider_id = fields.required("provider_id", provider_id);
        let name = fields.required("name", label);
        let mcp_server_url = fields.required("mcp_server_url", endpoint);
        fields.finish(|| {
            Some(Self {
                provider_id: provider_id?,
                name: name?,
                mcp_server_url: mcp_server_url?,
            })
        })
    }
}

impl From<McpProviderCreateRequest> for DiscoverProvider {
    fn from(request: McpProviderCreateRequest) -> Self {
        let McpProviderCreateRequest {
            provider_id,
            name,
            mcp_server_url,
        } = request;
        Self {
            provider_id,
            name,
            mcp_server_url,
        }
    }
}

/// A client secret; `None` if it is empty.
pub(super) fn secret(text: String) -> Option<ClientSecret> {
    (!text.is_empty()).then(|| ClientSecret::new(text))
}

/// Fixed parameters of the authorization request.
pub(super) fn parameters(field: &mut FieldValue<'_>) -> Option<BTreeMap<String, String>> {
    text_map(field, check_parameter_name)
}

#[cfg(test)]
mod tests;
