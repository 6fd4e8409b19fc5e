//! A provider that does not answer as it should.

use std::time::{Duration, Instant};

use agent_authd::client::ProviderChanges;
use agent_authd::identity::ProviderId;

use super::{Setting, in_clear, refusal, summary, token, token_before, until, wanted};
use crate::support::provider::{Failure, PROVIDER_ID, Provider, Rotation};

/// Nothing is refreshed unless somebody asks.
const ON_DEMAND: &str = "refresh_active_within = 0\n";

async fn setting(rotation: Rotation) -> Setting {
    Setting::new(Provider::start(rotation, 3600), ON_DEMAND).await
}

/// A token in its last minute is handed out as it is; a dead one is refused
/// with a time to come again; and when the provider is well, all is well.
async fn outlives(fault: Failure, least_wait: u64) {
    let setting = setting(Rotation::Grace(Duration::from_secs(600))).await;
    let client = setting.client();
    let first = token(client).await;
    setting.provider.fail_always(Some(fault.clone()));
    setting.clock.pass(3570);
    assert_eq!(token(client).await, first, "{fault:?}");
    setting.clock.pass(600);
    let wait = refusal(client).await;
    assert!(
        wait >= Duration::from_secs(least_wait),
        "{fault:?}: {wait:?}"
    );
    let failed = summary(client).await;
    assert!(failed.last_error.is_some(), "{fault:?}");
    assert!(failed.next_refresh_at >= failed.last_error_at, "{fault:?}");
    assert_eq!(failed.reconnect_reason, None, "{fault:?}");

    setting.provider.fail_always(None);
    setting.clock.pass(wait.as_secs() + 2);
    let second = token_before(client).await;
    assert_ne!(first, second);
    assert!(setting.provider.accepts(&second), "{fault:?}");
    assert_eq!(summary(client).await.last_error, None);
    setting.daemon.stop().await;
}

#[tokio::test]
async fn a_grant_outlives_a_server_error() {
    outlives(Failure::status(500, ""), 1).await;
}

#[tokio::test]
async fn a_grant_outlives_a_server_error_with_an_oauth_code() {
    outlives(Failure::oauth(500, "server_error"), 1).await;
}

#[tokio::test]
async fn a_grant_outlives_503_and_its_retry_after_is_handed_on() {
    outlives(Failure::retry_after(503, 120), 119).await;
}

#[tokio::test]
async fn a_grant_outlives_429_and_its_retry_after_is_handed_on() {
    outlives(Failure::retry_after(429, 120), 119).await;
}

#[tokio::test]
async fn a_grant_outlives_a_captive_portal() {
    outlives(Failure::html(), 1).await;
}

#[tokio::test]
async fn a_grant_outlives_a_connection_closed_without_a_byte() {
    outlives(Failure::Ignored, 1).await;
}

#[tokio::test]
async fn a_grant_outlives_a_lost_answer_where_there_is_grace() {
    outlives(Failure::LostAnswer, 1).await;
}

#[tokio::test]
async fn a_grant_outlives_half_an_answer_where_there_is_grace() {
    outlives(Failure::HalfAnswer, 1).await;
}

#[tokio::test]
async fn one_lost_answer_is_made_good_by_a_retry_at_once_where_there_is_grace() {
    let setting = setting(Rotation::Grace(Duration::from_secs(600))).await;
    setting.clock.pass(3600);
    setting.provider.fail_next(Failure::LostAnswer);
    let token = token(setting.client()).await;
    assert!(setting.provider.accepts(&token));
    assert_eq!(setting.provider.refreshes(), 2);
}

#[tokio::test]
async fn a_lost_answer_of_a_strict_server_is_told_as_a_lost_rotation() {
    let setting = setting(Rotation::Strict).await;
    setting.clock.pass(3600);
    setting.provider.fail_next(Failure::LostAnswer);
    let answer = setting.client().authenticate(&wanted()).await.unwrap();
    assert!(answer.url.is_some(), "the person is asked");
    let reason = summary(setting.client()).await.reconnect_reason;
    assert_eq!(reason.as_deref(), Some("rotation_lost"));
}

#[tokio::test]
async fn a_grant_that_the_person_revoked_is_told_as_such() {
    let setting = setting(Rotation::Strict).await;
    setting.clock.pass(3600);
    setting.provider.revoke_all();
    let answer = setting.client().authenticate(&wanted()).await.unwrap();
    assert!(answer.url.is_some(), "the person is asked");
    let reason = summary(setting.client()).await.reconnect_reason;
    assert_eq!(reason.as_deref(), Some("invalid_grant"));
}

#[tokio::test]
async fn an_answer_after_25_seconds_holds_nobody_up_and_is_not_lost() {
    let setting = setting(Rotation::Strict).await;
    let client = setting.client();
    setting.clock.pass(3600);
    setting
        .provider
        .fail_next(Failure::Late(Duration::from_secs(25)));
    let asked = Instant::now();
    refusal(client).await;
    let first = asked.elapsed();
    refusal(client).await;
    let second = asked.elapsed() - first;
    assert!(first < Duration::from_secs(15), "{first:?}");
    assert!(second < first, "the second caller waits for {second:?}");
    let token = token_before(client).await;
    assert!(setting.provider.accepts(&token));
    assert_eq!(
        (setting.provider.refreshes(), setting.provider.reuses()),
        (1, 0)
    );
}

