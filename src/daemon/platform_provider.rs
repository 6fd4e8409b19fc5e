//! A provider that an embedding program offers to every user of its daemon.

use super::Error;
use crate::clock::Timestamp;
use crate::provider::{Builder, Provider};
use crate::secret::ClientSecret;

/// An OAuth provider that every user of the daemon can log in with and none can
/// change, such as one whose client the embedding program registered itself.
///
/// Its texts are checked when the daemon starts or takes it over, by the rules
/// that [`Client::create_provider`](crate::client::Client::create_provider) has.
#[derive(Debug)]
#[must_use]
pub struct PlatformProvider(Builder);

impl PlatformProvider {
    /// A provider with a public client (RFC 6749, section 2.1), called by its
    /// identifier. The addresses are those of the authorization endpoint and of
    /// the token endpoint.
    pub fn new(
        provider_id: impl Into<String>,
        client_id: impl Into<String>,
        auth_url: impl Into<String>,
        token_url: impl Into<String>,
    ) -> Self {
        let provider_id = provider_id.into();
        Self(Builder {
            name: Some(provider_id.clone()),
            provider_id: Some(provider_id),
            client_id: Some(client_id.into()),
            auth_url: Some(auth_url.into()),
            token_url: Some(token_url.into()),
            ..Builder::default()
        })
    }

    /// What people call it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.0.name = Some(name.into());
        self
    }

    /// The client's secret, which makes it a confidential client.
    pub fn client_secret(mut self, secret: ClientSecret) -> Self {
        self.0.client_secret = Some(secret);
        self
    }

    /// How the client authenticates at the token endpoint: `none`,
    /// `client_secret_basic` or `client_secret_post` (RFC 7591, section 2).
    ///
    /// The default is `client_secret_post` with a secret, else `none`.
    pub fn auth_method(mut self, method: impl Into<String>) -> Self {
        self.0.token_endpoint_auth_method = Some(method.into());
        self
    }

    /// A fixed parameter of every authorization request.
    pub fn authorization_param(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        let params = &mut self.0.authorization_params;
        params.insert(name.into(), value.into());
        self
    }

    /// A redirect address that is allowed beside loopback ones.
    pub fn allowed_redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.0.allowed_redirect_uris.push(uri.into());
        self
    }

    pub(super) fn into_provider(self, now: Timestamp) -> Result<Provider, Error> {
        let provider_id = self.0.provider_id.clone().unwrap_or_default();
        let why = match self.0.build() {
            Ok(definition) if definition.provider_id.is_reserved() => {
                "a path of the API has its name".to_owned()
            }
            Ok(definition) => return Ok(definition.into_platform_provider(now)),
            Err(faults) => {
                let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
                faults.join("; ")
            }
        };
        Err(Error::InvalidProvider { provider_id, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Source;

    fn provider(id: &str) -> PlatformProvider {
        let endpoint = "https://auth.example.com/oauth";
        PlatformProvider::new(id, "client", endpoint, endpoint)
    }

    #[test]
    fn it_is_the_platforms_with_the_same_identity_at_each_start() {
        let secret = ClientSecret::new("canary");
        let (now, later) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
        let first = provider("example").client_secret(secret);
        let first = first.into_provider(now).unwrap();
        assert_eq!(first.source, Source::Platform);
        assert!(first.client.is_confidential());
        let second = provider("example").into_provider(later).unwrap();
        assert_eq!(second.id, first.id);
        assert!(!second.client.is_confidential());
    }

    #[test]
    fn an_invalid_one_is_named_with_every_fault() {
        let shown = |provider: PlatformProvider| {
            let refused = provider.into_provider(Timestamp::from_millis(0));
            refused.unwrap_err().to_string()
        };
        let invalid = provider("example")
            .auth_method("magic")
            .authorization_param("state", "x");
        let said = shown(invalid);
        for part in [
            "example",
            "token_endpoint_auth_method",
            "authorization_params",
        ] {
            assert!(said.contains(part), "{said}");
        }
        assert!(shown(provider("mcp-discover")).contains("a path of the API"));
    }
}
