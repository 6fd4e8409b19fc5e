//! Refresh tokens that come without an access token, or too late.

use std::time::Duration;

use serde_json::json;

use crate::support::clock::TestClock;
use crate::support::daemon::InProcess;
use crate::support::person;
use crate::support::provider::Failure;
use crate::support::stage::Stage;
use crate::support::waiting::until;

/// The answer is a success without an access token.
const ALONE: Failure = Failure::Member("access_token", None);

#[tokio::test]
async fn a_login_that_brings_a_refresh_token_alone_is_kept_and_refreshed_at_once() {
    let stage = Stage::new().await;
    let asked = stage.authenticate(json!({})).await;
    stage.provider.fail_next(ALONE);
    let page = person::open(asked["url"].as_str().unwrap()).await;
    assert_eq!(page.status, 200, "{}", page.body);
    until("the refresh", async || stage.provider.refreshes() == 1).await;
    let done = stage.wait(&asked).await;
    assert_eq!(done["status"], "completed", "{done}");
    assert!(stage.provider.accepts(done["token"].as_str().unwrap()));
    assert_eq!(stage.provider.refreshes(), 1);
    assert_eq!(stage.provider.reuses(), 0);
}

#[tokio::test]
async fn nothing_is_handed_out_of_a_login_whose_first_refresh_fails_and_it_is_tried_again() {
    let stage = Stage::new().await;
    let asked = stage.authenticate(json!({})).await;
    stage.provider.fail_next(ALONE);
    stage.provider.fail_next(Failure::status(503, ""));
    let page = person::open(asked["url"].as_str().unwrap()).await;
    assert_eq!(page.status, 200, "{}", page.body);
    until("the refresh", async || stage.provider.refreshes() == 1).await;
    let body = json!({"provider": "strict", "scopes": ["read"]});
    until("the token", async || {
        let answer = stage.post("/authenticate", body.clone()).await;
        if answer.status == 503 {
            return false;
        }
        let done = answer.with(200);
        assert!(stage.provider.accepts(done["token"].as_str().unwrap()));
        true
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_that_comes_alone_after_its_token_was_deleted_is_revoked() {
    let stage = Stage::new().await;
    stage.provider.offer_revocation();
    let pair = stage.provider.grant();
    let expired = json!({
        "access_token": pair.access, "refresh_token": pair.refresh, "expires_in_seconds": 0,
    });
    let token = stage.import(expired).await;
    stage
        .provider
        .fail_next(Failure::LateAlone(Duration::from_secs(1)));
    let body = json!({"provider": "strict", "scopes": ["read"]});
    let asking = stage.post("/authenticate", body);
    let deleting = async {
        until("the refresh", async || stage.provider.refreshes() == 1).await;
        stage.delete(&format!("/tokens/{token}")).await.with(204);
    };
    tokio::join!(asking, deleting);
    let event = "deleted, and revoked at the provider";
    until("both revocations", async || {
        let events = stage.events().await;
        let late = "arrived after its token was deleted, and revoked at the provider";
        let has = |reason: &str| events.iter().any(|line| line.contains(reason));
        has(event) && has(late)
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_comes_after_a_person_has_renewed_the_token_is_dropped() {
    let clock = TestClock::new();
    let stage = Stage::with_clock(&clock).await;
    stage.provider.name_account("ada");
    let token = stage.log_in(json!({})).await;
    clock.pass(3600);
    stage
        .provider
        .fail_next(Failure::Late(Duration::from_secs(1)));
    let asking = stage.authenticate(json!({}));
    let renewing = async {
        until("the refresh", async || stage.provider.refreshes() == 1).await;
        let wider = json!({"scopes": ["read", "write"]});
        assert_eq!(stage.log_in(wider.clone()).await, token);
        stage.authenticate(wider).await
    };
    let (_, renewed) = tokio::join!(asking, renewing);
    let Stage {
        home,
        provider,
        daemon,
    } = stage;
    // What is under way has ended then.
    daemon.stop().await;
    let daemon = InProcess::start(&home, clock.env()).await;
    let stage = Stage {
        home,
        provider,
        daemon,
    };
    let now = stage.authenticate(json!({})).await;
    assert!(now["token"].is_string(), "{now}");
    assert_eq!(now["token"], renewed["token"]);
    assert_eq!(stage.provider.refreshes(), 1);
}
