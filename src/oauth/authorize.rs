//! The address a person is sent to (RFC 6749, section 4.1.1; RFC 7636, section
//! 4.3).
//!
//! Pure: the same request always makes the same address.

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

/// What an authorization request is made of.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizationRequest<'a> {
    /// The provider asked.
    pub provider: &'a Provider,
    /// Where the answer goes, in exactly the letters registered there.
    pub redirect_uri: &'a str,
    /// The scopes asked for.
    pub scopes: &'a Scopes,
    /// The flow's state.
    pub state: &'a State,
    /// The flow's PKCE verifier, if the provider's flows use one.
    pub verifier: Option<&'a CodeVerifier>,
    /// Whether the provider is to let the person choose an account, though the
    /// browser may be signed in to one.
    pub chooses_account: bool,
}

/// The address that a person's browser opens.
///
/// The provider's own `authorization_params` win over its quirks; neither wins
/// over a reserved parameter, not even in the endpoint's own query.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the state goes to the provider, through the person's browser"
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

/// The `scope` parameter (RFC 6749, section 3.3) in the provider's writing, with
/// the scopes without which it gives no refresh token.
pub(super) fn scope(provider: &Provider, scopes: &Scopes) -> String {
    let quirks = provider.quirks();
    let added = Scopes::new(quirks.added_scopes.iter().copied());
    scopes.union(&added).join(quirks.scope_separator)
}

/// The `resource` parameter (RFC 8707, section 2), where the provider was
/// discovered from a resource and may be told of it.
pub(super) fn resource(provider: &Provider) -> Option<(&'static str, &str)> {
    let resource = provider.resource.as_deref();
    resource
        .filter(|_| provider.quirks().sends_resource)
        .map(|resource| ("resource", resource))
}

/// The parameters that are neither reserved nor the flow's own.
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

/// The `prompt` parameter (OpenID Connect Core, section 3.1.2.1) with one more
/// value; `none` stands with no other.
fn with_prompt(before: Option<&str>, value: &'static str) -> Cow<'static, str> {
    let before = before.unwrap_or_default().split_whitespace();
    let kept = before.filter(|word| *word != "none" && *word != value);
    let words: Vec<_> = kept.chain([value]).collect();
    words.join(" ").into()
}

/// `endpoint` without the query parameters that `is_set_elsewhere` names.
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

/// The challenge made of a verifier, and its method (RFC 7636, section 4.2).
///
/// Made here since the crate panics on a verifier of another length and knows
/// no `plain` without a feature.
#[expect(
    clippy::disallowed_methods,
    reason = "the challenge is made of the verifier; only with `plain` is it the verifier"
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
