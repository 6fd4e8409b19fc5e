//! A deleted token is gone at once, and revoked whatever happens to its caller
//! or to the daemon.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use agent_authd::clock::Env;
use agent_authd::identity::{Owner, TokenId};
use agent_authd::internals::broker::commands::RowName;
use agent_authd::internals::broker::{Broker, Settings};
use agent_authd::internals::oauth;
use agent_authd::internals::quota::Limits;
use agent_authd::internals::vault::{KeyStore, Options, Vault};
use serde_json::{Value, json};

use crate::support::daemon::{Binary, Home, InProcess};
use crate::support::person;
use crate::support::provider::PROVIDER_ID;
use crate::support::stage::{self, Stage, text};
use crate::support::waiting::until;

/// A provider that revokes, and one stored token of it.
async fn revocable() -> (Stage, String) {
    let stage = Stage::new().await;
    stage.provider.offer_revocation();
    let token = import(&stage).await;
    (stage, token)
}

async fn import(stage: &Stage) -> String {
    let pair = stage.provider.grant();
    let changes = json!({"access_token": pair.access, "refresh_token": pair.refresh});
    stage.import(changes).await
}

/// Begins a deletion, and gives up waiting for it once the provider is asked.
async fn delete_and_leave(stage: &Stage, path: String) {
    let socket = stage.home.socket();
    let call = tokio::spawn(async move { stage::try_delete(&socket, &path).await });
    until("the revocation", async || stage.provider.revocations() > 0).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
}

/// The newest event, as `type reason`.
async fn newest_event(home: &Home) -> String {
    let events = stage::get(home, "/token-events").await.with(200);
    let word = |name: &str| events[0][name].as_str().unwrap_or("-").to_owned();
    format!("{} {}", word("event_type"), word("reason"))
}

/// Nothing hands the token out, lists it, or counts it.
async fn is_gone(home: &Home) {
    assert_eq!(stage::get(home, "/tokens").await.with(200), json!([]));
    let exists = format!("/tokens/exists?provider_id={PROVIDER_ID}");
    let exists = stage::get(home, &exists).await.with(200);
    assert_eq!(exists, json!({"has_token": false}));
    let body = json!({"provider": PROVIDER_ID, "scopes": ["read"], "check_only": true});
    let asked = stage::post(home, "/authenticate", body).await.with(200);
    assert_eq!(asked["status"], "connection_required", "{asked}");
    assert_eq!(asked["token"], Value::Null);
}

#[tokio::test]
async fn a_deleted_token_is_gone_and_revoked_though_its_caller_hangs_up_and_its_provider_hangs() {
    let (stage, token) = revocable().await;
    stage.provider.hold_revocations();
    delete_and_leave(&stage, format!("/tokens/{token}")).await;
    is_gone(&stage.home).await;
    assert!(!stage.provider.has_nothing_left());
    stage.provider.release_revocations();
    until("the event", async || {
        newest_event(&stage.home).await == "revoked deleted, and revoked at the provider"
    })
    .await;
    assert!(stage.provider.has_nothing_left());
    stage.daemon.stop().await;
    let daemon = InProcess::start(&stage.home, Env::system()).await;
    is_gone(&stage.home).await;
    daemon.stop().await;
}

/// What the daemon does its work with, without a daemon around it.
async fn broker(home: &Home) -> Broker {
    let env = Env::system();
    let options = Options {
        data_dir: home.path("data"),
        key_store: KeyStore::File,
        key_file: home.path("key/vault.key"),
        max_events: 10,
    };
    let vault = Vault::open(&options, &env).unwrap();
    let oauth = oauth::Client::new(env.clone()).unwrap();
    let settings = Settings {
        redirect_base: "http://127.0.0.1:8252".to_owned(),
        flow_lifetime: Duration::from_secs(600),
        max_waiters: 1,
        limits: Limits::default(),
        refresh_active_within: Duration::ZERO,
    };
    Broker::new(vault, oauth, env, settings).await.unwrap()
}

#[tokio::test]
async fn a_deletion_whose_caller_hangs_up_at_once_is_revoked_without_a_restart() {
    let (stage, token) = revocable().await;
    let Stage {
        home,
        provider,
        daemon,
    } = stage;
    daemon.stop().await;
    let broker = broker(&home).await;
    let owner = Owner::from_uid(nix::unistd::geteuid().as_raw()).unwrap();
    {
        // The request's future, dropped in its first wait, as when its connection ends.
        let mut request = pin!(
            broker
                .tokens()
                .delete(owner, RowName::new(&token, TokenId::parse))
        );
        let waits = poll_fn(|context| Poll::Ready(request.as_mut().poll(context).is_pending()));
        assert!(waits.await);
    }
    until("the revocation", async || provider.has_nothing_left()).await;
    broker.begin_stop();
    broker.finish_stop().await;
    drop(broker);
    let daemon = InProcess::start(&home, Env::system()).await;
    is_gone(&home).await;
    let event = newest_event(&home).await;
    assert_eq!(event, "revoked deleted, and revoked at the provider");
    daemon.stop().await;
}

