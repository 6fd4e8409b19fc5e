//! Where the tokens of a provider are revoked that was defined by two addresses
//! alone.

use agent_authd::client::{NewProvider, TokenImport};
use agent_authd::clock::Env;
use agent_authd::identity::{ProviderId, Scopes};
use agent_authd::secret::{AccessToken, RefreshToken};
use serde_json::json;

use super::stranger::{Answer, METADATA, Stranger};
use crate::support::daemon::{Home, InProcess};

/// Deletes a token of a provider that was defined by two addresses alone; what
/// the stranger was asked for.
async fn lines_of_a_deletion(stranger: &Stranger) -> Vec<String> {
    let home = Home::new();
    let daemon = InProcess::start(&home, Env::system()).await;
    let client = daemon.client();
    let id = ProviderId::parse("plain").unwrap();
    let provider = NewProvider {
        provider_id: id.clone(),
        name: "Plain".to_owned(),
        client_id: "c".to_owned(),
        client_secret: None,
        auth_url: stranger.url("/authorize"),
        token_url: stranger.url("/as/token"),
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
    stranger.lines()
}

#[tokio::test]
async fn where_tokens_are_revoked_is_learnt_once() {
    let stranger = Stranger::good();
    stranger.answer("/as/revoke", Answer::Json(200, json!({})));
    let lines = lines_of_a_deletion(&stranger).await;
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
async fn tokens_are_sent_to_no_other_revocation_endpoint() {
    let elsewhere = Stranger::start();
    for changes in [
        json!({"revocation_endpoint": elsewhere.url("/as/revoke")}),
        json!({"issuer": elsewhere.url("/as")}),
        json!({"token_endpoint": elsewhere.url("/as/token")}),
    ] {
        let stranger = Stranger::good();
        let mut metadata = stranger.metadata();
        let members = metadata.as_object_mut().unwrap();
        members.extend(changes.as_object().unwrap().clone());
        stranger.answer_json(METADATA, metadata);
        let lines = lines_of_a_deletion(&stranger).await;
        assert!(
            lines.iter().all(|line| line.starts_with("GET ")),
            "{lines:?}"
        );
    }
    assert!(elsewhere.asked().is_empty());
}
