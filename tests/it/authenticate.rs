//! The decision table of `authenticate`, a test for each row, and who wakes
//! when a flow ends.

use serde_json::{Value, json};

use crate::accounts::say_same;
use crate::support::clock::TestClock;
use crate::support::person;
use crate::support::stage::{Stage, text};

/// The identifier of the token that an answer hands out.
#[track_caller]
fn token_of(answer: &Value) -> String {
    assert_eq!(answer["status"], "completed", "{answer}");
    text(&answer["metadata"]["token_id"])
}

#[track_caller]
fn is_pending(answer: &Value) -> String {
    assert_eq!(answer["status"], "pending", "{answer}");
    assert!(answer["url"].is_string() && answer["token"].is_null());
    text(&answer["auth_id"])
}

/// The scopes that an answer's address asks for.
fn asked_scopes(answer: &Value) -> String {
    let url: url::Url = answer["url"].as_str().unwrap().parse().unwrap();
    let scope = url.query_pairs().find(|(name, _)| name == "scope");
    scope.unwrap().1.into_owned()
}

#[tokio::test]
async fn a_token_that_is_not_the_owners_or_another_providers_is_not_found() {
    let stage = Stage::new().await;
    let mut other = stage.provider.registration();
    other.provider_id = agent_authd::identity::ProviderId::parse("other").unwrap();
    stage.daemon.client().create_provider(&other).await.unwrap();
    let token = stage.import(json!({})).await;
    for (provider, token) in [
        ("other", token.as_str()),
        ("strict", "00000000-0000-0000-0000-000000000000"),
    ] {
        let body = json!({"provider": provider, "scopes": [], "token_id": token});
        stage.post("/authenticate", body).await.with(404);
    }
}

#[tokio::test]
async fn a_token_that_is_named_is_handed_out_whatever_the_scopes() {
    let stage = Stage::new().await;
    let first = stage.import(json!({})).await;
    stage
        .import(json!({"access_token": "canary-default"}))
        .await;
    let wanted = json!({"token_id": first, "scopes": ["other"]});
    assert_eq!(token_of(&stage.authenticate(wanted).await), first);
}

#[tokio::test]
async fn a_named_token_that_cannot_be_refreshed_is_renewed_in_place_by_a_person() {
    let stage = Stage::new().await;
    let token = stage.import(json!({"expires_in_seconds": 0})).await;
    let answer = stage.authenticate(json!({"token_id": token})).await;
    assert_eq!(answer["status"], "token_expired");
    let page = person::open(answer["url"].as_str().unwrap()).await;
    say_same(&page).await;
    assert_eq!(token_of(&stage.wait(&answer).await), token);
    assert_eq!(token_of(&stage.authenticate(json!({})).await), token);
}

