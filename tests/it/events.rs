//! Events: one for every change of a connection, with why and through what,
//! and a bounded number of them.

use std::time::Duration;

use serde_json::json;

use crate::support::person;
use crate::support::provider::{Failure, Provider, Rotation};
use crate::support::stage::{Stage, text};
use crate::support::waiting::until;

#[tokio::test]
async fn a_login_says_once_that_an_account_was_connected_and_once_for_which_agent() {
    let stage = Stage::new().await;
    stage.provider.name_account("ada");
    stage.log_in(json!({})).await;
    stage.log_in(json!({"scopes": ["write"]})).await;
    assert_eq!(
        stage.events().await,
        ["connected login flow -", "connected renewed flow -"]
    );
    stage
        .log_in(json!({"agent_id": "bot", "user_id": "maria"}))
        .await;
    assert_eq!(
        stage.events().await[2..],
        ["connected login flow bot", "agent_connected login flow bot"]
    );
}

#[tokio::test]
async fn a_refusal_at_the_provider_is_one_event() {
    let stage = Stage::new().await;
    let asked = stage.authenticate(json!({})).await;
    let url: url::Url = asked["url"].as_str().unwrap().parse().unwrap();
    let of = |name: &str| {
        let found = url.query_pairs().find(|(found, _)| found == name);
        found.unwrap().1.into_owned()
    };
    let refusal = format!(
        "{}?error=access_denied&state={}",
        of("redirect_uri"),
        of("state")
    );
    person::open(&refusal).await;
    person::open(&refusal).await;
    assert_eq!(stage.events().await, ["denied access_denied flow -"]);
    assert_eq!(stage.wait(&asked).await["error"], "access_denied");
}

#[tokio::test]
async fn a_refresh_that_fails_says_why() {
    let stage = Stage::new().await;
    let pair = stage.provider.grant();
    let expired = json!({"refresh_token": pair.refresh, "expires_in_seconds": 0});
    stage.import(expired).await;
    stage.provider.fail_always(Some(Failure::status(503, "{}")));
    let body = json!({"provider": "strict", "scopes": ["read"]});
    stage.post("/authenticate", body).await.with(503);
    let events = stage.events().await;
    assert!(
        events[1].starts_with("refresh_failed the provider"),
        "{events:?}"
    );
    assert!(events[1].ends_with("refresh -"), "{events:?}");
}

#[tokio::test]
async fn a_grant_that_ends_says_why() {
    let stage = Stage::new().await;
    let pair = stage.provider.grant();
    let expired = json!({"refresh_token": pair.refresh, "expires_in_seconds": 0});
    stage.import(expired).await;
    let fault = Failure::oauth(400, "invalid_grant");
    stage.provider.fail_always(Some(fault));
    stage.authenticate(json!({})).await;
    let events = stage.events().await;
    assert_eq!(events[1..], ["reconnect_required invalid_grant refresh -"]);
}

#[tokio::test]
async fn a_refresh_is_an_event() {
    let stage = Stage::new().await;
    let pair = stage.provider.grant();
    let expired = json!({"refresh_token": pair.refresh, "expires_in_seconds": 0});
    stage.import(expired).await;
    stage.authenticate(json!({})).await;
    assert_eq!(stage.events().await[1..], ["refreshed expiring refresh -"]);
}

#[tokio::test]
async fn a_changed_and_a_deleted_provider_say_so_of_each_token() {
    let stage = Stage::new().await;
    stage.import(json!({})).await;
    stage.import(json!({})).await;
    let changes = json!({"client_id": "other"});
    stage.patch("/providers/strict", changes).await.with(200);
    stage.delete("/providers/strict").await.with(200);
    assert_eq!(
        stage.events().await[2..],
        [
            "reconnect_required provider_changed api -",
            "reconnect_required provider_changed api -",
            "deleted deleted with its provider, but not revoked at the provider: \
             the provider's client or address was changed since api -",
            "deleted deleted with its provider, but not revoked at the provider: \
             the provider's client or address was changed since api -",
        ]
    );
}

#[tokio::test]
async fn a_changed_login_address_asks_the_person_again() {
    let stage = Stage::new().await;
    stage.import(json!({})).await;
    let changes = json!({"auth_url": "https://example.com/authorize"});
    stage.patch("/providers/strict", changes).await.with(200);
    let last = stage.events().await.pop().unwrap();
    assert_eq!(last, "reconnect_required provider_changed api -");
    assert_eq!(stage.authenticate(json!({})).await["status"], "pending");
}

#[tokio::test]
async fn a_refresh_that_ends_after_its_provider_was_changed_leaves_the_token_to_the_person() {
    let stage = Stage::with_settings("refresh_active_within = 0\n").await;
    let pair = stage.provider.grant();
    let expired = json!({"refresh_token": pair.refresh, "expires_in_seconds": 0});
    stage.import(expired).await;
    stage.provider.answer_late(Duration::from_millis(1500));
    let (asked, ()) = tokio::join!(stage.authenticate(json!({})), async {
        until("the request", async || stage.provider.refreshes() == 1).await;
        let changes = json!({"client_id": "other"});
        stage.patch("/providers/strict", changes).await.with(200);
    });
    assert_eq!(asked["status"], "pending", "{asked}");
    assert_eq!(stage.provider.refreshes(), 1);
}

#[tokio::test]
async fn a_changed_token_address_gets_no_secret_of_the_old_one() {
    let stage = Stage::with_settings("refresh_active_within = 0\n").await;
    let pair = stage.provider.grant();
    let expired = json!({"refresh_token": pair.refresh, "expires_in_seconds": 0});
    stage.import(expired).await;
    let other = Provider::start(Rotation::Strict, 3600);
    let changes = json!({"token_url": other.url("/token")});
    stage.patch("/providers/strict", changes).await.with(200);
    let asked = stage.authenticate(json!({})).await;
    assert_eq!(asked["status"], "pending", "{asked}");
    person::open(asked["url"].as_str().unwrap()).await;
    let sent = other.requests();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].form["grant_type"], "authorization_code");
    assert_eq!(sent[0].form.get("client_secret"), None);
}

#[tokio::test]
async fn the_oldest_events_go_and_a_list_is_as_long_as_was_asked() {
    let stage = Stage::with_settings("max_events = 5\n").await;
    let mut tokens = Vec::new();
    for _ in 0..8 {
        tokens.push(stage.import(json!({})).await);
    }
    let all = stage.get("/token-events").await.with(200);
    let named: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|event| text(&event["token_id"]))
        .collect();
    tokens.reverse();
    assert_eq!(named, tokens[..5]);
    let two = stage.get("/token-events?limit=2").await.with(200);
    assert_eq!(two.as_array().unwrap()[..], all.as_array().unwrap()[..2]);
    for (query, length) in [
        ("provider_id=strict", 5),
        ("provider_id=none", 0),
        ("provider_id=%2F", 0),
    ] {
        let path = format!("/token-events?{query}");
        let some = stage.get(&path).await.with(200);
        assert_eq!(some.as_array().unwrap().len(), length, "{query}");
    }
    stage.get("/token-events?limit=0").await.with(422);
}
