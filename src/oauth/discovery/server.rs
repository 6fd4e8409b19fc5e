//! The authorization server's metadata (RFC 8414; OpenID Connect Discovery 1.0).

use serde_json::{Map, Value};
use url::Url;

use super::client::{DiscoveryClient, Found};
use super::{Error, Step, shown_text};
use crate::oauth::normalize::text;
use crate::provider::{self, AuthMethod, Endpoints};

const STEP: Step = Step::AuthorizationServer;

/// Documents that hold it: the suffixes of RFC 8414 and of OpenID.
const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// An authorization server that takes this kind of client.
pub(super) struct Server {
    /// Its addresses.
    pub(super) endpoints: Endpoints,
    /// Where clients register.
    pub(super) registration: Url,
    /// How ours is to authenticate.
    pub(super) auth_method: AuthMethod,
    /// Whether it gives refresh tokens.
    pub(super) refreshes: bool,
}

/// Finds the server that is one of `issuers`, all of which are one server's
/// name.
pub(super) async fn find(client: &DiscoveryClient, issuers: &[String]) -> Result<Server, Error> {
    let issuer = issuers.first().map_or("", String::as_str);
    let place = provider::parse_endpoint(issuer).map_err(|why| {
        Error::unsupported(STEP, format!("{} is no issuer: {why}", shown_text(issuer)))
    })?;
    let mut missing = None;
    for address in well_known(&place) {
        match client.fetch_metadata(STEP, &address).await? {
            Found::Document(document) => return described(client, &document, issuers).await,
            // What went wrong says more than what is not there.
            Found::MalformedResponse(what) => missing = Some(Error::malformed(STEP, what)),
            Found::Nothing(what) => missing = missing.or(Some(Error::unsupported(STEP, what))),
        }
    }
    Err(missing.unwrap_or_else(|| Error::unsupported(STEP, "there is none")))
}

/// Where an issuer's metadata may be, in the order that MCP lays down.
pub(super) fn well_known(issuer: &Url) -> Vec<Url> {
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
    // RFC 8414, section 3.3: letter by letter.
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
            "the server does not take PKCE with S256",
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
            let what = "the server registers no clients by itself (it has no \
                        registration_endpoint); register one there and add it with its id";
            Error::unsupported(STEP, what)
        })?,
        auth_method: auth_method(document)?,
        refreshes: grant_types.is_none_or(|all| all.contains(&"refresh_token")),
    })
}

/// The least that a client can do there: a public one needs no secret kept.
fn auth_method(document: &Map<String, Value>) -> Result<AuthMethod, Error> {
    // RFC 8414, section 2: Basic if nothing is said.
    let Some(supported) = list(document, "token_endpoint_auth_methods_supported") else {
        return Ok(AuthMethod::ClientSecretBasic);
    };
    let mut known = AuthMethod::ALL.into_iter();
    known
        .find(|method| supported.contains(&method.as_str()))
        .ok_or_else(|| {
            Error::unsupported(STEP, "the server takes no client that agent-authd can be")
        })
}

async fn required(
    client: &DiscoveryClient,
    document: &Map<String, Value>,
    member: &str,
) -> Result<Url, Error> {
    let found = endpoint(client, document, member).await?;
    found.ok_or_else(|| Error::unsupported(STEP, format!("it names no {member}")))
}

/// An address that the document names, if requests and people may go there.
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

/// A list of texts; `None` if there is none.
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
        well_known(&issuer).iter().map(Url::to_string).collect()
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
