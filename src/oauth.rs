//! The OAuth 2 client: authorization URLs, code exchange, refresh, revocation,
//! and discovery from the address of an MCP server.
//!
//! This module does not use the vault: it takes a grant and returns a newer grant
//! or a typed error that says what the caller can do. It does not log. An error
//! contains no secret, and of a reply only the error code and description.

mod account;
mod authorize;
mod deadline;
pub mod discovery;
mod endpoint;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod grant;
mod http;
mod normalize;
mod redact;
mod refusal;
mod reply;
mod request;
mod revoke;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;
use std::time::Duration;

use oauth2::{PkceCodeVerifier, Scope};
use serde_json::{Map, Value};

pub use authorize::{AuthorizationRequest, authorization_url};
pub use revoke::can_revoke;

use crate::clock::Env;
use crate::identity::Scopes;
use crate::provider::Provider;
use crate::secret::{AuthorizationCode, CodeVerifier, ExposeSecret as _, RefreshToken};
use crate::token::{AccountId, Grant};
use endpoint::{RequestError, TokenEndpoint};
use http::Outbound;
use redact::Redactor;
use request::TokenReply;

/// Why a token endpoint returned no grant, by what the caller can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The code or the refresh token is no longer valid (RFC 6749, section 5.2):
    /// the grant has ended and the user must authorize again.
    #[error("the provider no longer accepts this grant{}", described(description))]
    InvalidGrant {
        /// The provider's description, safe to show.
        description: Option<String>,
    },
    /// The provider rejects the client, and so all of its grants (RFC 6749,
    /// section 5.2: `invalid_client`, `unauthorized_client`): the settings of
    /// the client must be changed. A new authorization would fail the same way.
    #[error("the provider refuses this client ({code}){}", described(description))]
    ClientRejected {
        /// The provider's error code.
        code: String,
        /// The provider's description, safe to show.
        description: Option<String>,
    },
    /// The provider rejects this request without saying that the grant has
    /// ended. Other grants of the client are not affected.
    #[error("the provider refuses this request ({code}){}", described(description))]
    Refused {
        /// The provider's error code.
        code: String,
        /// The provider's description, safe to show.
        description: Option<String>,
    },
    /// The connection to the provider failed before anything was sent.
    #[error("the provider cannot be reached")]
    Unreachable,
    /// The provider is temporarily unavailable. Nothing was granted; try again
    /// later.
    #[error("the provider is not available now")]
    Unavailable {
        /// The wait that the provider asks for.
        retry_after: Option<Duration>,
    },
    /// The request was sent, or may have been, and no reply tells whether it
    /// succeeded: a single-use token in it may have been used.
    #[error("no usable response from the provider ({what})")]
    OutcomeUnknown {
        /// What was received instead; does not quote it.
        what: String,
        /// The wait that the provider asks for.
        retry_after: Option<Duration>,
    },
    /// The reply is neither a success nor an OAuth error.
    #[error("malformed response from the provider: {what}")]
    MalformedResponse {
        /// What is wrong with the reply; does not quote it.
        what: String,
    },
    /// This machine cannot send the request, for example because it has no CA
    /// certificates.
    #[error("cannot send requests: {what}")]
    HttpClient {
        /// What is missing or invalid.
        what: String,
    },
}

/// The account that a token belongs to, from the stored metadata of its reply.
/// `None` if the metadata does not identify one.
#[must_use]
pub fn account_in(metadata: &Map<String, Value>) -> Option<AccountId> {
    account::identifier_in(metadata)
}

/// A provider's text in a form that is safe to show and store: one line of
/// limited length without control characters. May be empty.
#[must_use]
pub fn shown_text(text: &str) -> String {
    Redactor::default().shown(text).unwrap_or_default()
}

/// A token request that returned no grant.
#[derive(Clone, Debug)]
pub struct NoGrant {
    /// Why there is no grant.
    pub error: Error,
    /// A refresh token that was received without an access token. It replaces
    /// the one that was sent, which may no longer be valid.
    pub refresh_token: Option<RefreshToken>,
}

