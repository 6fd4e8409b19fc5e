//! Creating a provider from the address of an MCP server.

mod refusals;
mod revocation;
mod server;

use agent_authd::client::replies::ProviderResponse;
use agent_authd::client::{Authenticate, Client, Error, NewMcpProvider};
use agent_authd::clock::Env;
use agent_authd::identity::{ProviderId, Scopes};
use agent_authd::secret::{AuthorizationCode, State};
use serde_json::{Value, json};
use url::Url;

use self::server::{Answer, METADATA, TestServer};
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

/// The body of the registration request.
fn registration(server: &TestServer) -> Value {
    let asked = server.requests();
    let registered = asked.iter().find(|(line, _)| line == "POST /as/register");
    registered.expect("a client was registered").1.clone()
}

#[tokio::test]
async fn discovery_creates_a_provider_and_registers_a_client() {
    let server = TestServer::working();
    let home = Home::new();
    let daemon = InProcess::start(&home, Env::system()).await;
    let client = daemon.client();
    let provider = discover(client, &server.url("/mcp")).await.unwrap();
    assert_eq!(provider.client_id, "made");
    assert_eq!(provider.auth_url, server.url("/as/authorize"));
    assert_eq!(provider.token_url, server.url("/as/token"));
    assert_eq!(provider.token_endpoint_auth_method, "none");
    assert_eq!(provider.mcp_server_url, Some(server.url("/mcp")));
    assert!(provider.is_dynamic_client && provider.uses_pkce);
    let stored = client.provider(&provider_id()).await.unwrap();
    assert_eq!(stored, provider);

    let redirect_uri = provider.default_redirect_uri.unwrap();
    assert_eq!(
        registration(&server),
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
    assert_eq!(sent("resource").unwrap().1, server.url("/mcp"));
    assert_eq!(sent("redirect_uri").unwrap().1, redirect_uri);
    daemon.stop().await;
}

#[tokio::test]
async fn the_issuer_of_a_manually_completed_callback_is_checked() {
    let server = TestServer::working();
    let home = Home::new();
    let daemon = InProcess::start(&home, Env::system()).await;
    let client = daemon.client();
    discover(client, &server.url("/mcp")).await.unwrap();
    for (iss, is_its_own) in [("https://evil.example", false), (&server.url("/as"), true)] {
        let ask = client.authenticate(&wanted()).await.unwrap();
        let url: Url = ask.url.unwrap().parse().unwrap();
        let (_, state) = url.query_pairs().find(|(name, _)| name == "state").unwrap();
        let (code, state) = (AuthorizationCode::new("canary-code"), State::new(state));
        let finished = client
            .finalize(&provider_id(), code, state, Some(iss.to_owned()))
            .await;
        let refused = finished.unwrap_err().to_string();
        assert_eq!(refused.contains("invalid_issuer"), !is_its_own, "{refused}");
        let was_sent = server.lines().contains(&"POST /as/token".to_owned());
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
async fn well_known_addresses_are_used_if_the_challenge_names_none() {
    let server = TestServer::working();
    let place = "/.well-known/oauth-protected-resource";
    server.answer("/mcp", Answer::Json(405, json!({})));
    server.answer_json(place, server.resource());
    server.answer(METADATA, Answer::html());
    let openid = "/as/.well-known/openid-configuration";
    server.answer_json(openid, server.metadata());
    let home = Home::new();
    let daemon = InProcess::start(&home, Env::system()).await;
    discover(daemon.client(), &server.url("/mcp"))
        .await
        .unwrap();
    assert_eq!(
        server.lines(),
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
async fn a_server_without_metadata_is_its_own_authorization_server() {
    let server = TestServer::working();
    server.answer("/mcp", Answer::Json(401, json!({})));
    let mut metadata = server.metadata();
    metadata["issuer"] = json!(server.url(""));
    server.answer_json("/.well-known/oauth-authorization-server", metadata);
    let home = Home::new();
    let daemon = InProcess::start(&home, Env::system()).await;
    let provider = discover(daemon.client(), &server.url("/mcp")).await;
    assert_eq!(provider.unwrap().client_id, "made");
    daemon.stop().await;
}

#[tokio::test]
async fn up_to_five_redirects_are_followed_to_a_document() {
    let server = TestServer::working();
    for hop in 1..5 {
        server.answer(&format!("/{hop}"), Answer::redirect(format!("{}", hop + 1)));
    }
    server.answer_json("/5", server.resource());
    server.answer("/meta", Answer::redirect(server.url("/1")));
    let home = Home::new();
    let daemon = InProcess::start(&home, Env::system()).await;
    discover(daemon.client(), &server.url("/mcp"))
        .await
        .unwrap();
    daemon.stop().await;
}

#[tokio::test]
async fn an_existing_provider_id_is_rejected_before_any_request() {
    let server = TestServer::working();
    let home = Home::new();
    let daemon = InProcess::start(&home, Env::system()).await;
    discover(daemon.client(), &server.url("/mcp"))
        .await
        .unwrap();
    let asked = server.requests().len();
    let again = discover(daemon.client(), &server.url("/mcp")).await;
    let refused = matches!(&again, Err(Error::Refused { status, .. }) if status.as_u16() == 409);
    assert!(refused, "{again:?}");
    assert_eq!(server.requests().len(), asked);
    daemon.stop().await;
}
