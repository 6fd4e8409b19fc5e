//! The definition of a new provider, and the rules for its client secret,
//! authentication method and PKCE.
//!
//! A client without a secret is a public client, and a public client always uses
//! PKCE (RFC 9700, section 2.1.1).

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use url::Url;
use uuid::Uuid;

use super::{AuthMethod, Client, Endpoints, Kind, Pkce, Provider, Source};
use crate::clock::Timestamp;
use crate::identity::ProviderId;
use crate::secret::ClientSecret;

/// The definition of a new provider. `None` stands for the default.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its identifier.
    pub provider_id: ProviderId,
    /// Its name for people.
    pub name: String,
    /// The identifier of the registered client.
    pub client_id: String,
    /// The client's secret; `None` for a public client.
    pub client_secret: Option<ClientSecret>,
    /// The authorization endpoint.
    pub auth_url: Url,
    /// The token endpoint.
    pub token_url: Url,
    /// Whether PKCE is on; never `false` for a public client.
    pub uses_pkce: Option<bool>,
    /// The PKCE method; never [`Pkce::Off`].
    pub pkce_method: Option<Pkce>,
    /// The provider type, which selects the quirks.
    pub kind: Option<Kind>,
    /// How the client authenticates. A method with a secret requires one.
    pub auth_method: Option<AuthMethod>,
    /// Fixed parameters of the authorization request.
    pub authorization_params: BTreeMap<String, String>,
    /// Redirect URIs that are allowed in addition to loopback addresses.
    pub allowed_redirect_uris: Vec<String>,
}

/// A rule for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientRule {
    /// A method that uses a secret requires one.
    #[error("this method needs a client_secret")]
    MethodNeedsSecret,
    /// A public client requires PKCE.
    #[error("PKCE cannot be turned off for a public client")]
    PublicClientNeedsPkce,
}

impl ClientRule {
    /// The rules that a client with these properties violates.
    pub fn broken_by(
        has_secret: bool,
        auth_method: Option<AuthMethod>,
        uses_pkce: Option<bool>,
    ) -> impl Iterator<Item = Self> {
        let needs_secret = auth_method.is_some_and(|method| method != AuthMethod::None);
        let is_confidential = has_secret && auth_method != Some(AuthMethod::None);
        let broken = [
            (needs_secret && !has_secret).then_some(Self::MethodNeedsSecret),
            (uses_pkce == Some(false) && !is_confidential).then_some(Self::PublicClientNeedsPkce),
        ];
        broken.into_iter().flatten()
    }
}

impl Definition {
    /// Makes the provider, with `now` as its time of creation.
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
            kind: self.kind,
            authorization_params: self.authorization_params,
            allowed_redirect_uris: self.allowed_redirect_uris,
            mcp_server_url: None,
            resource: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Makes a platform provider, with `now` as its time of creation. Its `id` is
    /// derived from its identifier (RFC 9562, section 5.8), so it is the same after
    /// each start.
    #[must_use]
    pub fn into_platform_provider(self, now: Timestamp) -> Provider {
        let digest = Sha256::digest(format!("platform provider {}", self.provider_id));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        let id = uuid::Builder::from_custom_bytes(bytes).into_uuid();
        self.into_provider(id, Source::Platform, now)
    }

    /// How the client authenticates: the chosen method, else with its secret in the
    /// body, or without a secret as a public client.
    #[must_use]
    pub fn auth_method(&self) -> AuthMethod {
        match (self.auth_method, &self.client_secret) {
            (Some(method), _) => method,
            (None, Some(_)) => AuthMethod::ClientSecretPost,
            (None, None) => AuthMethod::None,
        }
    }

    /// The PKCE method of its flows: S256 unless another was chosen.
    #[must_use]
    pub fn pkce(&self) -> Pkce {
        match self.uses_pkce {
            Some(false) => Pkce::Off,
            _ => self.pkce_method.unwrap_or(Pkce::S256),
        }
    }
}
