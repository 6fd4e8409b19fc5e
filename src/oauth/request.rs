//! Builds requests: client authentication (RFC 6749, section 2.3), and the
//! encoding of parameters that a provider requires.
//!
//! A request uses one method of authentication: the secret is in the header or in
//! the body, never in both. A public client sends only its identifier.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use oauth2::http::{Method, Request};
use oauth2::{
    AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, ExtraTokenFields, HttpRequest,
    StandardRevocableToken, StandardTokenResponse, TokenUrl,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use super::Error;
use crate::provider::quirks::{Quirks, TokenBody};
use crate::provider::{AuthMethod, Provider};
use crate::secret::{self, ExposeSecret as _};

/// The media type that requests accept, and the type of JSON bodies.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The media type of form bodies.
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// The members of a token reply that RFC 6749, section 5.1, does not define.
#[derive(Deserialize, Serialize)]
pub(super) struct Members {
    /// The members by name.
    #[serde(flatten)]
    pub(super) all: Map<String, Value>,
}

impl std::fmt::Debug for Members {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Members([redacted])")
    }
}

impl ExtraTokenFields for Members {}

/// A token reply with all its members.
pub(super) type TokenReply = StandardTokenResponse<Members, BasicTokenType>;

/// A client of the `oauth2` crate without endpoints.
type Unset = oauth2::Client<
    BasicErrorResponse,
    TokenReply,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

/// A client of the `oauth2` crate with a token endpoint.
pub(super) type Registered = oauth2::Client<
    BasicErrorResponse,
    TokenReply,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// The client that is registered with `provider`, with its authentication.
#[expect(
    clippy::disallowed_methods,
    reason = "the client secret is sent to the token endpoint of its provider"
)]
pub(super) fn registered(provider: &Provider) -> Registered {
    let endpoint = TokenUrl::from_url(provider.endpoints.token.clone());
    let id = ClientId::new(provider.client.client_id.clone());
    let client = Unset::new(id).set_token_uri(endpoint);
    match credentials(provider) {
        Credentials::Public => client.set_auth_type(AuthType::RequestBody),
        Credentials::Basic(secret) => client
            .set_auth_type(AuthType::BasicAuth)
            .set_client_secret(ClientSecret::new(secret.expose_secret().to_owned())),
        Credentials::Post(secret) => client
            .set_auth_type(AuthType::RequestBody)
            .set_client_secret(ClientSecret::new(secret.expose_secret().to_owned())),
    }
}

/// How a client authenticates.
pub(super) enum Credentials<'a> {
    /// Not at all; it sends only its identifier.
    Public,
    /// With the `Authorization` header.
    Basic(&'a secret::ClientSecret),
    /// With parameters in the body.
    Post(&'a secret::ClientSecret),
}

/// How the client of `provider` authenticates.
pub(super) fn credentials(provider: &Provider) -> Credentials<'_> {
    let client = &provider.client;
    let secret = client.client_secret.as_ref();
    let Some(secret) = secret.filter(|_| client.is_confidential()) else {
        return Credentials::Public;
    };
    let wanted = provider.quirks().confidential_auth;
    match wanted.unwrap_or(client.auth_method) {
        AuthMethod::None => Credentials::Public,
        AuthMethod::ClientSecretBasic => Credentials::Basic(secret),
        AuthMethod::ClientSecretPost => Credentials::Post(secret),
    }
}

/// A `Basic` header value. Both parts are form-encoded first (RFC 6749, section
/// 2.3.1).
#[expect(
    clippy::disallowed_methods,
    reason = "the client secret is sent to its provider"
)]
pub(super) fn basic(client_id: &str, secret: &secret::ClientSecret) -> Result<HeaderValue, Error> {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(client_id), encode(secret.expose_secret()));
    header(&format!("Basic {}", STANDARD.encode(pair)))
}

/// Converts `text` to a header value.
///
/// # Errors
/// [`Error::HttpClient`] if the configured credential is not valid in a header.
pub(super) fn header(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|_| Error::HttpClient {
        what: "a credential has characters that are not allowed in a header".to_owned(),
    })
}

/// A form request, authenticated as the client of `provider`, for requests that
/// the `oauth2` crate does not support.
#[expect(
    clippy::disallowed_methods,
    reason = "the client secret is sent to its provider"
)]
pub(super) fn form<'a>(
    provider: &'a Provider,
    address: &Url,
    mut parameters: Vec<(&'a str, &'a str)>,
) -> Result<HttpRequest, Error> {
    let client_id = provider.client.client_id.as_str();
    let mut authorization = None;
    match credentials(provider) {
        Credentials::Public => parameters.push(("client_id", client_id)),
        Credentials::Basic(secret) => authorization = Some(basic(client_id, secret)?),
        Credentials::Post(secret) => {
            parameters.push(("client_id", client_id));
            parameters.push(("client_secret", secret.expose_secret()));
        }
    }
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    let mut request = bare(Method::POST, address, body.into_bytes())?;
    request.headers_mut().insert(CONTENT_TYPE, FORM);
    request
        .headers_mut()
        .extend(authorization.map(|value| (AUTHORIZATION, value)));
    Ok(request)
}

/// A request with an `Accept` header and no other headers.
pub(super) fn bare(method: Method, address: &Url, body: Vec<u8>) -> Result<HttpRequest, Error> {
    Request::builder()
        .method(method)
        .uri(address.as_str())
        .header(ACCEPT, JSON)
        .body(body)
        .map_err(|_| Error::HttpClient {
            what: "the provider's address is not valid".to_owned(),
        })
}

/// Rewrites a form request as `quirks` require.
pub(super) fn adapted(request: HttpRequest, quirks: &Quirks) -> HttpRequest {
    let (mut parts, mut body) = request.into_parts();
    if quirks.token_body == TokenBody::Json {
        let members: Map<String, Value> = form_urlencoded::parse(&body)
            .map(|(name, value)| (name.into_owned(), Value::from(value)))
            .collect();
        body = Value::Object(members).to_string().into_bytes();
        parts.headers.insert(CONTENT_TYPE, JSON);
    }
    add_headers(&mut parts.headers, quirks);
    Request::from_parts(parts, body)
}

fn add_headers(headers: &mut HeaderMap, quirks: &Quirks) {
    for (name, value) in quirks.token_headers {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_json_if_the_provider_requires_it() {
        let quirks = Quirks {
            token_body: TokenBody::Json,
            token_headers: &[("notion-version", "1")],
            ..Quirks::NONE
        };
        let url = Url::parse("https://example.com/").unwrap();
        let form = b"code=a%2Fb&grant_type=authorization_code".to_vec();
        let request = adapted(bare(Method::POST, &url, form.clone()).unwrap(), &quirks);
        assert_eq!(
            request.body(),
            br#"{"code":"a/b","grant_type":"authorization_code"}"#
        );
        assert_eq!(request.headers()[CONTENT_TYPE], JSON);
        assert_eq!(request.headers()["notion-version"], "1");
        let plain = adapted(
            bare(Method::POST, &url, form.clone()).unwrap(),
            &Quirks::NONE,
        );
        assert_eq!(plain.body(), &form);
    }
}
