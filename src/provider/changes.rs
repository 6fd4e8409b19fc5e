//! Changes to a stored provider.
//!
//! A secret is never sent to another address than the one it was configured for: a
//! new token endpoint removes the stored secret and the data about the old server.

use std::collections::BTreeMap;

use url::Url;

use super::{AuthMethod, ClientRule, Endpoints, Pkce, Provider};
use crate::secret::ClientSecret;

/// The changes to a provider. `None` changes nothing.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Its name for people.
    pub name: Option<String>,
    /// The identifier of the registered client.
    pub client_id: Option<String>,
    /// The client's secret.
    pub client_secret: Option<ClientSecret>,
    /// The authorization endpoint.
    pub auth_url: Option<Url>,
    /// The token endpoint.
    pub token_url: Option<Url>,
    /// Whether PKCE is on.
    pub uses_pkce: Option<bool>,
    /// The PKCE method; never [`Pkce::Off`].
    pub pkce_method: Option<Pkce>,
    /// Fixed parameters of the authorization request.
    pub authorization_params: Option<BTreeMap<String, String>>,
    /// Redirect URIs that are allowed in addition to loopback addresses.
    pub allowed_redirect_uris: Option<Vec<String>>,
}

impl Provider {
    /// Applies changes.
    ///
    /// # Errors
    /// The rule that the changed client would violate.
    pub fn changed(mut self, changes: Changes) -> Result<Self, ClientRule> {
        self.move_token_endpoint(changes.token_url);
        self.replace_secret(changes.client_secret);
        self.pkce = changed_pkce(self.pkce, changes.uses_pkce, changes.pkce_method);
        replace(&mut self.name, changes.name);
        replace(&mut self.client.client_id, changes.client_id);
        replace(&mut self.endpoints.authorization, changes.auth_url);
        replace(&mut self.authorization_params, changes.authorization_params);
        replace(
            &mut self.allowed_redirect_uris,
            changes.allowed_redirect_uris,
        );
        if self.pkce == Pkce::Off && !self.client.is_confidential() {
            return Err(ClientRule::PublicClientNeedsPkce);
        }
        Ok(self)
    }

    fn move_token_endpoint(&mut self, token_url: Option<Url>) {
        let Some(token_url) = token_url.filter(|new| *new != self.endpoints.token) else {
            return;
        };
        // Data about the old server does not apply to the new one.
        self.endpoints = Endpoints {
            authorization: self.endpoints.authorization.clone(),
            token: token_url,
            revocation: None,
            issuer: None,
            sends_iss: false,
        };
        self.client.client_secret = None;
    }

    fn replace_secret(&mut self, secret: Option<ClientSecret>) {
        let Some(secret) = secret else { return };
        if self.client.auth_method == AuthMethod::None {
            self.client.auth_method = AuthMethod::ClientSecretPost;
        }
        self.client.client_secret = Some(secret);
    }
}

fn replace<T>(field: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *field = new;
    }
}

fn changed_pkce(old: Pkce, uses_pkce: Option<bool>, method: Option<Pkce>) -> Pkce {
    let new = match (uses_pkce, method) {
        (Some(false), _) => Some(Pkce::Off),
        (Some(true), None) if old == Pkce::Off => Some(Pkce::S256),
        (Some(true), method) => method,
        (None, method) => method.filter(|_| old != Pkce::Off),
    };
    new.unwrap_or(old)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::clock::Timestamp;
    use crate::provider::{Builder, Source};

    fn confidential() -> Provider {
        let text = |text: &str| Some(text.to_owned());
        let builder = Builder {
            provider_id: text("github"),
            name: text("GitHub"),
            client_id: text("c"),
            client_secret: Some(ClientSecret::new("canary")),
            auth_url: text("https://example.com/authorize"),
            token_url: text("https://example.com/token"),
            ..Builder::default()
        };
        let definition = builder.build().unwrap();
        definition.into_provider(Uuid::nil(), Source::Owner, Timestamp::from_millis(0))
    }

    fn elsewhere() -> Option<Url> {
        Url::parse("https://other.example/token").ok()
    }

    #[test]
    fn another_token_endpoint_drops_the_secret_and_what_was_learnt() {
        let mut old = confidential();
        old.endpoints.issuer = Some("https://example.com".to_owned());
        let changes = Changes {
            token_url: elsewhere(),
            ..Changes::default()
        };
        let new = old.changed(changes).unwrap();
        assert!(new.client.client_secret.is_none() && new.endpoints.issuer.is_none());
        let same = Changes {
            token_url: Some(confidential().endpoints.token),
            ..Changes::default()
        };
        assert!(
            confidential()
                .changed(same)
                .unwrap()
                .client
                .is_confidential()
        );
    }

    #[test]
    fn pkce_is_off_for_a_confidential_client_only() {
        let off = Changes {
            uses_pkce: Some(false),
            ..Changes::default()
        };
        assert_eq!(confidential().changed(off.clone()).unwrap().pkce, Pkce::Off);
        let public = Changes {
            token_url: elsewhere(),
            ..off
        };
        let broken = confidential().changed(public).unwrap_err();
        assert_eq!(broken, ClientRule::PublicClientNeedsPkce);
    }

    #[test]
    fn a_method_alone_does_not_turn_pkce_on() {
        for (old, uses_pkce, method, new) in [
            (Pkce::Off, None, Some(Pkce::Plain), Pkce::Off),
            (Pkce::Off, Some(true), None, Pkce::S256),
            (Pkce::S256, None, Some(Pkce::Plain), Pkce::Plain),
            (Pkce::Plain, Some(true), None, Pkce::Plain),
            (Pkce::Plain, Some(false), Some(Pkce::S256), Pkce::Off),
        ] {
            assert_eq!(changed_pkce(old, uses_pkce, method), new);
        }
    }
}
