//! The generation of a grant, as answers name it.

use std::time::Duration;

use agent_authd::client::TokenImport;
use agent_authd::identity::TokenId;
use serde_json::{Value, json};

use super::{Setting, refusal, summary, wanted};
use crate::support::provider::{Failure, PROVIDER_ID, Provider, Rotation};
use crate::support::stage;

/// The generation of the token that the daemon hands out now.
async fn generation(setting: &Setting) -> Value {
    let answer = setting.client().authenticate(&wanted()).await.unwrap();
    answer.metadata.unwrap()["generation"].clone()
}

#[tokio::test]
async fn each_refresh_raises_the_generation_that_an_answer_names_by_one() {
    let provider = Provider::start(Rotation::Strict, 3600);
    let setting = Setting::new(provider, "refresh_active_within = 0\n").await;
    assert_eq!(generation(&setting).await, 1);
    assert_eq!(generation(&setting).await, 1);
    for expected in 2..4 {
        setting.clock.pass(3600);
        assert_eq!(generation(&setting).await, expected);
    }
}

#[tokio::test]
async fn info_names_the_additions_that_the_daemon_knows() {
    let provider = Provider::start(Rotation::Strict, 3600);
    let setting = Setting::new(provider, "").await;
    let info = setting.client().info().await.unwrap();
    assert_eq!(info.features, agent_authd::internals::api::FEATURES);
}

/// What is answered to somebody who asks with these members.
async fn asked(setting: &Setting, changes: Value) -> Value {
    let mut body = json!({"provider": PROVIDER_ID, "scopes": ["read"]});
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    let answer = stage::post(&setting.home, "/authenticate", body).await;
    answer.with(200)
}

/// A daemon with one grant, whose access token is good for an hour.
async fn setting() -> Setting {
    let provider = Provider::start(Rotation::Strict, 3600);
    Setting::new(provider, "refresh_active_within = 0\n").await
}

/// A daemon with one access token that cannot be refreshed.
async fn unrefreshable() -> Setting {
    let setting = setting().await;
    let client = setting.client();
    let id = TokenId::parse(&summary(client).await.id).unwrap();
    client.delete_token(id).await.unwrap();
    let import = TokenImport {
        refresh_token: None,
        expires_in_seconds: None,
        ..setting.provider.import(3600)
    };
    client.import_token(&import).await.unwrap();
    setting
}

#[tokio::test]
async fn a_token_that_a_resource_refused_is_refreshed_at_most_once_in_thirty_seconds() {
    let setting = setting().await;
    for (refused, generation, refreshes) in [(0, 1, 0), (1, 2, 1), (1, 2, 1), (2, 2, 1)] {
        let answer = asked(&setting, json!({"newer_than": refused})).await;
        assert_eq!(answer["metadata"]["generation"], generation, "{refused}");
        assert_eq!(answer["metadata"]["refused"], Value::Null, "{refused}");
        assert_eq!(setting.provider.refreshes(), refreshes, "{refused}");
    }
    setting.clock.pass(30);
    let answer = asked(&setting, json!({"newer_than": 2})).await;
    assert_eq!(answer["metadata"]["generation"], 3);
    let events = stage::get(&setting.home, "/token-events?limit=1").await;
    assert_eq!(events.with(200)[0]["reason"], "refused");
}

#[tokio::test]
async fn all_whose_token_was_refused_share_one_refresh() {
    let setting = setting().await;
    setting
        .provider
        .fail_next(Failure::Late(Duration::from_millis(200)));
    let ask = || asked(&setting, json!({"newer_than": 1}));
    let (a, b, c, d) = tokio::join!(ask(), ask(), ask(), ask());
    for answer in [a, b, c, d] {
        assert_eq!(answer["metadata"]["generation"], 2);
    }
    assert_eq!(setting.provider.refreshes(), 1);
}

