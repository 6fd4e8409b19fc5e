//! Requests that create providers.
//!
//! A client without a secret is a public one, and a public client always uses
//! PKCE (RFC 9700, section 2.1.1).

use std::collections::BTreeMap;

use url::Url;
use uuid::Uuid;

use crate::api::validate::{
    FieldErrors, FieldValue, Fields, Problem, boolean, choice, client_id, endpoint, label,
    provider_id, redirect_uris, text, text_map,
};
use crate::clock::Timestamp;
use crate::identity::ProviderId;
use crate::provider::{
    AuthMethod, Client, Endpoints, Kind, Pkce, Provider, Source, is_parameter_name,
    is_reserved_parameter,
};
use crate::secret::ClientSecret;

/// `POST /v2/auth/providers`.
#[derive(Clone, Debug)]
pub struct ProviderCreateRequest {
    /// Its identifier.
    pub provider_id: ProviderId,
    /// What people call it.
    pub name: String,
    /// The client registered there.
    pub client_id: String,
    /// The client's secret; an empty one is none.
    pub client_secret: Option<ClientSecret>,
    /// The authorization endpoint.
    pub auth_url: Url,
    /// The token endpoint.
    pub token_url: Url,
    /// Whether PKCE is on, where the caller said so; never `false` for a
    /// public client.
    pub uses_pkce: Option<bool>,
    /// The PKCE method, where the caller chose one; never [`Pkce::Off`].
    pub code_challenge_method: Option<Pkce>,
    /// Whose quirks it has.
    pub provider_type: Option<Kind>,
    /// How the client authenticates, where the caller said so; never with a
    /// secret that is not there.
    pub token_endpoint_auth_method: Option<AuthMethod>,
    /// Fixed parameters of the authorization request, no reserved one.
    pub authorization_params: BTreeMap<String, String>,
    /// Redirect addresses allowed beside loopback ones.
    pub allowed_redirect_uris: Vec<String>,
}

impl ProviderCreateRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn from_json(body: &[u8]) -> Result<Self, FieldErrors> {
        let mut fields = Fields::body(body)?;
        let provider_id = fields.required("provider_id", provider_id);
        let name = fields.required("name", label);
        let client_id = fields.required("client_id", client_id);
        let client_secret = fields.optional("client_secret", text).and_then(secret);
        let auth_url = fields.required("auth_url", endpoint);
        let token_url = fields.required("token_url", endpoint);
        let uses_pkce = fields.non_null("uses_pkce", boolean);
        let code_challenge_method = fields.non_null("code_challenge_method", choice);
        let provider_type = fields.optional("provider_type", choice);
        let auth_method = fields.non_null("token_endpoint_auth_method", choice);
        let authorization_params =
            fields.with_default("authorization_params", parameters, BTreeMap::new());
        let allowed_redirect_uris =
            fields.with_default("allowed_redirect_uris", redirect_uris, Vec::new());
        let has_secret = client_secret.is_some() || fields.is_refused("client_secret");
        check_client(&mut fields, has_secret, auth_method, uses_pkce);
        fields.finish(|| {
            Some(Self {
                provider_id: provider_id?,
                name: name?,
                client_id: client_id?,
                client_secret,
                auth_url: auth_url?,
                token_url: token_url?,
                uses_pkce,
                code_challenge_method,
                provider_type,
                token_endpoint_auth_method: auth_method,
                authorization_params,
                allowed_redirect_uris,
            })
        })
    }

    /// The provider that it asks for, made at `now`.
    #[must_use]
    pub fn into_provider(self, id: Uuid, source: Source, now: Timestamp) -> Provider {
        Provider {
            id,
            source,
            pkce: self.pkce(),
            client: Client {
                auth_method: self.auth_method(),
                client_id: self.client_id,
                client_secret: self.client_secret,
                is_dynamic: false,
            },
            provider_id: self.provider_id,
            name: self.name,
            endpoints: Endpoints {
                authorization: self.auth_url,
                token: self.token_url,
                revocation: None,
                issuer: None,
                sends_iss: false,
            },
            kind: self.provider_type,
            authorization_params: self.authorization_params,
            allowed_redirect_uris: self.allowed_redirect_uris,
            mcp_server_url: None,
            resource: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// How the client authenticates: as the caller said, else with its secret
    /// in the body, else, without a secret, as a public client.
    #[must_use]
    pub fn auth_method(&self) -> AuthMethod {
        match (self.token_endpoint_auth_method, &self.client_secret) {
            (Some(method), _) => method,
            (None, Some(_)) => AuthMethod::ClientSecretPost,
            (None, None) => AuthMethod::None,
        }
    }

    /// The PKCE method of its flows: S256 unless the caller said otherwise.
    #[must_use]
    pub fn pkce(&self) -> Pkce {
        match self.uses_pkce {
            Some(false) => Pkce::Off,
            _ => self.code_challenge_method.unwrap_or(Pkce::S256),
        }
    }
}

/// The rules between a client's secret, its authentication and PKCE.
fn check_client(
    fields: &mut Fields,
    has_secret: bool,
    auth_method: Option<AuthMethod>,
    uses_pkce: Option<bool>,
) {
    let needs_secret = auth_method.is_some_and(|method| method != AuthMethod::None);
    if needs_secret && !has_secret {
        let problem = Problem::rule("this method needs a client_secret");
        fields.refuse("token_endpoint_auth_method", problem);
    }
    let is_confidential = has_secret && auth_method != Some(AuthMethod::None);
    if uses_pkce == Some(false) && !is_confidential {
        let problem = Problem::rule("PKCE cannot be turned off for a public client");
        fields.refuse("uses_pkce", problem);
    }
}

/// `POST /v2/auth/providers/mcp-discover`.
#[derive(Clone, Debug)]
pub struct McpProviderCreateRequest {
    /// Its identifier.
    pub provider_id: ProviderId,
    /// What people call it.
    pub name: String,
    /// The MCP server.
    pub mcp_server_url: Url,
}

impl McpProviderCreateRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// Every fault of it.
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

/// A client secret; an empty one is none.
pub(super) fn secret(text: String) -> Option<ClientSecret> {
    (!text.is_empty()).then(|| ClientSecret::new(text))
}

/// Fixed parameters of the authorization request, no reserved one.
pub(super) fn parameters(field: &mut FieldValue<'_>) -> Option<BTreeMap<String, String>> {
    text_map(field, |name| {
        if !is_parameter_name(name) {
            Some("a parameter's name has letters, digits, hyphens, dots and underscores only")
        } else if is_reserved_parameter(name) {
            Some("this parameter is set by each flow and cannot be fixed")
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests;
