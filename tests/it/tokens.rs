//! One token at a time, Slack's, and long lists: looking for them, naming
//! them, deleting them.

use serde_json::{Value, json};

use crate::support::stage::{Stage, text};

const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// Of each stored token its identifier and whether it is the default, newest
/// first.
async fn defaults(stage: &Stage) -> Vec<(String, bool)> {
    let list = stage.get("/tokens").await.with(200);
    let all = list.as_array().unwrap();
    all.iter()
        .map(|token| (text(&token["id"]), token["is_default"] == true))
        .collect()
}

async fn change(stage: &Stage, token: &str, changes: Value) -> Value {
    let path = format!("/tokens/{token}/metadata");
    stage.patch(&path, changes).await.with(200)
}

#[tokio::test]
async fn many_providers_are_looked_up_at_once() {
    let stage = Stage::new().await;
    stage.import(json!({})).await;
    let body = json!({"provider_ids": ["strict", "none", "", "strict"]});
    let found = stage.post("/tokens/exists/batch", body).await.with(200);
    assert_eq!(
        found,
        json!({"has_token": {"strict": true, "none": false, "": false}})
    );
}

#[tokio::test]
async fn a_token_is_deleted_once_and_the_event_says_that_it_was_not_revoked() {
    let stage = Stage::new().await;
    let token = stage.import(json!({})).await;
    let path = format!("/tokens/{token}");
    stage.delete(&path).await.with(204);
    stage.delete(&path).await.with(404);
    stage.delete("/tokens/x").await.with(404);
    assert!(defaults(&stage).await.is_empty());
    let events = stage.get("/token-events").await.with(200);
    assert_eq!(events[0]["event_type"], "deleted");
    assert_eq!(events[0]["token_id"], token);
    let reason = text(&events[0]["reason"]);
    assert!(reason.contains("not revoked"), "{reason}");
    assert_eq!(events.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_deleted_default_hands_over_to_the_most_recently_used() {
    let stage = Stage::new().await;
    let first = stage.import(json!({})).await;
    let second = stage.import(json!({})).await;
    let third = stage.import(json!({})).await;
    stage.authenticate(json!({"token_id": first})).await;
    stage.delete(&format!("/tokens/{third}")).await.with(204);
    assert_eq!(defaults(&stage).await, [(second, false), (first, true)]);
}

#[tokio::test]
async fn a_deleted_default_hands_over_to_a_token_of_the_same_agent() {
    let stage = Stage::new().await;
    let of_bot =
        |is_default: bool| json!({"agent_id": "bot", "force_new": true, "is_default": is_default});
    let first = stage.log_in(of_bot(true)).await;
    let second = stage.log_in(of_bot(false)).await;
    let users = stage.import(json!({})).await;
    // The one used last is the user's.
    stage.authenticate(json!({})).await;
    stage.delete(&format!("/tokens/{first}")).await.with(204);
    assert_eq!(defaults(&stage).await, [(users, true), (second, true)]);
}

#[tokio::test]
async fn the_default_moves_and_never_goes() {
    let stage = Stage::new().await;
    let only = stage.import(json!({})).await;
    let answer = change(&stage, &only, json!({"is_default": false})).await;
    assert_eq!(answer["is_default"], true);
    let second = stage.import(json!({"is_default": false})).await;
    let answer = change(&stage, &second, json!({"is_default": true})).await;
    assert_eq!(answer["is_default"], true);
    assert_eq!(
        defaults(&stage).await,
        [(second.clone(), true), (only.clone(), false)]
    );
    let answer = change(&stage, &second, json!({"is_default": false})).await;
    assert_eq!(answer["is_default"], false);
    assert_eq!(defaults(&stage).await, [(second, false), (only, true)]);
}

#[tokio::test]
async fn an_import_speaks_for_the_user_it_names() {
    let stage = Stage::new().await;
    let marias = stage.import(json!({"user_id": "maria"})).await;
    let answer = stage.authenticate(json!({"user_id": "maria"})).await;
    assert_eq!(answer["metadata"]["token_id"], marias);
    assert_eq!(stage.authenticate(json!({})).await["status"], "pending");
    let body = json!({"provider_id": "strict", "access_token": "canary-x", "user_id": ""});
    stage.post("/tokens/import", body).await.with(422);
}

#[tokio::test]
async fn an_import_of_a_stored_refresh_token_renews_its_row() {
    let stage = Stage::new().await;
    let first = json!({"refresh_token": "canary-r", "metadata": {"a": 1}});
    let token = stage.import(first).await;
    change(&stage, &token, json!({"provider_account_label": "work"})).await;
    let again = json!({
        "refresh_token": "canary-r", "access_token": "canary-again", "metadata": {"b": 2},
    });
    assert_eq!(stage.import(again).await, token);
    assert_eq!(defaults(&stage).await, [(token.clone(), true)]);
    let answer = stage.authenticate(json!({})).await;
    assert_eq!(answer["token"], "canary-again");
    assert_eq!(answer["metadata"]["provider_account_label"], "work");
    assert_eq!(answer["metadata"]["generation"], 2);
    assert_eq!(
        (&answer["metadata"]["a"], &answer["metadata"]["b"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(
        stage.events().await,
        ["imported imported api -", "imported renewed api -"]
    );
    // Another refresh token is another grant.
    let other = stage.import(json!({"refresh_token": "canary-s"})).await;
    assert_ne!(other, token);
}

#[tokio::test]
async fn a_refresh_token_that_is_stored_for_another_user_is_not_stored_twice() {
    let stage = Stage::new().await;
    let stored = stage.import(json!({"refresh_token": "canary-r"})).await;
    let body = json!({
        "provider_id": "strict", "access_token": "canary-x", "refresh_token": "canary-r",
        "user_id": "maria",
    });
    let refused = stage.post("/tokens/import", body).await.with(409);
    assert!(text(&refused["detail"]).contains(&stored), "{refused}");
    assert_eq!(defaults(&stage).await, [(stored, true)]);
}

#[tokio::test]
async fn an_import_while_its_refresh_token_is_spent_keeps_what_the_refresh_brings() {
    let stage = Stage::new().await;
    let imported = stage.provider.import(0);
    let client = stage.daemon.client();
    let body = |token: &agent_authd::client::TokenImport| serde_json::to_value(token).unwrap();
    client.import_token(&imported).await.unwrap();
    stage
        .provider
        .answer_late(std::time::Duration::from_secs(2));
    let (refreshed, again) = tokio::join!(stage.authenticate(json!({})), async {
        while stage.provider.refreshes() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        stage.post("/tokens/import", body(&imported)).await
    });
    again.with(200);
    assert_eq!(refreshed["status"], "completed", "{refreshed}");
    let served = stage.authenticate(json!({})).await;
    assert!(stage.provider.accepts(&text(&served["token"])), "{served}");
    assert_eq!(stage.provider.reuses(), 0);
}

#[tokio::test]
async fn a_name_is_given_and_taken_back() {
    let stage = Stage::new().await;
    let token = stage.import(json!({})).await;
    let label = json!({"provider_account_label": "work"});
    let answer = change(&stage, &token, label).await;
    assert_eq!(answer["provider_account_label"], "work");
    let answer = change(&stage, &token, json!({})).await;
    assert_eq!(answer["provider_account_label"], "work");
    let asked = stage.authenticate(json!({})).await;
    assert_eq!(asked["metadata"]["provider_account_label"], "work");
    let answer = change(&stage, &token, json!({"provider_account_label": ""})).await;
    assert_eq!(answer["provider_account_label"], Value::Null);
    let path = format!("/tokens/{NOBODY}/metadata");
    stage.patch(&path, json!({})).await.with(404);
}

#[tokio::test]
async fn a_token_with_a_name_of_its_own_is_still_renewed_in_place() {
    let stage = Stage::new().await;
    stage.provider.name_account("ada");
    let token = stage.log_in(json!({})).await;
    change(&stage, &token, json!({"provider_account_label": "work"})).await;
    let renewed = stage.log_in(json!({"scopes": ["write"]})).await;
    assert_eq!(renewed, token);
    let list = stage.get("/tokens").await.with(200);
    assert_eq!(list[0]["provider_account_label"], "work");
}

#[tokio::test]
async fn slacks_tokens_are_known_by_type_or_address_and_go_together() {
    let stage = Stage::new().await;
    let nowhere = stage.provider.url("/nowhere");
    for (id, token_url, kind) in [
        ("by-type", nowhere.as_str(), json!("slack")),
        ("other", nowhere.as_str(), Value::Null),
    ] {
        let body = json!({
            "provider_id": id, "name": id, "client_id": "c", "provider_type": kind,
            "auth_url": nowhere, "token_url": token_url,
        });
        stage.post("/providers", body).await.with(200);
    }
    let exists = "/tokens/workspace/slack/exists";
    assert_eq!(
        stage.get(exists).await.with(200),
        json!({"has_token": false})
    );
    stage.import(json!({"provider_id": "other"})).await;
    assert_eq!(
        stage.get(exists).await.with(200),
        json!({"has_token": false})
    );
    stage.import(json!({"provider_id": "by-type"})).await;
    stage.import(json!({"provider_id": "by-type"})).await;
    assert_eq!(
        stage.get(exists).await.with(200),
        json!({"has_token": true})
    );
    let answer = stage.delete("/tokens/workspace/slack").await.with(200);
    assert!(
        text(&answer["message"]).contains("2 Slack tokens"),
        "{answer}"
    );
    assert_eq!(
        stage.get(exists).await.with(200),
        json!({"has_token": false})
    );
    assert_eq!(defaults(&stage).await.len(), 1);
}

#[tokio::test]
async fn long_lists_are_newest_first_and_stable() {
    let stage = Stage::new().await;
    let mut providers = vec!["strict".to_owned()];
    for number in 0..49 {
        let mut provider = stage.provider.registration();
        let id = format!("provider-{}", (number * 31) % 49);
        provider.provider_id = agent_authd::identity::ProviderId::parse(&id).unwrap();
        stage
            .daemon
            .client()
            .create_provider(&provider)
            .await
            .unwrap();
        providers.push(id);
    }
    let mut tokens = Vec::new();
    let mut bound = vec![Vec::new(); 10];
    for number in 0..200 {
        let id = &providers[(number * 7) % 50];
        let token = stage.import(json!({"provider_id": id})).await;
        let path = format!("/agents/agent-{}/connections", number % 10);
        let body = json!({"oauth_token_id": token});
        stage.post(&path, body).await.with(201);
        bound[number % 10].push(token.clone());
        tokens.push(token);
    }
    providers.reverse();
    tokens.reverse();
    for _ in 0..2 {
        let list = stage.get("/providers").await.with(200);
        assert_eq!(column(&list, "provider_id"), providers);
        assert_eq!(column(&stage.get("/tokens").await.with(200), "id"), tokens);
        for (agent, expected) in bound.iter().enumerate() {
            let path = format!("/agents/agent-{agent}/connections");
            let list = stage.get(&path).await.with(200);
            let expected: Vec<_> = expected.iter().rev().cloned().collect();
            assert_eq!(column(&list["data"], "oauth_token_id"), expected);
        }
        let events = stage.get("/token-events?limit=200").await.with(200);
        let kinds = column(&events, "event_type");
        assert_eq!(kinds[..2], ["agent_connected", "imported"]);
        assert_eq!(kinds.len(), 200);
        // Being used or renamed moves nothing.
        let path = format!("/tokens/{}/metadata", tokens[199]);
        let changes = json!({"provider_account_label": "first", "is_default": true});
        stage.patch(&path, changes).await.with(200);
    }
}

fn column(list: &Value, name: &str) -> Vec<String> {
    let all = list.as_array().unwrap();
    all.iter().map(|item| text(&item[name])).collect()
}
