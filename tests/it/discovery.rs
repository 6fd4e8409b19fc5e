//! A provider from an MCP server's address alone.

mod refusals;
mod revocation;
mod stranger;

use agent_authd::client::replies::ProviderResponse;
use agent_authd::client::{Authenticate, Client, Error, NewMcpProvider};
use agent_authd::clock::Env;
use agent_authd::identity::{ProviderId, Scopes};
use agent_authd::secret::{AuthorizationCode, State};
use serde_json::{Value, json};
use url::Url;

use self::stranger::{Answer, METADATA, Stranger};
use crate::support::daemon::{Home, InProcess};

fn provider_id() -> ProviderId {
    ProviderId::parse("mcp").unwrap()
}

async fn discover(client: &Client, url: &str) -> Result<ProviderResponse, Error> {
    let server = NewMcpProvider {
        provider_id: provider_id(),
        name: "An MCP server".to_owned(),
        mcp_server_url: url.to_owned(),
    };
    client.discover_provider(&server).await
}

/// What the stranger is asked to register.
fn registration(stranger: &Stranger) -> Value {
    let asked = stranger.asked();
    let registered = asked.iter().find(|(line, _)| line == "POST /as/register");
    registered
        .expect("it was asked to register a client")
        .1
        .clone()
}

#[tokio::test]
async fn an_address_becomes_a_provider_with_a_client_of_its_own() {
    let stranger = Stranger::good();
    let home = Home::new();
    let daemon = InProcess::start(&home, Env::system()).await;
    let client = daemon.client();
    let provider = discover(client, &stranger.url("/mcp")).await.unwrap();
    assert_eq!(provider.client_id, "made");
    assert_eq!(provider.auth_url, stranger.url("/as/authorize"));
    assert_eq!(provider.token_url, stranger.url("/as/token"));
    assert_eq!(provider.token_endpoint_auth_method, "none");
    assert_eq!(provider.mcp_server_url, Some(stranger.url("/mcp")));
    assert!(provider.is_dynamic_client && provider.uses_pkce);
    let stored = client.provider(&provider_id()).await.unwrap();
    assert_eq!(stored, provider);

    let redirect_uri = provider.default_redirect_uri.unwrap();
    assert_eq!(
        registration(&stranger),
        json!({
            "client_name": "agent-authd",
            "application_type": "native",
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        })
    );
    let ask = client.authenticate(&wanted()).await.unwrap();
    let url: Url = ask.url.unwrap().parse().unwrap();
    let sent = |name: &str| url.query_pairs().find(|(known, _)| known == name);
    assert_eq!(sent("resource").unwrap().1, stranger.url("/mcp"));
    assert_eq!(sent("redirect_uri").unwrap().1, redirect_uri);
    daemon.stop().await;
}

#[tokio::test]
async fn the_issuer_of_a_redirect_that_was_carried_by_hand_is_checked() {
    let stranger = Stranger::good();
    let home = Home::new();
    let daemon = InProcess::start(&home, Env::system()).await;
    let client = daemon.client();
    discover(client, &stranger.url("/mcp")).await.unwrap();
    for (iss, is_its_own) in [
        ("https://evil.example", false),
        (&stranger.url("/as"), true),
    ] {
        let ask = client.authenticate(&wanted()).await.unwrap();
        let url: Url = ask.url.unwrap().parse().unwrap();
        let (_, state) = url.query_pairs().find(|(name, _)| name == "state").unwrap();
        let (code, state) = (AuthorizationCode::new("canary-code"), State::new(state));
        let finished = client
            .finalize(&provider_id(), code, state, Some(iss.to_owned()))
            .await;
        let refused = finished.unwrap_err().to_string();
        assert_eq!(refused.contains("invalid_issuer"), !is_its_own, "{refused}");
        let was_sent = stranger.lines().contains(&"POST /as/token".to_owned());
        assert_eq!(was_sent, is_its_own);
    }
    daemon.stop().await;
}

fn wanted() -> Authenticate {
    Authenticate {
        provider: provider_id(),
        scopes: Scopes::default(),
        user_id: None,
        agent_id: None,
        check_only: false,
        force_new: false,
        newer_than: None,
        try_now: false,
    }
}

#[tokio::test]
async fn the_well_known_forms_serve_where_the_refusal_names_nothing() {
    let stranger = Stranger::good();
    let place = "/.well-known/oauth-protected-resource";
    stranger.answer("/mcp", Answer::Json(405, json!({})));
    stranger.answer_json(place, stranger.resource());
    stranger.answer(METADATA, Answer::html());
    let openid = "/as/.well-known/openid-configuration";
    stranger.answer_json(openid, stranger.metadata());
    let home = Home::new();
    let daemon = InProcess::start(&home, Env::system()).await;
    discover(daemon.client(), &stranger.url("/mcp"))
        .await
        .unwrap();
    assert_eq!(
        stranger.lines(),
        [
            "GET /mcp".to_owned(),
            format!("GET {place}/mcp"),
            format!("GET {place}"),
            format!("GET {METADATA}"),
            "GET /.well-known/openid-configuration/as".to_owned(),
            format!("GET {openid}"),
            "POST /as/register".to_owned(),
        ]
    );
    daemon.stop().await;
}

#[tokio::test]
async fn a_server_that_says_nothing_of_itself_is_its_own_authorization_server() {
    let stranger = Stranger::good();
    stranger.answer("/mcp", Answer::Json(401, json!({})));
    let mut metadata = stranger.metadata();
    metadata["issuer"] = json!(stranger.url(""));
    stranger.answer_json("/.well-known/oauth-authorization-server", metadata);
    let home = Home::new();
    let daemon = InProcess::start(&home, Env::system()).await;
    let provider = discover(daemon.client(), &stranger.url("/mcp")).await;
    assert_eq!(provider.unwrap().client_id, "made");
    daemon.stop().await;
}

#[tokio::test]
async fn a_document_is_found_behind_a_few_redirects() {
    let stranger = Stranger::good();
    for hop in 1..5 {
        stranger.answer(&format!("/{hop}"), Answer::redirect(format!("{}", hop + 1)));
    }
    stranger.answer_json("/5", stranger.resource());
    stranger.answer("/meta", Answer::redirect(stranger.url("/1")));
    let home = Home::new();
    let daemon = InProcess::start(&home, Env::system()).await;
    discover(daemon.client(), &stranger.url("/mcp"))
        .await
        .unwrap();
    daemon.stop().await;
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused_before_anybody_is_asked() {
    let stranger = Stranger::good();
    let home = Home::new();
    let daemon = InProcess::start(&home, Env::system()).await;
    discover(daemon.client(), &stranger.url("/mcp"))
        .await
        .unwrap();
    let asked = stranger.asked().len();
    let again = discover(daemon.client(), &stranger.url("/mcp")).await;
    let refused = matches!(&again, Err(Error::Refused { status, .. }) if status.as_u16() == 409);
    assert!(refused, "{again:?}");
    assert_eq!(stranger.asked().len(), asked);
    daemon.stop().await;
}