#[tokio::test]
async fn force_new_opens_a_new_flow_each_time_and_adds_its_token() {
    let stage = Stage::new().await;
    let stored = stage.import(json!({})).await;
    let one = stage.authenticate(json!({"force_new": true})).await;
    let two = stage.authenticate(json!({"force_new": true})).await;
    assert_ne!(is_pending(&one), is_pending(&two));
    person::open(one["url"].as_str().unwrap()).await;
    let added = token_of(&stage.wait(&one).await);
    assert_ne!(added, stored);
    let all = stage.get("/tokens").await.with(200);
    assert_eq!(all.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_token_bound_to_the_agent_is_handed_out() {
    let stage = Stage::new().await;
    let bound = stage.log_in(json!({"agent_id": "bot"})).await;
    stage.import(json!({})).await;
    let answer = stage.authenticate(json!({"agent_id": "bot"})).await;
    assert_eq!(token_of(&answer), bound);
}

#[tokio::test]
async fn another_token_of_the_user_leads_an_agent_to_the_consent_page() {
    let stage = Stage::new().await;
    stage.import(json!({})).await;
    let answer = stage.authenticate(json!({"agent_id": "bot"})).await;
    assert_eq!(answer["status"], "connection_required");
    let page = person::open(answer["url"].as_str().unwrap()).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("bot") && page.body.contains("Strict"));
    assert_eq!(stage.wait(&answer).await["status"], "pending");
}

#[tokio::test]
async fn another_agents_token_leads_an_agent_to_the_consent_page() {
    let stage = Stage::new().await;
    stage.log_in(json!({"agent_id": "first"})).await;
    let answer = stage.authenticate(json!({"agent_id": "second"})).await;
    assert_eq!(answer["status"], "connection_required");
}

#[tokio::test]
async fn a_named_token_that_is_not_the_agents_leads_to_the_consent_page_too() {
    let stage = Stage::new().await;
    let token = stage.import(json!({"scopes": []})).await;
    let wanted = json!({"agent_id": "bot", "token_id": token});
    let answer = stage.authenticate(wanted).await;
    assert_eq!(answer["status"], "connection_required");
    let page = person::open(answer["url"].as_str().unwrap()).await;
    assert!(page.body.contains(&token), "{}", page.body);
}

#[tokio::test]
async fn another_users_token_does_not_serve() {
    let stage = Stage::new().await;
    stage.import(json!({})).await;
    is_pending(&stage.authenticate(json!({"user_id": "maria"})).await);
    let wanted = json!({"user_id": "maria", "agent_id": "bot"});
    is_pending(&stage.authenticate(wanted).await);
}

#[tokio::test]
async fn the_users_default_comes_first_and_then_the_most_recently_used() {
    let stage = Stage::new().await;
    let first = stage.import(json!({})).await;
    let second = stage.import(json!({})).await;
    let third = stage.import(json!({})).await;
    assert_eq!(token_of(&stage.authenticate(json!({})).await), third);
    stage.authenticate(json!({"token_id": first})).await;
    stage.delete(&format!("/tokens/{third}")).await.with(204);
    assert_eq!(token_of(&stage.authenticate(json!({})).await), first);
    assert_ne!(first, second);
}

#[tokio::test]
async fn an_agents_token_does_not_serve_without_the_agent() {
    let stage = Stage::new().await;
    stage.log_in(json!({"agent_id": "bot"})).await;
    is_pending(&stage.authenticate(json!({})).await);
}

#[tokio::test]
async fn a_scope_never_asked_for_is_asked_for_with_the_old_ones_and_renews_in_place() {
    let stage = Stage::new().await;
    stage.provider.name_account("ada");
    let token = stage.log_in(json!({})).await;
    let answer = stage.authenticate(json!({"scopes": ["write"]})).await;
    is_pending(&answer);
    assert_eq!(asked_scopes(&answer), "read write");
    person::open(answer["url"].as_str().unwrap()).await;
    assert_eq!(token_of(&stage.wait(&answer).await), token);
    // The provider grants `read` alone: what was asked for is not asked again.
    let again = stage.authenticate(json!({"scopes": ["write"]})).await;
    assert_eq!(token_of(&again), token);
    assert_eq!(again["metadata"]["missing_scopes"], json!(["write"]));
}

#[tokio::test]
async fn with_nothing_stored_a_new_flow_makes_a_token_of_the_agents() {
    let stage = Stage::new().await;
    let token = stage.log_in(json!({"agent_id": "bot"})).await;
    let all = stage.get("/tokens").await.with(200);
    assert_eq!(all[0]["agent_id"], "bot");
    let connections = stage.get("/agents/bot/connections").await.with(200);
    assert_eq!(connections["data"][0]["oauth_token_id"], token);
}

#[tokio::test]
async fn check_only_starts_no_flow() {
    let stage = Stage::new().await;
    for wanted in [
        json!({"check_only": true}),
        json!({"check_only": true, "force_new": true}),
        json!({"check_only": true, "agent_id": "bot"}),
    ] {
        let answer = stage.authenticate(wanted).await;
        assert_eq!(answer["status"], "connection_required");
        assert!(answer["url"].is_null() && answer["auth_id"].is_null());
    }
    let info = stage.daemon.client().info().await.unwrap();
    assert_eq!(info.flows_pending, 0);
    let token = stage.import(json!({})).await;
    let answer = stage.authenticate(json!({"check_only": true})).await;
    assert_eq!(token_of(&answer), token);
}

#[tokio::test]
async fn asking_twice_opens_one_flow_and_another_question_another() {
    let stage = Stage::new().await;
    let first = stage.authenticate(json!({})).await;
    let again = stage.authenticate(json!({})).await;
    assert_eq!(
        (&first["url"], &first["auth_id"]),
        (&again["url"], &again["auth_id"])
    );
    for other in [
        json!({"scopes": ["write"]}),
        json!({"user_id": "maria"}),
        json!({"agent_id": "bot"}),
        json!({"redirect_uri": "http://127.0.0.1:1/callback"}),
    ] {
        let answer = stage.authenticate(other).await;
        assert_ne!(answer["auth_id"], first["auth_id"]);
    }
}

#[tokio::test]
async fn one_token_of_a_provider_and_user_is_the_default() {
    let stage = Stage::new().await;
    let first = stage.log_in(json!({})).await;
    let second = stage
        .log_in(json!({"force_new": true, "is_default": false}))
        .await;
    assert_eq!(token_of(&stage.authenticate(json!({})).await), first);
    let third = stage.log_in(json!({"force_new": true})).await;
    assert_eq!(token_of(&stage.authenticate(json!({})).await), third);
    let all = stage.get("/tokens").await.with(200);
    let defaults: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|token| (text(&token["id"]), token["is_default"].clone()))
        .collect();
    let expected = [(third, true), (second, false), (first, false)];
    assert_eq!(defaults, expected.map(|(id, is)| (id, json!(is))));
}

#[tokio::test]
async fn an_agents_login_leaves_the_users_default_as_it_is() {
    let stage = Stage::new().await;
    let own = stage.log_in(json!({})).await;
    let other = stage
        .log_in(json!({"force_new": true, "is_default": false}))
        .await;
    let agents = stage
        .log_in(json!({"agent_id": "bot", "force_new": true}))
        .await;
    // The token used last is not the default either.
    stage.authenticate(json!({"token_id": other})).await;
    assert_eq!(token_of(&stage.authenticate(json!({})).await), own);
    let asked = stage.authenticate(json!({"agent_id": "bot"})).await;
    assert_eq!(token_of(&asked), agents);
    let all = stage.get("/tokens").await.with(200);
    let of = |id: &str| {
        let mut all = all.as_array().unwrap().iter();
        all.find(|token| token["id"] == id).unwrap()["is_default"] == true
    };
    assert_eq!([of(&own), of(&other), of(&agents)], [true, false, true]);
}

