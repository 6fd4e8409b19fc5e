//! Authorization URLs (RFC 6749, section 4.1.1; RFC 7636, section 4.3).
//!
//! Pure: the same request always gives the same URL.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth2::basic::BasicClient;
use oauth2::{AuthUrl, ClientId, CsrfToken, Scope};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::identity::Scopes;
use crate::provider::{Pkce, Provider, is_reserved_parameter};
use crate::secret::{CodeVerifier, ExposeSecret as _, State};

/// The input of an authorization URL.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizationRequest<'a> {
    /// The provider that is asked for authorization.
    pub provider: &'a Provider,
    /// The redirect URI, spelled exactly as registered with the provider.
    pub redirect_uri: &'a str,
    /// The requested scopes.
    pub scopes: &'a Scopes,
    /// The flow's state.
    pub state: &'a State,
    /// The flow's PKCE verifier, if the provider uses PKCE.
    pub verifier: Option<&'a CodeVerifier>,
    /// Whether the provider should offer a choice of accounts even if the
    /// browser is signed in to one.
    pub chooses_account: bool,
}

/// The URL that the user's browser opens.
///
/// The provider's `authorization_params` override its quirks. Neither they nor
/// the query of the endpoint override a reserved parameter.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the state is sent to the provider by the user's browser"
)]
pub fn authorization_url(request: &AuthorizationRequest<'_>) -> Url {
    let provider = request.provider;
    let extra = extra_parameters(provider, request.chooses_account);
    let endpoint = without(&provider.endpoints.authorization, |name| {
        is_reserved_parameter(name) || extra.contains_key(name)
    });
    let client = BasicClient::new(ClientId::new(provider.client.client_id.clone()))
        .set_auth_uri(AuthUrl::from_url(endpoint));
    let mut url = client
        .authorize_url(|| CsrfToken::new(request.state.expose_secret().to_owned()))
        .add_extra_param("redirect_uri", request.redirect_uri);
    let scope = scope(provider, request.scopes);
    if !scope.is_empty() {
        url = url.add_scope(Scope::new(scope));
    }
    if let Some((challenge, method)) = code_challenge(provider.pkce, request.verifier) {
        url = url
            .add_extra_param("code_challenge", challenge)
            .add_extra_param("code_challenge_method", method);
    }
    for (name, value) in extra {
        url = url.add_extra_param(name, value);
    }
    url.url().0
}

/// The `scope` parameter (RFC 6749, section 3.3) with the provider's separator,
/// including the scopes that it requires for a refresh token.
pub(super) fn scope(provider: &Provider, scopes: &Scopes) -> String {
    let quirks = provider.quirks();
    let added = Scopes::new(quirks.added_scopes.iter().copied());
    scopes.union(&added).join(quirks.scope_separator)
}

/// The `resource` parameter (RFC 8707, section 2), if the provider was
/// discovered from a resource and accepts the parameter.
pub(super) fn resource(provider: &Provider) -> Option<(&'static str, &str)> {
    let resource = provider.resource.as_deref();
    resource
        .filter(|_| provider.quirks().sends_resource)
        .map(|resource| ("resource", resource))
}

/// All parameters that are not reserved.
fn extra_parameters(provider: &Provider, chooses_account: bool) -> BTreeMap<&str, Cow<'_, str>> {
    let quirks = provider.quirks();
    let resource = resource(provider).map(|(name, value)| (name, Cow::from(value)));
    let fixed = quirks.authorization_params.iter();
    let own = provider.authorization_params.iter();
    let mut extra: BTreeMap<_, _> = resource
        .into_iter()
        .chain(fixed.map(|(name, value)| (*name, Cow::from(*value))))
        .chain(own.map(|(name, value)| (name.as_str(), Cow::from(value))))
        .filter(|(name, _)| !is_reserved_parameter(name))
        .collect();
    if let Some((name, value)) = quirks.account_choice.filter(|_| chooses_account) {
        let before = extra.remove(name).filter(|_| name == "prompt");
        extra.insert(name, with_prompt(before.as_deref(), value));
    }
    extra
}

/// Adds a value to the `prompt` parameter (OpenID Connect Core, section
/// 3.1.2.1). Removes `none`, which cannot be combined with other values.
fn with_prompt(before: Option<&str>, value: &'static str) -> Cow<'static, str> {
    let before = before.unwrap_or_default().split_whitespace();
    let kept = before.filter(|word| *word != "none" && *word != value);
    let words: Vec<_> = kept.chain([value]).collect();
    words.join(" ").into()
}

/// `endpoint` without the query parameters for which `is_set_elsewhere` is true.
fn without(endpoint: &Url, is_set_elsewhere: impl Fn(&str) -> bool) -> Url {
    let kept: Vec<_> = endpoint
        .query_pairs()
        .filter(|(name, _)| !is_set_elsewhere(name))
        .collect();
    let mut url = endpoint.clone();
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    url
}

/// The code challenge of a verifier, and its method (RFC 7636, section 4.2).
///
/// Not done with the `oauth2` crate, which panics if the verifier has another
/// length and supports `plain` only with a feature.
#[expect(
    clippy::disallowed_methods,
    reason = "the challenge is a hash of the verifier, or with `plain` the verifier itself"
)]
fn code_challenge(pkce: Pkce, verifier: Option<&CodeVerifier>) -> Option<(String, &'static str)> {
    let verifier = verifier?.expose_secret();
    let challenge = match pkce {
        Pkce::Off => return None,
        Pkce::Plain => verifier.to_owned(),
        Pkce::S256 => URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)),
    };
    Some((challenge, pkce.method()?))
}