/// Takes 3 s: as long as the answer waits for the provider.
#[tokio::test]
async fn a_deletion_is_answered_before_clients_give_up() {
    let (stage, _) = revocable().await;
    stage.provider.revoke_within(Duration::from_secs(2));
    let began = Instant::now();
    let path = format!("/tokens?provider_id={PROVIDER_ID}");
    let answer = stage.delete(&path).await.with(200);
    assert!(began.elapsed() < Duration::from_secs(4));
    let message = text(&answer["message"]);
    assert!(
        message.starts_with("Deleted 1 tokens, 0 of them revoked"),
        "{message}"
    );
    assert!(message.contains("1 are still being revoked"), "{message}");
    is_gone(&stage.home).await;
    // The daemon does not end before the provider has answered.
    stage.daemon.stop().await;
    assert!(stage.provider.has_nothing_left());
    let daemon = InProcess::start(&stage.home, Env::system()).await;
    let event = newest_event(&stage.home).await;
    assert_eq!(event, "revoked deleted, and revoked at the provider");
    daemon.stop().await;
}

/// Kills the daemon during a deletion, and checks what the next one makes of it.
async fn kill_while_deleting(step: Option<&'static str>) {
    let (stage, token) = revocable().await;
    let Stage {
        home,
        provider,
        daemon,
    } = stage;
    daemon.stop().await;
    if step.is_none() {
        provider.revoke_within(Duration::from_millis(200));
    }
    let binary = Binary::start_with(&home, |command| {
        command.envs(step.map(|step| ("AGENT_AUTH_FAILPOINT", step)));
    })
    .await;
    let socket = home.socket();
    let call =
        tokio::spawn(async move { stage::try_delete(&socket, &format!("/tokens/{token}")).await });
    match step {
        Some(step) => {
            let status = binary.ended().await;
            assert_eq!(status.code(), None, "{step} is not passed");
        }
        None => {
            until("the revocation", async || provider.revocations() > 0).await;
            binary.kill();
        }
    }
    assert!(call.await.unwrap().is_none());
    let binary = Binary::start(&home).await;
    is_gone(&home).await;
    until("the revocation", async || provider.has_nothing_left()).await;
    until("the event", async || {
        newest_event(&home).await == "revoked deleted, and revoked at the provider"
    })
    .await;
    assert!(binary.stop().await.success());
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_step_of_a_deletion_leaves_no_token_and_no_grant() {
    for step in ["deletion.written", "revocation.answered"] {
        kill_while_deleting(Some(step)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_the_provider_is_asked_leaves_no_token_and_no_grant() {
    for _ in 0..3 {
        kill_while_deleting(None).await;
    }
}

#[tokio::test]
async fn deleting_a_provider_revokes_its_tokens() {
    let (stage, _) = revocable().await;
    import(&stage).await;
    let answer = stage.delete("/providers/strict").await.with(200);
    let message = text(&answer["message"]);
    assert!(
        message.contains("(2, 2 of them revoked at the provider)"),
        "{message}"
    );
    assert!(stage.provider.has_nothing_left());
    let event = newest_event(&stage.home).await;
    assert_eq!(
        event,
        "revoked deleted with its provider, and revoked at the provider"
    );
}

#[tokio::test]
async fn a_login_that_ends_after_its_provider_was_deleted_is_revoked() {
    let (stage, _) = revocable().await;
    let asked = stage.authenticate(json!({"force_new": true})).await;
    stage.provider.answer_late(Duration::from_millis(500));
    let browser = person::consent(asked["url"].as_str().unwrap()).await;
    until("the exchange", async || {
        !stage.provider.requests().is_empty()
    })
    .await;
    stage.delete("/providers/strict").await.with(200);
    until("the end of the new grant", async || {
        newest_event(&stage.home).await
            == "revoked arrived after its login was deleted, and revoked at the provider"
    })
    .await;
    assert!(stage.provider.has_nothing_left());
    drop(browser);
}

#[tokio::test]
async fn a_deletion_says_which_other_tokens_of_the_account_a_revocation_ends() {
    let stage = Stage::new().await;
    stage.provider.offer_revocation();
    stage.provider.name_account("ada");
    let own = stage.log_in(json!({})).await;
    let agents = stage.log_in(json!({"user_id": "other"})).await;
    stage.provider.name_account("bob");
    let bobs = stage.log_in(json!({"user_id": "bob"})).await;
    let client = stage.daemon.client();
    let also_ended = client.delete_token(&own).await.unwrap();
    assert_eq!(also_ended, [&*agents]);
    for last in [agents, bobs] {
        let also_ended = client.delete_token(&last).await.unwrap();
        assert_eq!(also_ended, Vec::<String>::new());
    }
}
