//! OAuth providers: their endpoints, the registered client, and their settings.
//!
//! Plain data that is valid once constructed; no I/O. `provider/quirks.rs` lists
//! how real providers deviate from the RFCs.

mod address;
mod builder;
pub mod catalog;
mod changes;
mod definition;
mod parameters;
pub mod quirks;

use std::collections::BTreeMap;

use strum::{EnumString, IntoStaticStr, VariantArray};
use url::Url;
use uuid::Uuid;

pub use self::address::{
    EndpointError, LONGEST_ADDRESS, MOST_REDIRECT_URIS, is_loopback, is_loopback_redirect,
    parse_endpoint, parse_redirect,
};
pub use self::builder::{Builder, Fault};
pub use self::changes::Changes;
pub use self::definition::{ClientRule, Definition};
#[cfg(test)]
pub(crate) use self::parameters::RESERVED_PARAMETERS;
pub use self::parameters::{
    CLIENT_ID_PATTERN, LONGEST_PARAMETERS, ParameterError, check_parameter_name, is_client_id,
    is_parameter_name, is_reserved_parameter,
};

use crate::clock::Timestamp;
use crate::identity::ProviderId;
use crate::secret::ClientSecret;

/// Who defined a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Source {
    /// The owner, in the vault.
    Owner,
    /// The machine's administrator, for every local user.
    Platform,
}

/// Identifies a provider for one owner.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProviderRef {
    /// Who defined it.
    pub source: Source,
    /// Its identifier.
    pub provider_id: ProviderId,
}

/// An OAuth 2 authorization server and the client registered with it.
#[derive(Clone, Debug)]
pub struct Provider {
    /// The contract's `id`, assigned at creation.
    pub id: Uuid,
    /// Who defined it.
    pub source: Source,
    /// Its identifier, chosen at creation.
    pub provider_id: ProviderId,
    /// Its name for people.
    pub name: String,
    /// The client that is registered with it.
    pub client: Client,
    /// The URLs of its endpoints.
    pub endpoints: Endpoints,
    /// The PKCE method of its flows.
    pub pkce: Pkce,
    /// The contract's `provider_type`: selects the quirks, whatever the host.
    pub kind: Option<Kind>,
    /// Fixed parameters of the authorization request.
    pub authorization_params: BTreeMap<String, String>,
    /// Redirect URIs that are allowed in addition to loopback addresses.
    pub allowed_redirect_uris: Vec<String>,
    /// The MCP server it was discovered from.
    pub mcp_server_url: Option<Url>,
    /// The resource indicator of its requests (RFC 8707): the MCP server, spelled
    /// as in the server's metadata.
    pub resource: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A client as registered with an authorization server (RFC 6749, section 2).
#[derive(Clone, Debug)]
pub struct Client {
    /// Its identifier.
    pub client_id: String,
    /// Its secret; `None` for a public client.
    pub client_secret: Option<ClientSecret>,
    /// How it authenticates at the token endpoint.
    pub auth_method: AuthMethod,
    /// Whether it was registered by dynamic registration (RFC 7591).
    pub is_dynamic: bool,
}

impl Client {
    /// Whether it can keep a secret (RFC 6749, section 2.1).
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        self.client_secret.is_some() && self.auth_method != AuthMethod::None
    }
}

/// The endpoints of an authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The authorization endpoint (the contract's `auth_url`).
    pub authorization: Url,
    /// The token endpoint (the contract's `token_url`).
    pub token: Url,
    /// The revocation endpoint (RFC 7009), where known.
    pub revocation: Option<Url>,
    /// The issuer identifier (RFC 8414), where known.
    pub issuer: Option<String>,
    /// Whether the server announced `iss` in its authorization responses
    /// (RFC 9207, section 3).
    pub sends_iss: bool,
}

/// The client and the token endpoint that issued a grant. The grant is never sent
/// anywhere else, even if the provider is edited.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The client identifier.
    pub client_id: String,
    /// The token endpoint.
    pub token_url: String,
}

impl Binding {
    /// Whether the token endpoint is Slack's.
    #[must_use]
    pub fn is_of_slack(&self) -> bool {
        Url::parse(&self.token_url).is_ok_and(|url| quirks::is_slack(&url))
    }
}

impl Provider {
    /// The reference that identifies this provider for its owner.
    #[must_use]
    pub fn reference(&self) -> ProviderRef {
        ProviderRef {
            source: self.source,
            provider_id: self.provider_id.clone(),
        }
    }

    /// The binding of a grant that this provider issues now.
    #[must_use]
    pub fn binding(&self) -> Binding {
        Binding {
            client_id: self.client.client_id.clone(),
            token_url: self.endpoints.token.to_string(),
        }
    }

    /// Whether codes may be sent to `redirect_uri`: it is a loopback address (RFC
    /// 8252, section 7.3), or identical to one of `allowed_redirect_uris`.
    #[must_use]
    pub fn allows_redirect(&self, redirect_uri: &str) -> bool {
        self.allowed_redirect_uris
            .iter()
            .any(|allowed| allowed == redirect_uri)
            || is_loopback_redirect(redirect_uri)
    }
}

/// The method of the contract's `token_endpoint_auth_method` (RFC 7591, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum AuthMethod {
    /// A public client: only `client_id` in the body.
    None,
    /// HTTP Basic, both parts form-encoded first (RFC 6749, section 2.3.1).
    ClientSecretBasic,
    /// `client_id` and `client_secret` in the body.
    ClientSecretPost,
}

impl AuthMethod {
    /// Its registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A provider's PKCE method (RFC 7636).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Pkce {
    /// Not used; allowed only for a confidential client.
    Off,
    /// SHA-256 of the verifier.
    #[strum(serialize = "S256")]
    S256,
    /// The verifier itself, for servers that do not support S256.
    Plain,
}

impl Pkce {
    /// The contract's `code_challenge_method`; `None` for [`Self::Off`].
    #[must_use]
    pub fn method(self) -> Option<&'static str> {
        (self != Self::Off).then(|| self.into())
    }
}

/// The contract's `provider_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// Microsoft identity platform.
    Microsoft,
    /// Salesforce.
    Salesforce,
    /// Slack, OAuth v2.
    Slack,
    /// X, formerly Twitter.
    X,
}

impl Kind {
    /// Its name in the contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