#[tokio::test]
async fn a_reply_without_a_refresh_token_keeps_the_old_one() {
    for written in [None, Some("null"), Some("\"\"")] {
        let setting = setting(Rotation::None).await;
        for _ in 0..2 {
            setting.clock.pass(3600);
            setting
                .provider
                .fail_next(Failure::Member("refresh_token", written));
            token(setting.client()).await;
        }
        let sent: Vec<_> = setting.provider.requests();
        assert_eq!(sent.len(), 2, "{written:?}");
        assert_eq!(sent[0].form["refresh_token"], sent[1].form["refresh_token"]);
    }
}

#[tokio::test]
async fn a_refused_client_is_asked_about_once_until_its_settings_change() {
    let setting = setting(Rotation::Strict).await;
    let client = setting.client();
    setting
        .provider
        .fail_always(Some(Failure::oauth(401, "invalid_client")));
    setting.clock.pass(3600);
    for _ in 0..5 {
        refusal(client).await;
        setting.clock.pass(4);
    }
    assert_eq!(setting.provider.refreshes(), 1);
    assert_eq!(summary(client).await.reconnect_reason, None);

    setting.provider.fail_always(None);
    let changes = ProviderChanges {
        name: Some("Corrected".to_owned()),
        ..ProviderChanges::default()
    };
    let id = ProviderId::parse(PROVIDER_ID).unwrap();
    client.update_provider(&id, &changes).await.unwrap();
    let token = token(client).await;
    assert!(setting.provider.accepts(&token));
}

#[tokio::test]
async fn four_failures_open_the_circuit_and_a_probe_closes_it() {
    let setting = setting(Rotation::Strict).await;
    let client = setting.client();
    setting.provider.fail_always(Some(Failure::status(500, "")));
    setting.clock.pass(3600);
    let mut wait = Duration::ZERO;
    while setting.provider.refreshes() < 4 {
        setting.clock.pass(wait.as_secs() + 1);
        wait = refusal(client).await;
    }
    // The fifth is not sent, though another token has no failure to its name
    // yet, and whoever asks is refused at once.
    let other = setting.provider.import(0);
    client.import_token(&other).await.unwrap();
    let asked = Instant::now();
    for _ in 0..10 {
        let wait = refusal(client).await;
        assert!(wait <= Duration::from_secs(3), "{wait:?}");
    }
    assert!(asked.elapsed() < Duration::from_secs(10));
    assert_eq!(setting.provider.refreshes(), 4);

    // The clock is set back by a day: it does not stay open for a day.
    setting.provider.fail_always(None);
    setting.clock.jump(-86_400);
    setting.clock.pass(10);
    let token = token_before(client).await;
    assert!(setting.provider.accepts(&token));
    assert_eq!(setting.provider.refreshes(), 5);
}

#[tokio::test]
async fn a_refresh_that_meets_a_renewal_by_a_person_leaves_it_alone() {
    let setting = setting(Rotation::Strict).await;
    let client = setting.client();
    setting.clock.pass(3600);
    setting
        .provider
        .fail_next(Failure::Late(Duration::from_secs(2)));
    let asked = client.clone();
    let call = tokio::spawn(async move { asked.authenticate(&wanted()).await.map(in_clear) });
    until("the request", async || setting.provider.refreshes() == 1).await;
    let id = client.tokens(None).await.unwrap().pop().unwrap().id;
    let id = agent_authd::identity::TokenId::parse(&id).unwrap();
    client.delete_token(id).await.ok();
    client
        .import_token(&setting.provider.import(3600))
        .await
        .unwrap();
    call.await.unwrap().ok();
    let renewed = token(client).await;
    assert!(setting.provider.accepts(&renewed));
    assert_eq!(setting.provider.refreshes(), 1);
}

#[tokio::test]
async fn a_grant_that_is_renewed_while_its_token_is_deleted_is_revoked() {
    let setting = setting(Rotation::Strict).await;
    setting.provider.offer_revocation();
    let client = setting.client();
    setting.clock.pass(3600);
    setting
        .provider
        .fail_next(Failure::Late(Duration::from_secs(1)));
    let asked = client.clone();
    let call = tokio::spawn(async move { asked.authenticate(&wanted()).await.map(in_clear) });
    until("the request", async || setting.provider.refreshes() == 1).await;
    let id = client.tokens(None).await.unwrap().pop().unwrap().id;
    let id = agent_authd::identity::TokenId::parse(&id).unwrap();
    client.delete_token(id).await.unwrap();
    assert!(!setting.provider.has_nothing_left());
    call.await.unwrap().ok();
    until("the end of the new grant", async || {
        setting.provider.has_nothing_left()
    })
    .await;
}