#[tokio::test]
async fn renewing_a_token_that_was_named_does_not_make_it_the_default() {
    let stage = Stage::new().await;
    let named = stage.import(json!({"expires_in_seconds": 0})).await;
    let default = stage.import(json!({})).await;
    let answer = stage.authenticate(json!({"token_id": named})).await;
    assert_eq!(answer["status"], "token_expired");
    let page = person::open(answer["url"].as_str().unwrap()).await;
    say_same(&page).await;
    assert_eq!(token_of(&stage.wait(&answer).await), named);
    assert_eq!(token_of(&stage.authenticate(json!({})).await), default);
}

#[tokio::test]
async fn an_agent_that_widens_the_users_token_does_not_make_it_the_default() {
    let stage = Stage::new().await;
    stage.provider.name_account("ada");
    let shared = stage.log_in(json!({})).await;
    let default = stage.import(json!({})).await;
    let body = json!({"oauth_token_id": shared});
    stage.post("/agents/bot/connections", body).await.with(201);
    let wider = json!({"agent_id": "bot", "scopes": ["read", "write"]});
    assert_eq!(stage.log_in(wider).await, shared);
    assert_eq!(token_of(&stage.authenticate(json!({})).await), default);
}

#[tokio::test]
async fn one_caller_opens_the_browser_and_one_more_if_no_redirect_has_come_for_a_minute() {
    let clock = TestClock::new();
    let stage = Stage::with_clock(&clock).await;
    let is_new = async || {
        let answer = stage.authenticate(json!({})).await;
        is_pending(&answer);
        answer["metadata"]["is_new"].as_bool().unwrap()
    };
    assert_eq!([is_new().await, is_new().await], [true, false]);
    clock.pass(59);
    assert!(!is_new().await);
    clock.pass(1);
    assert_eq!([is_new().await, is_new().await], [true, false]);
    clock.pass(120);
    assert!(!is_new().await);
    let forced = stage.authenticate(json!({"force_new": true})).await;
    assert_eq!(forced["metadata"], json!({"is_new": true}));
}

#[tokio::test]
async fn a_consent_page_is_opened_by_one_caller_too() {
    let stage = Stage::new().await;
    stage.import(json!({})).await;
    for is_new in [true, false] {
        let answer = stage.authenticate(json!({"agent_id": "bot"})).await;
        assert_eq!(answer["status"], "connection_required");
        assert_eq!(answer["metadata"], json!({"is_new": is_new}));
    }
    let looked = json!({"agent_id": "bot", "check_only": true});
    assert!(stage.authenticate(looked).await["metadata"].is_null());
}

#[tokio::test]
async fn of_four_who_ask_at_once_one_opens_the_browser() {
    let stage = Stage::new().await;
    let ask = async || {
        let answer = stage.authenticate(json!({})).await;
        u32::from(answer["metadata"]["is_new"] == true)
    };
    let (a, b, c, d) = tokio::join!(ask(), ask(), ask(), ask());
    assert_eq!(a + b + c + d, 1);
}

#[tokio::test]
async fn an_empty_agent_is_a_fault_and_not_the_user() {
    let stage = Stage::new().await;
    stage.import(json!({})).await;
    let body = json!({"provider": "strict", "scopes": ["read"], "agent_id": ""});
    let refused = stage.post("/authenticate", body).await.with(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "agent_id"]));
}

#[tokio::test]
async fn a_redirect_that_the_provider_does_not_allow_is_a_fault() {
    let stage = Stage::new().await;
    let body = json!({
        "provider": "strict", "scopes": [], "redirect_uri": "https://evil.example/callback",
    });
    let refused = stage.post("/authenticate", body).await.with(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "redirect_uri"]));
}

#[tokio::test]
async fn everyone_who_waits_for_a_flow_wakes_when_it_ends_and_nobody_else() {
    let stage = Stage::new().await;
    let login = stage.authenticate(json!({})).await;
    let other = stage.authenticate(json!({"user_id": "maria"})).await;
    let waiting = |flow: &Value| {
        let (home, path) = (stage.home.socket(), text(&flow["auth_id"]));
        let client = agent_authd::client::Client::new(home);
        let flow = agent_authd::identity::FlowId::parse(&path).unwrap();
        tokio::spawn(async move {
            let timeout = std::time::Duration::from_secs(30);
            client.wait(flow, timeout).await.unwrap().token.is_some()
        })
    };
    let waiters = [waiting(&login), waiting(&login), waiting(&login)];
    let bystander = waiting(&other);
    person::open(login["url"].as_str().unwrap()).await;
    for waiter in waiters {
        assert!(waiter.await.unwrap());
    }
    assert!(!bystander.is_finished());
    assert_eq!(stage.wait(&other).await["status"], "pending");
    bystander.abort();
}
