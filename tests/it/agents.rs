//! Which tokens an agent may use, and an agent's own token in place of its
//! earlier one.

use serde_json::{Value, json};

use crate::support::stage::{Stage, text};

const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

async fn connect(stage: &Stage, agent: &str, token: &str) -> Value {
    let path = format!("/agents/{agent}/connections");
    let body = json!({"oauth_token_id": token});
    stage.post(&path, body).await.with(201)
}

/// The tokens that an agent may use.
async fn tokens_of(stage: &Stage, agent: &str) -> Vec<String> {
    let path = format!("/agents/{agent}/connections");
    let list = stage.get(&path).await.with(200);
    let all = list["data"].as_array().unwrap();
    all.iter()
        .map(|connection| text(&connection["oauth_token_id"]))
        .collect()
}

/// Every stored token, newest first.
async fn stored(stage: &Stage) -> Vec<String> {
    let list = stage.get("/tokens").await.with(200);
    let all = list.as_array().unwrap();
    all.iter().map(|token| text(&token["id"])).collect()
}

async fn upsert(stage: &Stage, agent: &str, body: Value) -> Value {
    let path = format!("/agents/{agent}/providers/strict/tokens");
    stage.post(&path, body).await.with(201)
}

#[tokio::test]
async fn a_connection_is_made_once_listed_and_taken_away() {
    let stage = Stage::new().await;
    let token = stage.import(json!({"expires_in_seconds": 3600})).await;
    let made = connect(&stage, "bot", &token).await;
    let mut names: Vec<_> = made.as_object().unwrap().keys().cloned().collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "agent_id",
            "created_at",
            "created_by",
            "expires_at",
            "id",
            "oauth_token_id",
            "provider_account_label",
            "provider_id",
            "scopes",
        ]
    );
    assert_eq!(connect(&stage, "bot", &token).await["id"], made["id"]);
    assert_eq!(tokens_of(&stage, "bot").await, std::slice::from_ref(&token));
    let path = format!("/agents/bot/connections/{}", text(&made["id"]));
    let others = format!("/agents/other/connections/{}", text(&made["id"]));
    stage.delete(&others).await.with(404);
    stage.delete(&path).await.with(204);
    stage.delete(&path).await.with(404);
    assert!(tokens_of(&stage, "bot").await.is_empty());
    assert_eq!(stored(&stage).await, [token]);
    assert_eq!(
        stage.events().await,
        [
            "imported imported api -",
            "agent_connected allowed api bot",
            "agent_disconnected taken_away api bot",
        ]
    );
}

#[tokio::test]
async fn a_token_that_is_not_there_cannot_be_connected() {
    let stage = Stage::new().await;
    for token in [NOBODY, "x", ""] {
        let body = json!({"oauth_token_id": token});
        stage.post("/agents/bot/connections", body).await.with(404);
    }
    stage
        .post("/agents/bot/connections", json!({}))
        .await
        .with(422);
    let path = format!("/agents/bot/connections/{NOBODY}");
    stage.delete(&path).await.with(404);
}

#[tokio::test]
async fn an_agents_name_may_hold_anything() {
    let stage = Stage::new().await;
    let token = stage.import(json!({})).await;
    let made = connect(&stage, "my%20agent%2Fone%3F", &token).await;
    assert_eq!(made["agent_id"], "my agent/one?");
    let asked = stage
        .authenticate(json!({"agent_id": "my agent/one?"}))
        .await;
    assert_eq!(asked["metadata"]["token_id"], token);
}