/// The seconds that the stored access token still lives.
async fn life(setting: &Setting) -> i64 {
    let token = summary(setting.client()).await;
    token
        .expires_at
        .map_or(i64::MAX, |end| end.millis_since(token.updated_at) / 1000)
}

#[tokio::test]
async fn a_reply_without_a_usable_expires_in_keeps_the_life_that_the_grant_had() {
    let setting = setting(Rotation::Strict).await;
    for written in [None, Some("null"), Some("0"), Some("\"soon\""), Some("{}")] {
        setting.clock.pass(3600);
        setting
            .provider
            .fail_next(Failure::Member("expires_in", written));
        token(setting.client()).await;
        assert!((3590..=3600).contains(&life(&setting).await), "{written:?}");
    }
    assert_eq!(setting.provider.refreshes(), 5);
}

#[tokio::test]
async fn a_new_refresh_token_without_an_access_token_is_kept_and_used() {
    let setting = setting(Rotation::Strict).await;
    setting.clock.pass(3600);
    let alone = Failure::Member("access_token", None);
    setting.provider.fail_next(alone.clone());
    let token = token(setting.client()).await;
    assert!(setting.provider.accepts(&token));
    // A strict server takes each of them once.
    let sent = setting.provider.requests();
    assert_eq!((sent.len(), setting.provider.reuses()), (2, 0));
    assert_ne!(sent[0].form["refresh_token"], sent[1].form["refresh_token"]);
    setting.daemon.stop().await;
}

#[tokio::test]
async fn a_refresh_token_that_came_alone_survives_a_restart() {
    let setting = setting(Rotation::Strict).await;
    setting.clock.pass(3600);
    let alone = Failure::Member("access_token", None);
    setting.provider.fail_always(Some(alone));
    refusal(setting.client()).await;
    setting.provider.fail_always(None);
    let setting = setting.restart().await;
    let token = token_before(setting.client()).await;
    assert!(setting.provider.accepts(&token));
    assert_eq!(setting.provider.reuses(), 0);
}

#[tokio::test]
async fn a_grant_whose_refresh_token_came_alone_is_in_doubt() {
    let setting = setting(Rotation::Strict).await;
    setting.clock.pass(3600);
    let alone = Failure::Member("access_token", None);
    setting.provider.fail_always(Some(alone));
    refusal(setting.client()).await;
    setting.provider.fail_always(None);
    setting.provider.revoke_all();
    let setting = setting.restart().await;
    let answer = setting.client().authenticate(&wanted()).await.unwrap();
    assert!(answer.url.is_some(), "the person is asked");
    let reason = summary(setting.client()).await.reconnect_reason;
    assert_eq!(reason.as_deref(), Some("rotation_lost"));
}

#[tokio::test]
async fn a_gateways_502_or_504_leaves_a_grant_in_doubt_that_the_server_has_renewed() {
    for status in [502, 504] {
        let setting = setting(Rotation::Grace(Duration::from_secs(600))).await;
        setting.clock.pass(3600);
        setting.provider.fail_next(Failure::done_but(status));
        let token = token(setting.client()).await;
        assert!(setting.provider.accepts(&token), "{status}");
        assert_eq!(setting.provider.refreshes(), 2, "{status}");
    }
}

#[tokio::test]
async fn a_success_that_cannot_be_understood_leaves_a_grant_in_doubt() {
    for body in ["", "welcome", "<html>welcome</html>", "{\"ok\": true}"] {
        let setting = setting(Rotation::Strict).await;
        setting.clock.pass(3600);
        setting.provider.fail_next(Failure::Instead {
            status: 200,
            headers: Vec::new(),
            body: body.to_owned(),
        });
        let answer = setting.client().authenticate(&wanted()).await.unwrap();
        assert!(answer.url.is_some(), "{body}");
        let reason = summary(setting.client()).await.reconnect_reason;
        assert_eq!(reason.as_deref(), Some("rotation_lost"), "{body}");
    }
}

#[tokio::test]
async fn a_page_says_nothing_about_when_to_come_again() {
    for status in [200, 403, 503] {
        let setting = setting(Rotation::None).await;
        setting.clock.pass(3600);
        setting.provider.fail_always(Some(Failure::Answer {
            status,
            headers: vec![("Retry-After", "90000".to_owned())],
            body: "<html>Come again tomorrow</html>".to_owned(),
        }));
        let wait = refusal(setting.client()).await;
        assert!(wait <= Duration::from_secs(12), "{status}: {wait:?}");
    }
}

#[tokio::test]
async fn a_retry_after_is_believed_for_an_hour_at_most() {
    let setting = setting(Rotation::None).await;
    setting.clock.pass(3600);
    let fault = Failure::retry_after(503, 90_000);
    setting.provider.fail_always(Some(fault));
    let wait = refusal(setting.client()).await;
    assert!((3600..=3960).contains(&wait.as_secs()), "{wait:?}");
}