fn described(description: &Option<String>) -> String {
    description
        .as_ref()
        .map_or_else(String::new, |text| format!(": {text}"))
}

/// The result of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The provider revoked the grant.
    Revoked,
    /// The provider is not known to support revocation.
    NoEndpoint,
}

/// The client of token endpoints. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    env: Env,
    http: Outbound,
}

impl Client {
    /// Makes a client with the machine's certificates and proxy settings.
    ///
    /// # Errors
    /// [`Error::HttpClient`] if no HTTP client can be made on this machine.
    pub fn new(env: Env) -> Result<Self, Error> {
        let http = Outbound::new()?;
        Ok(Self { env, http })
    }

    /// Exchanges an authorization code for a grant (RFC 6749, section 4.1.3).
    /// The request is sent once.
    ///
    /// # Errors
    /// [`NoGrant`] says what the caller can do and what to store.
    #[expect(
        clippy::disallowed_methods,
        reason = "the code and its verifier are sent to the token endpoint"
    )]
    pub async fn exchange(
        &self,
        provider: &Provider,
        code: AuthorizationCode,
        redirect_uri: &str,
        verifier: Option<&CodeVerifier>,
    ) -> Result<Grant, NoGrant> {
        let mut redactor = Redactor::of_client(provider);
        redactor.hide(&code);
        let client = request::registered(provider);
        let mut request = client
            .exchange_code(oauth2::AuthorizationCode::new(
                code.expose_secret().to_owned(),
            ))
            .add_extra_param("redirect_uri", redirect_uri);
        if let Some(verifier) = verifier {
            redactor.hide(verifier);
            let verifier = verifier.expose_secret().to_owned();
            request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier));
        }
        if let Some((name, value)) = authorize::resource(provider) {
            request = request.add_extra_param(name, value);
        }
        let send = async |endpoint: &TokenEndpoint<'_>| request.request_async(endpoint).await;
        self.grant(provider, redactor, send).await
    }

    /// Refreshes a grant (RFC 6749, section 6). The request is sent once.
    /// `scopes` are sent only to providers that require them.
    ///
    /// # Errors
    /// [`NoGrant`] says what the caller can do and what to store.
    #[expect(
        clippy::disallowed_methods,
        reason = "the refresh token is sent to the token endpoint"
    )]
    pub async fn refresh(
        &self,
        provider: &Provider,
        refresh_token: &RefreshToken,
        scopes: &Scopes,
    ) -> Result<Grant, NoGrant> {
        let mut redactor = Redactor::of_client(provider);
        redactor.hide(refresh_token);
        let quirks = provider.quirks();
        let spent = oauth2::RefreshToken::new(refresh_token.expose_secret().to_owned());
        let client = request::registered(provider);
        let mut request = client.exchange_refresh_token(&spent);
        if quirks.refresh_sends_scopes && !scopes.is_empty() {
            request = request.add_scope(Scope::new(authorize::scope(provider, scopes)));
        }
        if let Some((name, value)) = authorize::resource(provider) {
            request = request.add_extra_param(name, value);
        }
        let send = async |endpoint: &TokenEndpoint<'_>| request.request_async(endpoint).await;
        self.grant(provider, redactor, send).await
    }

    /// Sends a token request and reads the grant from its reply.
    async fn grant(
        &self,
        provider: &Provider,
        redactor: Redactor,
        send: impl AsyncFnOnce(&TokenEndpoint<'_>) -> Result<TokenReply, RequestError>,
    ) -> Result<Grant, NoGrant> {
        let asked_at = self.env.now();
        let endpoint = TokenEndpoint {
            client: self,
            provider,
            redactor: &redactor,
            kept: OnceLock::new(),
        };
        let reply = send(&endpoint).await;
        let kept = endpoint.kept.into_inner();
        let reply = reply.map_err(|error| NoGrant {
            error: endpoint::into_error(error),
            refresh_token: kept,
        })?;
        Ok(grant::of(&reply, asked_at, redactor))
    }
}