#[tokio::test]
async fn an_agents_token_replaces_and_deletes_the_one_that_only_it_used() {
    let stage = Stage::new().await;
    let first = upsert(&stage, "bot", json!({"access_token": "canary-one"})).await;
    let body = json!({"access_token": "canary-two", "provider_account_label": "work"});
    let second = upsert(&stage, "bot", body).await;
    assert_eq!(second["provider_account_label"], "work");
    let second = text(&second["oauth_token_id"]);
    assert_ne!(text(&first["oauth_token_id"]), second);
    assert_eq!(stored(&stage).await, std::slice::from_ref(&second));
    assert_eq!(tokens_of(&stage, "bot").await, [second]);
    let asked = stage
        .authenticate(json!({"agent_id": "bot", "scopes": []}))
        .await;
    assert_eq!(asked["token"], "canary-two");
    assert_eq!(
        stage.events().await,
        [
            "imported imported api bot",
            "agent_connected imported api bot",
            "deleted replaced api bot",
            "imported imported api bot",
            "agent_connected imported api bot",
        ]
    );
}

#[tokio::test]
async fn an_agents_import_of_a_stored_refresh_token_is_the_token_that_holds_it() {
    let stage = Stage::new().await;
    let users = stage.import(json!({"refresh_token": "canary-r"})).await;
    let body = json!({"access_token": "canary-new", "refresh_token": "canary-r"});
    for _ in 0..2 {
        let made = upsert(&stage, "bot", body.clone()).await;
        assert_eq!(made["oauth_token_id"], users);
    }
    assert_eq!(stored(&stage).await, [users]);
    let asked = stage.authenticate(json!({"agent_id": "bot"})).await;
    assert_eq!(asked["token"], "canary-new");
}

#[tokio::test]
async fn a_users_own_token_is_only_taken_from_the_agent() {
    let stage = Stage::new().await;
    let users = stage.import(json!({})).await;
    connect(&stage, "bot", &users).await;
    let new = upsert(&stage, "bot", json!({"access_token": "canary-new"})).await;
    let new = text(&new["oauth_token_id"]);
    assert_eq!(tokens_of(&stage, "bot").await, std::slice::from_ref(&new));
    assert_eq!(stored(&stage).await, [new, users]);
    let events = stage.events().await;
    assert!(events.contains(&"agent_disconnected replaced api bot".to_owned()));
}

#[tokio::test]
async fn a_token_that_another_agent_uses_is_only_taken_from_the_agent() {
    let stage = Stage::new().await;
    let shared = upsert(&stage, "bot", json!({"access_token": "canary-one"})).await;
    let shared = text(&shared["oauth_token_id"]);
    connect(&stage, "other", &shared).await;
    upsert(&stage, "bot", json!({"access_token": "canary-two"})).await;
    assert_eq!(
        tokens_of(&stage, "other").await,
        std::slice::from_ref(&shared)
    );
    assert!(stored(&stage).await.contains(&shared));
    assert!(!tokens_of(&stage, "bot").await.contains(&shared));
}

#[tokio::test]
async fn another_providers_token_stays_with_the_agent() {
    let stage = Stage::new().await;
    let mut other = stage.provider.registration();
    other.provider_id = agent_authd::identity::ProviderId::parse("other").unwrap();
    stage.daemon.client().create_provider(&other).await.unwrap();
    let kept = stage.import(json!({"provider_id": "other"})).await;
    connect(&stage, "bot", &kept).await;
    upsert(&stage, "bot", json!({"access_token": "canary-one"})).await;
    assert!(tokens_of(&stage, "bot").await.contains(&kept));
}

#[tokio::test]
async fn a_token_for_an_unknown_provider_is_not_taken() {
    let stage = Stage::new().await;
    let path = "/agents/bot/providers/none/tokens";
    let body = json!({"access_token": "canary-one"});
    stage.post(path, body).await.with(404);
    let path = "/agents/bot/providers/strict/tokens";
    stage.post(path, json!({})).await.with(422);
}

#[tokio::test]
async fn each_agent_has_one_default_whatever_it_brings() {
    let stage = Stage::new().await;
    for agent in ["one", "two", "one", "two"] {
        upsert(&stage, agent, json!({"access_token": "canary-x"})).await;
        let list = stage.get("/tokens").await.with(200);
        for token in list.as_array().unwrap() {
            assert_eq!(token["is_default"], true, "{list}");
        }
    }
}