#[tokio::test]
async fn a_lower_generation_is_refreshed_only_where_the_token_is_named() {
    let setting = setting().await;
    let answer = asked(&setting, json!({"newer_than": 5})).await;
    assert_eq!(answer["metadata"]["generation"], 1);
    let id = summary(setting.client()).await.id;
    let answer = asked(&setting, json!({"newer_than": 5, "token_id": id})).await;
    assert_eq!(answer["metadata"]["generation"], 2);
}

#[tokio::test]
async fn a_refused_token_is_handed_out_as_it_is_while_the_provider_is_away() {
    let setting = setting().await;
    setting.provider.fail_always(Some(Failure::status(503, "")));
    let answer = asked(&setting, json!({"newer_than": 1})).await;
    assert_eq!(answer["status"], "completed");
    assert_eq!(answer["metadata"]["generation"], 1);
    assert_eq!(setting.provider.refreshes(), 1);
}

#[tokio::test]
async fn a_person_is_asked_about_a_refused_token_once_an_hour() {
    for (named, status) in [(false, "pending"), (true, "token_expired")] {
        let setting = unrefreshable().await;
        let id = summary(setting.client()).await.id;
        let mut request = json!({"newer_than": 1});
        if named {
            request["token_id"] = json!(id);
        }
        for _ in 0..2 {
            let answer = asked(&setting, request.clone()).await;
            assert_eq!(answer["status"], status);
            assert!(answer["url"].is_string());
            let answer = asked(&setting, request.clone()).await;
            assert_eq!(answer["status"], "completed");
            assert_eq!(answer["metadata"]["refused"], true);
            setting.clock.pass(3600);
        }
    }
}

#[tokio::test]
async fn somebody_who_only_looks_gets_a_refused_token_marked_as_such() {
    let setting = unrefreshable().await;
    let looked = asked(&setting, json!({"newer_than": 1, "check_only": true})).await;
    assert_eq!(looked["metadata"]["refused"], true);
    let answer = asked(&setting, json!({"newer_than": 1})).await;
    assert_eq!(answer["status"], "pending", "nobody was asked before");
}

#[tokio::test]
async fn newer_than_is_a_whole_number_and_not_negative() {
    let setting = setting().await;
    for (value, kind) in [
        (json!(-1), "greater_than_equal"),
        (json!("1"), "int_parsing"),
        (json!(1.5), "int_from_float"),
        (json!(true), "int_type"),
    ] {
        let body = json!({"provider": PROVIDER_ID, "scopes": [], "newer_than": value});
        let answer = stage::post(&setting.home, "/authenticate", body).await;
        let fault = &answer.with(422)["detail"][0];
        assert_eq!(fault["loc"], json!(["body", "newer_than"]));
        assert_eq!(fault["type"], kind, "{value}");
    }
    asked(&setting, json!({"newer_than": null})).await;
}

#[tokio::test]
async fn a_person_who_waits_is_tried_for_once_though_the_provider_asked_for_a_wait() {
    let setting = setting().await;
    setting.clock.pass(3600);
    let wait = Failure::retry_after(503, 3000);
    setting.provider.fail_always(Some(wait));
    refusal(setting.client()).await;
    let person = json!({"provider": PROVIDER_ID, "scopes": ["read"], "try_now": true});
    let status = async || {
        let answer = stage::post(&setting.home, "/authenticate", person.clone()).await;
        answer.status
    };
    for refreshes in [2, 2, 2] {
        assert_eq!(status().await, 503);
        assert_eq!(setting.provider.refreshes(), refreshes);
    }
    setting.clock.pass(30);
    setting.provider.fail_always(None);
    refusal(setting.client()).await;
    assert_eq!(status().await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_token_tries_at_once_though_the_provider_asked_for_a_wait() {
    let setting = setting().await;
    setting.clock.pass(3600);
    setting.provider.fail_next(Failure::retry_after(503, 3000));
    refusal(setting.client()).await;
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_agent-auth"));
    command
        .args(["token", PROVIDER_ID, "--scope", "read"])
        .env("AGENT_AUTH_SOCK", setting.home.socket())
        .stdin(std::process::Stdio::null());
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(setting.provider.refreshes(), 2);
}
