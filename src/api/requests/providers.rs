//! Requests that create and change providers.

use std::collections::BTreeMap;

use url::Url;

use crate::api::validate::{
    Faults, Fields, Place, Problem, choice, endpoint, flag, list, provider_id, redirect_uri, text,
    text_map,
};
use crate::identity::ProviderId;
use crate::provider::{AuthMethod, Kind, Pkce, RESERVED_PARAMETERS};
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
    pub fn from_json(body: &[u8]) -> Result<Self, Faults> {
        let mut fields = Fields::body(body)?;
        let provider_id = fields.required("provider_id", provider_id);
        let name = fields.required("name", text);
        let client_id = fields.required("client_id", text);
        let client_secret = fields.optional("client_secret", text).and_then(secret);
        let auth_url = fields.required("auth_url", endpoint);
        let token_url = fields.required("token_url", endpoint);
        let uses_pkce = fields.present("uses_pkce", flag);
        let code_challenge_method = fields.present("code_challenge_method", choice);
        let provider_type = fields.optional("provider_type", choice);
        let auth_method = fields.present("token_endpoint_auth_method", choice);
        let params = fields.present("authorization_params", parameters);
        let redirects = fields.present("allowed_redirect_uris", redirect_uris);
        check_client(&mut fields, client_secret.is_some(), auth_method, uses_pkce);
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
                authorization_params: params.unwrap_or_default(),
                allowed_redirect_uris: redirects.unwrap_or_default(),
            })
        })
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
    pub fn from_json(body: &[u8]) -> Result<Self, Faults> {
        let mut fields = Fields::body(body)?;
        let provider_id = fields.required("provider_id", provider_id);
        let name = fields.required("name", text);
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
    pub fn from_json(body: &[u8]) -> Result<Self, Faults> {
        let mut fields = Fields::body(body)?;
        let request = Self {
            name: fields.optional("name", text),
            client_id: fields.optional("client_id", text),
            client_secret: fields.optional("client_secret", text).and_then(secret),
            auth_url: fields.optional("auth_url", endpoint),
            token_url: fields.optional("token_url", endpoint),
            uses_pkce: fields.optional("uses_pkce", flag),
            code_challenge_method: fields.optional("code_challenge_method", choice),
            authorization_params: fields.optional("authorization_params", parameters),
            allowed_redirect_uris: fields.optional("allowed_redirect_uris", redirect_uris),
        };
        fields.finish(|| Some(request))
    }
}

fn secret(text: String) -> Option<ClientSecret> {
    (!text.is_empty()).then(|| ClientSecret::new(text))
}

fn parameters(place: &mut Place<'_>) -> Option<BTreeMap<String, String>> {
    let is_reserved = |name: &str| RESERVED_PARAMETERS.contains(&name);
    text_map(
        place,
        is_reserved,
        "this parameter is set by each flow and cannot be fixed",
    )
}

fn redirect_uris(place: &mut Place<'_>) -> Option<Vec<String>> {
    list(place, redirect_uri)
}
