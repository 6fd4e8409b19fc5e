//! The question whose account came back, asked and answered through the API: by a
//! program whose person is not at the final page.

use serde_json::{Value, json};

use super::{allow_bot, say_same, send, stored, widening};
use crate::support::clock::TestClock;
use crate::support::person;
use crate::support::stage::{Answer, Stage, text};

fn path(asked: &Value) -> String {
    format!("/flows/{}/follow-up", text(&asked["auth_id"]))
}

async fn question(stage: &Stage, asked: &Value) -> Value {
    stage.get(&path(asked)).await.with(200)
}

async fn answer(stage: &Stage, asked: &Value, same_account: bool) -> Answer {
    let body = json!({"same_account": same_account});
    stage.post(&path(asked), body).await
}

#[tokio::test]
async fn a_yes_through_the_api_renews_in_place() {
    let stage = Stage::new().await;
    let old = stage.log_in(json!({})).await;
    let label = json!({"provider_account_label": "work"});
    let metadata = format!("/tokens/{old}/metadata");
    stage.patch(&metadata, label).await.with(200);
    let (asked, _) = widening(&stage, json!({})).await;
    let new = text(&stage.wait(&asked).await["metadata"]["token_id"]);
    let token = |id: &str, label: Option<&str>, is_default: bool| {
        json!({
            "token_id": id, "provider_account_label": label, "issuer": null, "subject": null,
            "is_default": is_default,
        })
    };
    assert_eq!(
        question(&stage, &asked).await,
        json!({
            "asks_same_account": true, "same_account": null,
            "previous": token(&old, Some("work"), true), "current": token(&new, None, false),
        })
    );
    let issued = stage.wait(&asked).await["token"].clone();
    let answered = answer(&stage, &asked, true).await.with(200);
    let renewed = json!({
        "asks_same_account": false, "same_account": true, "previous": null,
        "current": token(&old, Some("work"), true),
    });
    assert_eq!(answered, renewed);
    assert_eq!(question(&stage, &asked).await, renewed);
    assert_eq!(stored(&stage).await, [(old, true)]);
    assert_eq!(stage.wait(&asked).await["token"], issued);
    let events = stage.events().await;
    assert_eq!(events.last().unwrap(), "connected renewed api -");
}

#[tokio::test]
async fn a_no_through_the_api_ends_the_question_on_the_page_too() {
    let stage = Stage::new().await;
    let old = stage.log_in(json!({})).await;
    allow_bot(&stage, &old).await;
    let (asked, page) = widening(&stage, json!({})).await;
    let answered = answer(&stage, &asked, false).await.with(200);
    assert_eq!(answered["same_account"], false, "{answered}");
    assert_eq!(answered["previous"]["token_id"], old, "{answered}");
    // The form that was shown before says yes, and is told of the no.
    let late = send(&page, &[("decision", "same")]).await;
    assert!(late.body.contains("This is another account than"));
    assert!(!late.body.contains("<form"), "{}", late.body);
    assert_eq!(stored(&stage).await.len(), 2);
    answer(&stage, &asked, true).await.with(409);
    assert_eq!(stored(&stage).await.len(), 2);
    let bots = stage.authenticate(json!({"agent_id": "bot"})).await;
    assert_eq!(bots["metadata"]["token_id"], old);
}

#[tokio::test]
async fn an_answer_on_the_page_is_told_to_a_program_that_answers_later() {
    let stage = Stage::new().await;
    let old = stage.log_in(json!({})).await;
    let (asked, page) = widening(&stage, json!({})).await;
    say_same(&page).await;
    let events = stage.events().await;
    answer(&stage, &asked, false).await.with(409);
    answer(&stage, &asked, true).await.with(409);
    assert_eq!(question(&stage, &asked).await["same_account"], true);
    assert_eq!(stored(&stage).await, [(old, true)]);
    assert_eq!(stage.events().await, events);
}

#[tokio::test]
async fn an_agents_login_that_renews_through_the_api_permits_what_it_asked_for() {
    let stage = Stage::new().await;
    let users = stage.log_in(json!({})).await;
    allow_bot(&stage, &users).await;
    let (asked, _) = widening(&stage, json!({"agent_id": "bot"})).await;
    answer(&stage, &asked, true).await.with(200);
    let more = json!({"agent_id": "bot", "scopes": ["read", "write"]});
    let bots = stage.authenticate(more).await;
    assert_eq!(bots["metadata"]["token_id"], users, "{bots}");
}

#[tokio::test]
async fn nothing_is_asked_where_the_provider_says_whose_account_it_is() {
    let stage = Stage::new().await;
    stage.provider.name_account("ada");
    let first = stage.authenticate(json!({})).await;
    person::open(&text(&first["url"])).await;
    let (same, _) = widening(&stage, json!({})).await;
    stage.provider.name_account("bob");
    let more = json!({"scopes": ["read", "write", "mail"]});
    let (other, _) = widening(&stage, more).await;
    for (asked, same_account) in [
        (first, json!(null)),
        (same, json!(true)),
        (other, json!(false)),
    ] {
        let found = question(&stage, &asked).await;
        assert_eq!(found["asks_same_account"], false, "{found}");
        assert_eq!(found["same_account"], same_account, "{found}");
        answer(&stage, &asked, true).await.with(409);
    }
}

#[tokio::test]
async fn a_login_that_has_not_ended_with_a_token_asks_nothing() {
    let clock = TestClock::new();
    let stage = Stage::with_clock(&clock).await;
    let asked = stage.authenticate(json!({})).await;
    for flow in [
        text(&asked["auth_id"]),
        "00000000-0000-0000-0000-000000000000".to_owned(),
        "x".to_owned(),
    ] {
        let asked = json!({"auth_id": flow});
        stage.get(&path(&asked)).await.with(404);
        answer(&stage, &asked, true).await.with(404);
    }
    person::open(&text(&asked["url"])).await;
    let (asked, _) = widening(&stage, json!({})).await;
    let body = json!({"same_account": "yes"});
    stage.post(&path(&asked), body).await.with(422);
    question(&stage, &asked).await;
    clock.pass(600);
    stage.get(&path(&asked)).await.with(404);
    answer(&stage, &asked, true).await.with(404);
}

#[tokio::test]
async fn an_answer_that_would_move_a_refresh_token_being_spent_is_asked_for_again() {
    let stage = Stage::new().await;
    let old = stage.log_in(json!({})).await;
    let (asked, _) = widening(&stage, json!({})).await;
    let new = text(&stage.wait(&asked).await["metadata"]["token_id"]);
    let vault = rusqlite::Connection::open(stage.home.path("data/vault.db")).unwrap();
    let begin = "INSERT INTO refresh_attempts (owner, token_id, generation, started_at)
                 SELECT owner, id, generation, 0 FROM tokens WHERE id = ?1";
    vault.execute(begin, [&new]).unwrap();
    answer(&stage, &asked, true).await.with(503);
    assert_eq!(question(&stage, &asked).await["asks_same_account"], true);
    let end = "DELETE FROM refresh_attempts WHERE token_id = ?1";
    vault.execute(end, [&new]).unwrap();
    answer(&stage, &asked, true).await.with(200);
    assert_eq!(stored(&stage).await, [(old, true)]);
}
