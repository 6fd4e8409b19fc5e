//! Finding the revocation endpoint of a provider that was created without one.

use agent_authd::client::{NewProvider, TokenImport};
use agent_authd::clock::Env;
use agent_authd::identity::{ProviderId, Scopes};
use agent_authd::secret::{AccessToken, RefreshToken};
use serde_json::json;

use super::server::{Answer, METADATA, TestServer};
use crate::support::daemon::{Home, InProcess};

/// Deletes two tokens of a provider without a revocation endpoint. Returns the
/// request lines that the server received.
async fn lines_of_a_deletion(server: &TestServer) -> Vec<String> {
    let home = Home::new();
    let daemon = InProcess::start(&home, Env::system()).await;
    let client = daemon.client();
    let id = ProviderId::parse("plain").unwrap();
    let provider = NewProvider {
        provider_id: id.clone(),
        name: "Plain".to_owned(),
        client_id: "c".to_owned(),
        client_secret: None,
        auth_url: server.url("/authorize"),
        token_url: server.url("/as/token"),
        uses_pkce: None,
        provider_type: None,
        token_endpoint_auth_method: None,
        authorization_params: Default::default(),
        allowed_redirect_uris: Vec::new(),
    };
    client.create_provider(&provider).await.unwrap();
    for round in ["first", "second"] {
        let token = TokenImport {
            provider_id: id.clone(),
            access_token: AccessToken::new(format!("canary-access-{round}")),
            refresh_token: Some(RefreshToken::new(format!("canary-refresh-{round}"))),
            expires_in_seconds: None,
            scopes: Scopes::default(),
        };
        client.import_token(&token).await.unwrap();
        client.delete_tokens(&id).await.unwrap();
        assert!(client.tokens(None).await.unwrap().is_empty());
    }
    daemon.stop().await;
    server.lines()
}

#[tokio::test]
async fn the_revocation_endpoint_is_looked_up_once() {
    let server = TestServer::working();
    server.answer("/as/revoke", Answer::Json(200, json!({})));
    let lines = lines_of_a_deletion(&server).await;
    let revocations = lines
        .iter()
        .filter(|line| *line == "POST /as/revoke")
        .count();
    assert_eq!(revocations, 4, "{lines:?}");
    let looks = lines
        .iter()
        .filter(|line| **line == format!("GET {METADATA}"))
        .count();
    assert_eq!(looks, 1, "{lines:?}");
}

#[tokio::test]
async fn tokens_are_sent_to_no_revocation_endpoint_of_another_server() {
    let elsewhere = TestServer::start();
    for changes in [
        json!({"revocation_endpoint": elsewhere.url("/as/revoke")}),
        json!({"issuer": elsewhere.url("/as")}),
        json!({"token_endpoint": elsewhere.url("/as/token")}),
    ] {
        let server = TestServer::working();
        let mut metadata = server.metadata();
        let members = metadata.as_object_mut().unwrap();
        members.extend(changes.as_object().unwrap().clone());
        server.answer_json(METADATA, metadata);
        let lines = lines_of_a_deletion(&server).await;
        assert!(
            lines.iter().all(|line| line.starts_with("GET ")),
            "{lines:?}"
        );
    }
    assert!(elsewhere.requests().is_empty());
}
