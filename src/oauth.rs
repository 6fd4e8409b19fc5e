//! The OAuth 2 protocol: the authorization address, the exchange of a code, the
//! refresh of a grant, and its end at the provider; and how all of that is found
//! from an MCP server's address.
//!
//! It knows nothing of the vault: a grant becomes a newer grant, or a typed
//! error that says what the caller can do. It writes no log line, and no error
//! holds a secret or more of a reply than its code and its description.

mod account;
mod authorize;
mod normalize;
mod deadline;
pub mod discovery;
mod endpoint;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod grant;
mod http;
mod redact;
mod refusal;
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

/// Why a token endpoint gave no grant, by what the caller can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The code or the refresh token is no longer good (RFC 6749, section 5.2):
    /// the grant has ended, and a person is needed.
    #[error("the provider no longer accepts this grant{}", described(description))]
    InvalidGrant {
        /// The provider's words, made safe to show.
        description: Option<String>,
    },
    /// The provider refuses the client, and so all of its grants (RFC 6749,
    /// section 5.2: `invalid_client`, `unauthorized_client`): its settings must
    /// be changed, and asking a person again is of no use.
    #[error("the provider refuses this client ({code}){}", described(description))]
    ClientRejected {
        /// The provider's error code.
        code: String,
        /// The provider's words, made safe to show.
        description: Option<String>,
    },
    /// The provider refuses this one request and does not say that the grant
    /// has ended. It says nothing about the client's other grants.
    #[error("the provider refuses this request ({code}){}", described(description))]
    Refused {
        /// The provider's error code.
        code: String,
        /// The provider's words, made safe to show.
        description: Option<String>,
    },
    /// No connection to the provider could be made: nothing was sent.
    #[error("the provider cannot be reached")]
    Unreachable,
    /// The provider cannot answer now. Nothing was granted; to be tried again
    /// later.
    #[error("the provider is not available now")]
    Unavailable {
        /// How long the provider asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The request was sent, or may have been, and no answer came that says
    /// what became of it: a single-use token in it may be spent.
    #[error("no usable answer came from the provider ({what})")]
    OutcomeUnknown {
        /// What came instead; never a part of it.
        what: String,
        /// How long the provider asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// There was an answer that is no success, and not one of OAuth's.
    #[error("the provider's answer makes no sense: {what}")]
    MalformedResponse {
        /// What is wrong with it; never a part of it.
        what: String,
    },
    /// This machine cannot make such a request at all.
    #[error("no request can be made: {what}")]
    HttpClient {
        /// What is missing.
        what: String,
    },
}

/// The account that a token was for, from the metadata that was kept of its reply.
#[must_use]
pub fn account_in(metadata: &Map<String, Value>) -> Option<AccountId> {
    account::identifier_in(metadata)
}

/// Text of a provider's as it may be shown and stored: one line without control
/// characters, of bounded length; empty if nothing is left of it.
#[must_use]
pub fn shown_text(text: &str) -> String {
    Redactor::default().shown(text).unwrap_or_default()
}

/// Why a token request gave no grant, and what came of it all the same.
#[derive(Clone, Debug)]
pub struct NoGrant {
    /// Why.
    pub error: Error,
    /// A refresh token that came without an access token. It takes the place
    /// of what was sent, which may be spent.
    pub refresh_token: Option<RefreshToken>,
}

fn described(description: &Option<String>) -> String {
    description
        .as_ref()
        .map_or_else(String::new, |text| format!(": {text}"))
}

/// How a revocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The provider has ended the grant.
    Revoked,
    /// The provider has no way to end one.
    NoEndpoint,
}

/// Speaks to token endpoints. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    env: Env,
    http: Outbound,
}

impl Client {
    /// A client with the machine's certificates and proxy settings.
    ///
    /// # Errors
    /// [`Error::HttpClient`] if no HTTP client can be made here.
    pub fn new(env: Env) -> Result<Self, Error> {
        let http = Outbound::new()?;
        Ok(Self { env, http })
    }

    /// Exchanges an authorization code for a grant (RFC 6749, section 4.1.3).
    /// It is sent once.
    ///
    /// # Errors
    /// [`NoGrant`] says what the caller can do, and what to keep.
    #[expect(
        clippy::disallowed_methods,
        reason = "the code and its verifier go to the token endpoint"
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

    /// Renews a grant (RFC 6749, section 6). It is sent once. `scopes` are
    /// named in the request only to a provider that needs it.
    ///
    /// # Errors
    /// [`NoGrant`] says what the caller can do, and what to keep.
    #[expect(
        clippy::disallowed_methods,
        reason = "the refresh token goes to the token endpoint"
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

    /// The grant that the token endpoint answers a request with.
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
