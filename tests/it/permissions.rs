//! An agent's permission is for an account and the scopes that were shown: who
//! is asked again when a token is widened, and who is not.

use serde_json::{Value, json};

use crate::consent::{asked, decide, form_token};
use crate::support::clock::TestClock;
use crate::support::person;
use crate::support::stage::{Stage, text};

/// A stage on which `bot` may use the user's token, which has the scope `read`.
async fn allowed() -> (Stage, String) {
    let stage = Stage::new().await;
    stage.provider.name_account("ada");
    let token = stage.log_in(json!({})).await;
    let body = json!({"oauth_token_id": token});
    stage.post("/agents/bot/connections", body).await.with(201);
    assert_eq!(as_bot(&stage).await["status"], "completed");
    (stage, token)
}

/// What the agent gets who asks for what it was allowed.
async fn as_bot(stage: &Stage) -> Value {
    stage.authenticate(json!({"agent_id": "bot"})).await
}

/// The user's own login for more.
async fn widen(stage: &Stage, token: &str) {
    let more = json!({"scopes": ["read", "mail.send"]});
    assert_eq!(stage.log_in(more).await, token);
}

#[tokio::test]
async fn an_agent_is_asked_about_before_it_gets_a_token_that_somebody_widened() {
    let (stage, token) = allowed().await;
    widen(&stage, &token).await;
    let (waiting, url) = asked(&stage, json!({})).await;
    let page = person::open(&url).await;
    assert!(
        page.body
            .contains("New since you allowed it: <code><bdi>mail.send")
    );
    let named = json!({"agent_id": "bot", "token_id": token, "check_only": true});
    assert_eq!(
        stage.authenticate(named).await["status"],
        "connection_required"
    );
    decide(&url, &form_token(&url).await, "allow", &token).await;
    assert_eq!(stage.wait(&waiting).await["status"], "completed");
    assert_eq!(as_bot(&stage).await["metadata"]["token_id"], token);
}

#[tokio::test]
async fn scopes_that_a_refresh_spells_differently_widen_nothing() {
    let clock = TestClock::new();
    let stage = Stage::with_clock(&clock).await;
    let token = stage.log_in(json!({})).await;
    let body = json!({"oauth_token_id": token});
    stage.post("/agents/bot/connections", body).await.with(201);
    stage
        .provider
        .spell_scopes("https://provider.example/read mail");
    clock.pass(3600);
    // The second answer is decided by what the refresh stored.
    for _ in 0..2 {
        let refreshed = as_bot(&stage).await;
        assert_eq!(refreshed["status"], "completed", "{refreshed}");
        let spelled = json!(["https://provider.example/read", "mail"]);
        assert_eq!(refreshed["metadata"]["scopes"], spelled);
    }
}

#[tokio::test]
async fn a_widening_that_the_agents_own_flow_asked_for_is_permitted_by_it() {
    let (stage, token) = allowed().await;
    let more = json!({"agent_id": "bot", "scopes": ["read", "write"]});
    assert_eq!(stage.log_in(more.clone()).await, token);
    assert_eq!(stage.authenticate(more).await["status"], "completed");
}

#[tokio::test]
async fn an_agents_own_flow_permits_nothing_that_others_had_added() {
    let (stage, token) = allowed().await;
    widen(&stage, &token).await;
    let more = json!({"agent_id": "bot", "scopes": ["write"]});
    let asked = stage.authenticate(more).await;
    assert_eq!(asked["status"], "pending", "{asked}");
    person::open(asked["url"].as_str().unwrap()).await;
    let ended = stage.wait(&asked).await;
    assert_eq!(ended["error"], "connection_required", "{ended}");
    assert!(ended["token"].is_null());
    let (_, url) = self::asked(&stage, json!({})).await;
    let page = person::open(&url).await.body;
    assert!(
        page.contains("New since you allowed it: <code><bdi>mail.send</bdi></code></small>"),
        "{page}"
    );
}

#[tokio::test]
async fn a_finished_flow_hands_out_no_token_that_was_widened_or_taken_away() {
    let stage = Stage::new().await;
    stage.provider.name_account("ada");
    let login = stage.authenticate(json!({"agent_id": "bot"})).await;
    person::open(login["url"].as_str().unwrap()).await;
    let ended = stage.wait(&login).await;
    assert_eq!(ended["status"], "completed");
    let connections = stage.get("/agents/bot/connections").await.with(200);
    let id = text(&connections["data"][0]["id"]);
    stage
        .delete(&format!("/agents/bot/connections/{id}"))
        .await
        .with(204);
    let ended = stage.wait(&login).await;
    assert_eq!(ended["error"], "connection_required");
    assert!(ended["token"].is_null());
}

#[tokio::test]
async fn the_api_permits_all_scopes_that_the_token_has_at_that_moment() {
    let (stage, token) = allowed().await;
    widen(&stage, &token).await;
    assert_eq!(as_bot(&stage).await["status"], "connection_required");
    let body = json!({"oauth_token_id": token});
    stage.post("/agents/bot/connections", body).await.with(201);
    assert_eq!(as_bot(&stage).await["status"], "completed");
    let events = stage.events().await;
    let allowed = events
        .iter()
        .filter(|line| *line == "agent_connected allowed api bot");
    assert_eq!(allowed.count(), 2, "{events:?}");
}

#[tokio::test]
async fn an_answer_is_for_the_scopes_that_its_page_showed() {
    let stage = Stage::new().await;
    stage.provider.name_account("ada");
    let token = stage.log_in(json!({})).await;
    let (waiting, url) = asked(&stage, json!({})).await;
    let form = form_token(&url).await;
    widen(&stage, &token).await;
    let page = decide(&url, &form, "allow", &token).await;
    assert_eq!(page.status, 409, "{}", page.body);
    assert!(page.body.contains("mail.send"), "{}", page.body);
    assert_eq!(stage.wait(&waiting).await["status"], "pending");
    decide(&url, &form_token(&url).await, "allow", &token).await;
    assert_eq!(stage.wait(&waiting).await["status"], "completed");
}
