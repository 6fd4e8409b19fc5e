//! Authorization URLs.

use url::Url;

use super::super::*;
use super::provider_at;
use crate::provider::{self, Kind, Pkce};
use crate::secret::State;

fn url(provider: &Provider) -> String {
    let request = AuthorizationRequest {
        chooses_account: false,
        provider,
        redirect_uri: "http://127.0.0.1:8252/cb",
        scopes: &Scopes::new(["b", "a"]),
        state: &State::new("state"),
        verifier: Some(&CodeVerifier::new(
            // RFC 7636, appendix B
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        )),
    };
    let url = authorization_url(&request);
    assert_eq!(url, authorization_url(&request));
    url.query().unwrap().to_owned()
}

fn provider() -> Provider {
    provider_at(&Url::parse("https://example.com/").unwrap())
}

#[test]
fn the_url_contains_the_parameters_of_the_flow() {
    assert_eq!(
        url(&provider()),
        "response_type=code&client_id=my+client&state=state&scope=a+b\
         &redirect_uri=http%3A%2F%2F127.0.0.1%3A8252%2Fcb\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM\
         &code_challenge_method=S256"
    );
}

#[test]
fn no_setting_overrides_a_reserved_parameter() {
    let mut provider = provider();
    provider.endpoints.authorization =
        Url::parse("https://example.com/a?state=evil&tenant=t&prompt=none").unwrap();
    for name in provider::RESERVED_PARAMETERS {
        let evil = (name.to_owned(), "evil".to_owned());
        provider.authorization_params.extend([evil]);
    }
    let prompt = ("prompt".to_owned(), "login".to_owned());
    provider.authorization_params.extend([prompt]);
    let url = url(&provider);
    assert!(!url.contains("evil"), "{url}");
    assert!(url.starts_with("tenant=t&response_type=code&"), "{url}");
    assert!(url.ends_with("&prompt=login"), "{url}");
    assert_eq!(url.matches("prompt=").count(), 1);
}

#[test]
fn the_settings_of_a_provider_override_its_quirks() {
    let mut provider = provider();
    provider.endpoints.token = Url::parse("https://oauth2.googleapis.com/token").unwrap();
    assert!(url(&provider).ends_with("&access_type=offline&prompt=consent"));
    let prompt = ("prompt".to_owned(), "select_account".to_owned());
    provider.authorization_params.extend([prompt]);
    assert!(url(&provider).ends_with("&access_type=offline&prompt=select_account"));
}

#[test]
fn scopes_challenge_and_resource_follow_the_provider() {
    let mut provider = provider();
    provider.kind = Some(Kind::Slack);
    provider.pkce = Pkce::Plain;
    provider.resource = Some("https://mcp.example.com/mcp".to_owned());
    let slack = url(&provider);
    assert!(slack.contains("&scope=a%2Cb&"), "{slack}");
    assert!(slack.contains("&code_challenge_method=plain&"), "{slack}");
    assert!(slack.ends_with("&resource=https%3A%2F%2Fmcp.example.com%2Fmcp"));
    provider.kind = Some(Kind::Microsoft);
    provider.pkce = Pkce::Off;
    let microsoft = url(&provider);
    assert!(microsoft.contains("&scope=a+b+offline_access&"));
    assert!(!microsoft.contains("resource") && !microsoft.contains("challenge"));
}
