//! The authorization server's metadata (RFC 8414; OpenID Connect Discovery 1.0).

use serde_json::{Map, Value};
use strum::VariantArray as _;
use url::Url;

use super::client::{DiscoveryClient, Found};
use super::{Error, Step, shown_text};
use crate::oauth::reply::text;
use crate::provider::{self, AuthMethod, Endpoints};

const STEP: Step = Step::AuthorizationServer;

/// The well-known paths of the metadata, of RFC 8414 and of OpenID.
const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// An authorization server that supports the clients of agent-authd.
pub(super) struct Server {
    /// Its endpoints.
    pub(super) endpoints: Endpoints,
    /// Its registration endpoint.
    pub(super) registration: Url,
    /// How the client will authenticate.
    pub(super) auth_method: AuthMethod,
    /// Whether it issues refresh tokens.
    pub(super) refreshes: bool,
}

/// Finds the authorization server with one of `issuers`, which are spellings of
/// the same issuer.
pub(super) async fn find(client: &DiscoveryClient, issuers: &[String]) -> Result<Server, Error> {
    let issuer = issuers.first().map_or("", String::as_str);
    let place = provider::parse_endpoint(issuer).map_err(|why| {
        Error::unsupported(
            STEP,
            format!("{} is not an issuer: {why}", shown_text(issuer)),
        )
    })?;
    let mut missing = None;
    for address in metadata_urls(&place) {
        match client.fetch_metadata(STEP, &address).await? {
            Found::Document(document) => return described(client, &document, issuers).await,
            // A failure is more informative than a missing document.
            Found::MalformedResponse(what) => missing = Some(Error::malformed(STEP, what)),
            Found::Nothing(what) => missing = missing.or(Some(Error::unsupported(STEP, what))),
        }
    }
    Err(missing.unwrap_or_else(|| Error::unsupported(STEP, "it was not found")))
}

/// The addresses of an issuer's metadata, in the order that MCP specifies.
pub(super) fn metadata_urls(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let at = |path: &str| {
        let mut url = issuer.clone();
        url.set_query(None);
        url.set_path(path);
        url
    };
    let mut places = vec![
        at(&format!("{OAUTH}{path}")),
        at(&format!("{OPENID}{path}")),
    ];
    if !path.is_empty() {
        places.push(at(&format!("{path}{OPENID}")));
    }
    places
}

async fn described(
    client: &DiscoveryClient,
    document: &Map<String, Value>,
    issuers: &[String],
) -> Result<Server, Error> {
    let issuer = text(document, "issuer").unwrap_or_default();
    // RFC 8414, section 3.3, requires identical strings.
    if !issuers.iter().any(|known| known == issuer) {
        let expected = issuers.first().map_or("", String::as_str);
        let (found, expected) = (shown_text(issuer), shown_text(expected));
        let what = format!("its issuer is {found:?}, which is not {expected:?}");
        return Err(Error::unsupported(STEP, what));
    }
    if list(document, "code_challenge_methods_supported").is_some_and(|all| !all.contains(&"S256"))
    {
        return Err(Error::unsupported(
            STEP,
            "the server does not support PKCE with S256",
        ));
    }
    let registration = endpoint(client, document, "registration_endpoint").await?;
    let grant_types = list(document, "grant_types_supported");
    Ok(Server {
        endpoints: Endpoints {
            authorization: required(client, document, "authorization_endpoint").await?,
            token: required(client, document, "token_endpoint").await?,
            revocation: endpoint(client, document, "revocation_endpoint").await?,
            issuer: Some(issuer.to_owned()),
            sends_iss: document.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
        },
        registration: registration.ok_or_else(|| {
            let what = "the server does not support client registration (it has no \
                        registration_endpoint); register a client there and add the \
                        provider with its client_id";
            Error::unsupported(STEP, what)
        })?,
        auth_method: auth_method(document)?,
        refreshes: grant_types.is_none_or(|all| all.contains(&"refresh_token")),
    })
}

/// The simplest authentication method that the server supports. A public client
/// is preferred, because it has no secret to store.
fn auth_method(document: &Map<String, Value>) -> Result<AuthMethod, Error> {
    // RFC 8414, section 2: the default is Basic.
    let Some(supported) = list(document, "token_endpoint_auth_methods_supported") else {
        return Ok(AuthMethod::ClientSecretBasic);
    };
    let mut known = AuthMethod::VARIANTS.iter().copied();
    known
        .find(|method| supported.contains(&method.as_str()))
        .ok_or_else(|| {
            let what = "the server supports no authentication method that agent-authd supports";
            Error::unsupported(STEP, what)
        })
}

async fn required(
    client: &DiscoveryClient,
    document: &Map<String, Value>,
    member: &str,
) -> Result<Url, Error> {
    let found = endpoint(client, document, member).await?;
    found.ok_or_else(|| Error::unsupported(STEP, format!("it has no {member}")))
}

/// The endpoint in a member of the document; `None` if the member is absent.
///
/// # Errors
/// The address is not allowed.
async fn endpoint(
    client: &DiscoveryClient,
    document: &Map<String, Value>,
    member: &str,
) -> Result<Option<Url>, Error> {
    let Some(address) = text(document, member) else {
        return Ok(None);
    };
    let url = provider::parse_endpoint(address)
        .map_err(|why| Error::unsupported(STEP, format!("its {member} cannot be used: {why}")))?;
    client.check_address(STEP, &url).await?;
    Ok(Some(url))
}

/// The texts of a list; `None` if the member is not a list.
fn list<'a>(document: &'a Map<String, Value>, member: &str) -> Option<Vec<&'a str>> {
    let values = document.get(member)?.as_array()?;
    Some(values.iter().filter_map(Value::as_str).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(issuer: &str) -> Vec<String> {
        let issuer = Url::parse(issuer).unwrap();
        metadata_urls(&issuer).iter().map(Url::to_string).collect()
    }

    #[test]
    fn an_issuers_path_is_inserted_and_for_openid_appended_too() {
        assert_eq!(
            places("https://e.com/"),
            [
                format!("https://e.com{OAUTH}"),
                format!("https://e.com{OPENID}")
            ]
        );
        assert_eq!(
            places("https://e.com/realms/a"),
            [
                format!("https://e.com{OAUTH}/realms/a"),
                format!("https://e.com{OPENID}/realms/a"),
                format!("https://e.com/realms/a{OPENID}"),
            ]
        );
    }

    #[test]
    fn a_public_client_is_preferred() {
        let chosen = |methods: Value| {
            let document = json!({"token_endpoint_auth_methods_supported": methods});
            auth_method(document.as_object().unwrap()).ok()
        };
        let both = json!(["client_secret_post", "client_secret_basic"]);
        assert_eq!(chosen(both), Some(AuthMethod::ClientSecretBasic));
        let all = json!(["private_key_jwt", "client_secret_post", "none"]);
        assert_eq!(chosen(all), Some(AuthMethod::None));
        let post = json!(["client_secret_post"]);
        assert_eq!(chosen(post), Some(AuthMethod::ClientSecretPost));
        assert_eq!(chosen(json!(["private_key_jwt"])), None);
        assert_eq!(chosen(Value::Null), Some(AuthMethod::ClientSecretBasic));
    }
}
