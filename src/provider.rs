//! What an OAuth provider is: its endpoints, the client registered there, and
//! the rules its owner set.
//!
//! Plain data, always valid once made. What real providers do differently from
//! the RFCs is in `provider/quirks.rs`. No input or output here.

mod address;
mod builder;
pub mod catalog;
mod changes;
mod definition;
mod parameters;
pub mod quirks;

use std::collections::BTreeMap;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The owner, in the vault.
    Owner,
    /// The machine's administrator, for every local user.
    Platform,
}

/// Names a provider for one owner.
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
    /// The contract's `id`, given when it was created.
    pub id: Uuid,
    /// Who defined it.
    pub source: Source,
    /// Its identifier, chosen when it was created.
    pub provider_id: ProviderId,
    /// What people call it.
    pub name: String,
    /// The client registered there.
    pub client: Client,
    /// Where it is reached.
    pub endpoints: Endpoints,
    /// The PKCE method of its flows.
    pub pkce: Pkce,
    /// The contract's `provider_type`: switches on that provider's quirks
    /// whatever its host is called.
    pub kind: Option<Kind>,
    /// Fixed parameters of the authorization request.
    pub authorization_params: BTreeMap<String, String>,
    /// Redirect addresses allowed beside loopback ones.
    pub allowed_redirect_uris: Vec<String>,
    /// The MCP server it was discovered from.
    pub mcp_server_url: Option<Url>,
    /// The resource indicator of its requests (RFC 8707): that MCP server in
    /// the letters of its own metadata.
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
    /// Its secret; a public client has none.
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

/// The addresses of an authorization server.
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
    /// Whether the server promised `iss` in its authorization responses
    /// (RFC 9207, section 3).
    pub sends_iss: bool,
}

/// What a grant is bound to: the client and the token endpoint it came from.
/// It is never sent anywhere else, however its provider is edited.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The client identifier.
    pub client_id: String,
    /// The token endpoint.
    pub token_url: String,
}

impl Binding {
    /// Whether it is a binding to Slack's own token endpoint.
    #[must_use]
    pub fn is_of_slack(&self) -> bool {
        Url::parse(&self.token_url).is_ok_and(|url| quirks::is_slack(&url))
    }
}

impl Provider {
    /// The name of this provider for its owner.
    #[must_use]
    pub fn reference(&self) -> ProviderRef {
        ProviderRef {
            source: self.source,
            provider_id: self.provider_id.clone(),
        }
    }

    /// What a grant obtained from this provider now is bound to.
    #[must_use]
    pub fn binding(&self) -> Binding {
        Binding {
            client_id: self.client.client_id.clone(),
            token_url: self.endpoints.token.to_string(),
        }
    }

    /// Whether a person may be sent to `redirect_uri` with a code: a loopback
    /// address (RFC 8252, section 7.3), or one that was allowed in so many
    /// letters.
    #[must_use]
    pub fn allows_redirect(&self, redirect_uri: &str) -> bool {
        self.allowed_redirect_uris
            .iter()
            .any(|allowed| allowed == redirect_uri)
            || is_loopback_redirect(redirect_uri)
    }
}

/// The method of the contract's `token_endpoint_auth_method` (RFC 7591, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// A public client: `client_id` in the body alone.
    None,
    /// HTTP Basic, both parts form-encoded first (RFC 6749, section 2.3.1).
    ClientSecretBasic,
    /// Both in the body.
    ClientSecretPost,
}

impl AuthMethod {
    /// Every method, in the contract's order.
    pub const ALL: [Self; 3] = [Self::None, Self::ClientSecretBasic, Self::ClientSecretPost];

    /// Its registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
        }
    }
}

/// A provider's PKCE (RFC 7636).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pkce {
    /// Not sent; only a confidential client may do without.
    Off,
    /// SHA-256 of the verifier.
    S256,
    /// The verifier itself, where a server knows no better.
    Plain,
}

impl Pkce {
    /// The contract's `code_challenge_method`; `None` when it is off.
    #[must_use]
    pub fn method(self) -> Option<&'static str> {
        match self {
            Self::Off => None,
            Self::S256 => Some("S256"),
            Self::Plain => Some("plain"),
        }
    }
}

/// The contract's `provider_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Every kind, in the contract's order.
    pub const ALL: [Self; 4] = [Self::Microsoft, Self::Salesforce, Self::Slack, Self::X];

    /// Its name in the contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Microsoft => "microsoft",
            Self::Salesforce => "salesforce",
            Self::Slack => "slack",
            Self::X => "x",
        }
    }
}
