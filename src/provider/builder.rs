//! Builds the definition of a provider from the texts of a file, by the same rules as
//! for API requests.
//!
//! All errors are found in one pass. No error contains a value, which may be a
//! misplaced secret.

mod fields;

use std::collections::BTreeMap;
use std::fmt;

use super::{AuthMethod, ClientRule, Definition};
use crate::secret::ClientSecret;

/// The unchecked contents of a provider file.
#[derive(Debug, Default)]
pub struct Builder {
    /// Its identifier.
    pub provider_id: Option<String>,
    /// Its name for people.
    pub name: Option<String>,
    /// The identifier of the registered client.
    pub client_id: Option<String>,
    /// The client's secret; `None` for a public client.
    pub client_secret: Option<ClientSecret>,
    /// The authorization endpoint.
    pub auth_url: Option<String>,
    /// The token endpoint.
    pub token_url: Option<String>,
    /// Whether PKCE is on.
    pub uses_pkce: Option<bool>,
    /// The name of the PKCE method.
    pub code_challenge_method: Option<String>,
    /// The name of the provider type that selects its quirks.
    pub provider_type: Option<String>,
    /// The name of the method with which the client authenticates.
    pub token_endpoint_auth_method: Option<String>,
    /// Fixed parameters of the authorization request.
    pub authorization_params: BTreeMap<String, String>,
    /// Redirect URIs that are allowed in addition to loopback addresses.
    pub allowed_redirect_uris: Vec<String>,
}

/// An error of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The name of the field.
    pub field: &'static str,
    /// The error message, one clause.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.field, self.what)
    }
}

impl Builder {
    /// The definition.
    ///
    /// # Errors
    /// Every fault, in the order of the fields.
    pub fn build(self) -> Result<Definition, Vec<Fault>> {
        let mut faults = Faults::default();
        let provider_id = faults.required("provider_id", self.provider_id, fields::provider_id);
        let name = faults.required("name", self.name, fields::label);
        let client_id = faults.required("client_id", self.client_id, fields::client_id);
        let auth_url = faults.required("auth_url", self.auth_url, fields::endpoint);
        let token_url = faults.required("token_url", self.token_url, fields::endpoint);
        let pkce_method = faults.optional(
            "code_challenge_method",
            self.code_challenge_method,
            fields::pkce,
        );
        let kind = faults.optional("provider_type", self.provider_type, fields::kind);
        let auth_method = faults.optional(
            "token_endpoint_auth_method",
            self.token_endpoint_auth_method,
            fields::auth_method,
        );
        faults.check(
            "authorization_params",
            fields::parameters(&self.authorization_params),
        );
        faults.check(
            "allowed_redirect_uris",
            fields::redirects(&self.allowed_redirect_uris),
        );
        faults.check_client(self.client_secret.is_some(), auth_method, self.uses_pkce);
        let definition = || {
            Some(Definition {
                provider_id: provider_id?,
                name: name?,
                client_id: client_id?,
                client_secret: self.client_secret,
                auth_url: auth_url?,
                token_url: token_url?,
                uses_pkce: self.uses_pkce,
                pkce_method,
                kind,
                auth_method,
                authorization_params: self.authorization_params,
                allowed_redirect_uris: self.allowed_redirect_uris,
            })
        };
        match definition() {
            Some(definition) if faults.0.is_empty() => Ok(definition),
            _ => Err(faults.0),
        }
    }
}

#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn required<T>(
        &mut self,
        field: &'static str,
        text: Option<String>,
        read: fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        if text.is_none() {
            self.check(field, Err("it is missing, and must be there".to_owned()));
        }
        self.optional(field, text, read)
    }

    fn optional<T>(
        &mut self,
        field: &'static str,
        text: Option<String>,
        read: fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        match read(&text?) {
            Ok(value) => Some(value),
            Err(what) => {
                self.check(field, Err(what));
                None
            }
        }
    }

    fn check(&mut self, field: &'static str, checked: Result<(), String>) {
        if let Err(what) = checked {
            self.0.push(Fault { field, what });
        }
    }

    fn check_client(
        &mut self,
        has_secret: bool,
        auth_method: Option<AuthMethod>,
        uses_pkce: Option<bool>,
    ) {
        for rule in ClientRule::broken_by(has_secret, auth_method, uses_pkce) {
            let field = match rule {
                ClientRule::MethodNeedsSecret => "token_endpoint_auth_method",
                ClientRule::PublicClientNeedsPkce => "uses_pkce",
            };
            self.check(field, Err(rule.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Pkce;

    fn github() -> Builder {
        let text = |text: &str| Some(text.to_owned());
        Builder {
            provider_id: text("github"),
            name: text("GitHub"),
            client_id: text("c"),
            auth_url: text("https://example.com/authorize"),
            token_url: text("https://example.com/token"),
            ..Builder::default()
        }
    }

    fn faults(builder: Builder) -> String {
        let faults = builder.build().unwrap_err();
        faults
            .iter()
            .map(|fault| format!("{fault}\n"))
            .collect::<String>()
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let definition = github().build().unwrap();
        assert_eq!(definition.auth_method(), AuthMethod::None);
        assert_eq!(definition.pkce(), Pkce::S256);
    }

    #[test]
    fn one_pass_names_every_fault_and_no_value() {
        let found = faults(Builder {
            provider_id: None,
            name: Some("Git\u{200b}Hub".to_owned()),
            auth_url: Some("http://canary.example/".to_owned()),
            provider_type: Some("canary".to_owned()),
            token_endpoint_auth_method: Some("client_secret_basic".to_owned()),
            uses_pkce: Some(false),
            authorization_params: [("state".to_owned(), "canary".to_owned())].into(),
            allowed_redirect_uris: vec!["https://app.example/".to_owned(), "canary".to_owned()],
            ..github()
        });
        assert_eq!(
            found,
            "`provider_id`: it is missing, and must be there\n\
             `name`: it has control or other invisible characters\n\
             `auth_url`: it must be https (http is allowed for a loopback address only)\n\
             `provider_type`: it must be one of \"microsoft\", \"salesforce\", \"slack\", \"x\"\n\
             `authorization_params`: state: this parameter is set by each flow and cannot be fixed\n\
             `allowed_redirect_uris`: address 2 of the list: it is not a URL\n\
             `token_endpoint_auth_method`: this method needs a client_secret\n\
             `uses_pkce`: PKCE cannot be turned off for a public client\n"
        );
    }

    #[test]
    fn a_confidential_client_may_do_without_pkce() {
        let definition = Builder {
            client_secret: Some(ClientSecret::new("canary")),
            uses_pkce: Some(false),
            ..github()
        };
        let definition = definition.build().unwrap();
        assert_eq!(definition.pkce(), Pkce::Off);
        assert_eq!(definition.auth_method(), AuthMethod::ClientSecretPost);
    }
}
