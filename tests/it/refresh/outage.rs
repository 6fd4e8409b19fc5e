//! A provider that is away for a while, and comes back.

use std::time::Duration;

use agent_authd::clock::Clock as _;
use serde_json::json;

use super::{Setting, in_clear, refusal, summary, until, wanted};
use crate::support::provider::{Failure, PROVIDER_ID, Provider, Rotation};
use crate::support::stage;

/// Nothing is refreshed unless somebody asks.
const ON_DEMAND: &str = "refresh_active_within = 0\n";

/// The provider's period of grace, by the clock that the test moves.
const GRACE: Rotation = Rotation::Grace(Duration::from_secs(60));

/// A daemon with so many grants, the access tokens of all of which die at once.
async fn crowd(rotation: Rotation, grants: usize) -> Setting {
    let setting = Setting::with_clocked_provider(rotation, "").await;
    for _ in 1..grants {
        let import = setting.provider.import(3600);
        setting.client().import_token(&import).await.unwrap();
    }
    setting
}

/// How many grants were refreshed.
async fn refreshed(setting: &Setting) -> usize {
    let tokens = setting.client().tokens(None).await.unwrap();
    let refreshed = tokens.iter().filter(|token| token.refreshed_at.is_some());
    refreshed.count()
}

/// Lets time pass until `is_so`, at twenty times its speed, so that the disk
/// has time for what falls due meanwhile; how much has passed.
async fn pass_until(
    setting: &Setting,
    what: &str,
    mut is_so: impl AsyncFnMut() -> bool,
) -> Duration {
    let began = setting.clock.uptime();
    until(what, async || {
        setting.clock.pass_millis(100);
        is_so().await
    })
    .await;
    setting.clock.uptime() - began
}

/// Lets time pass until so many grants were refreshed; how many seconds.
async fn seconds_until_refreshed(setting: &Setting, grants: usize) -> u64 {
    let all = async || refreshed(setting).await == grants;
    pass_until(setting, "the refreshes", all).await.as_secs()
}

/// No grant has ended, and no spent refresh token came out of any grace.
async fn nothing_was_lost(setting: &Setting) {
    let tokens = setting.client().tokens(None).await.unwrap();
    assert!(tokens.iter().all(|token| token.reconnect_reason.is_none()));
    assert_eq!(setting.provider.reuses(), 0);
}

/// Lets all twenty refreshes be done at the provider, and their answers be
/// lost, together with those of the retry at once.
async fn lose_twenty_answers(fault: Failure) -> Setting {
    let setting = crowd(GRACE, 20).await;
    setting.provider.fail_always(Some(fault));
    setting.clock.pass(3600);
    until("the requests", async || setting.provider.refreshes() == 40).await;
    until("their ends", async || {
        let tokens = setting.client().tokens(None).await.unwrap();
        tokens.iter().all(|token| token.last_error.is_some())
    })
    .await;
    setting
}

#[tokio::test]
async fn a_blip_with_twenty_refreshes_under_way_costs_seconds_and_no_grant() {
    for fault in [Failure::LostAnswer, Failure::done_but(504)] {
        let setting = lose_twenty_answers(fault).await;
        setting.provider.fail_always(None);
        let seconds = seconds_until_refreshed(&setting, 20).await;
        assert!(seconds <= 20, "{seconds}");
        nothing_was_lost(&setting).await;
    }
}

#[tokio::test]
async fn a_grant_in_doubt_is_tried_twice_within_the_grace_through_an_open_circuit() {
    let setting = lose_twenty_answers(Failure::LostAnswer).await;
    setting.provider.fail_always(Some(Failure::status(500, "")));
    let began = setting.clock.uptime();
    let over = began + Duration::from_secs(40);
    pass_until(&setting, "forty seconds", async || {
        setting.clock.uptime() >= over
    })
    .await;
    let requests = setting.provider.requests();
    let tries = |from: u64, to: u64| {
        let seconds = from..to;
        let at = |uptime: Duration| uptime.saturating_sub(began).as_secs();
        let sent = requests[40..].iter();
        sent.filter(|request| seconds.contains(&at(request.uptime)))
            .count()
    };
    // All of them after 10 s and after 25 s; a probe now and then beside them.
    let counts = [(0, 9), (9, 19), (19, 24), (24, 34)].map(|(from, to)| tries(from, to));
    let [before, first, between, second] = counts;
    assert!(first >= 20 && second >= 20, "{counts:?}");
    assert!(before <= 8 && between <= 8, "{counts:?}");
    setting.provider.fail_always(None);
    seconds_until_refreshed(&setting, 20).await;
    nothing_was_lost(&setting).await;
}

#[tokio::test]
async fn after_an_outage_refreshes_begin_within_ten_seconds_and_are_spread() {
    const GRANTS: usize = 80;
    let setting = crowd(Rotation::Strict, GRANTS).await;
    setting.provider.fail_always(Some(Failure::status(503, "")));
    setting.clock.pass(3600);
    for _ in 0..200 {
        setting.clock.pass(3);
        setting.client().ok().await.unwrap();
    }
    let outage = setting.provider.requests();
    assert!(outage.len() < 300, "{} in an outage", outage.len());
    setting.provider.fail_always(None);
    let back = setting.clock.uptime();
    seconds_until_refreshed(&setting, GRANTS).await;
    nothing_was_lost(&setting).await;
    let requests = setting.provider.requests();
    let times: Vec<_> = requests[outage.len()..]
        .iter()
        .map(|request| request.uptime.saturating_sub(back))
        .collect();
    assert!(times[0] <= Duration::from_secs(10), "{:?}", times[0]);
    let last = times[times.len() - 1];
    assert!(last <= Duration::from_secs(40), "{last:?}");
    for begin in &times {
        let second = *begin..*begin + Duration::from_secs(1);
        let burst = times.iter().filter(|time| second.contains(time)).count();
        assert!(burst <= GRANTS * 3 / 4, "{burst} at {begin:?}");
    }
}

#[tokio::test]
async fn a_daemon_that_was_started_before_the_network_refreshes_seconds_after_it_is_there() {
    let setting = crowd(Rotation::Strict, 20).await;
    setting.provider.go_away();
    let setting = setting.restart_after(3600).await;
    for _ in 0..200 {
        setting.clock.pass(3);
        setting.client().ok().await.unwrap();
    }
    assert_eq!(refreshed(&setting).await, 0);
    setting.provider.come_back();
    let seconds = seconds_until_refreshed(&setting, 20).await;
    assert!(seconds <= 20, "{seconds}");
    nothing_was_lost(&setting).await;
}

#[tokio::test]
async fn at_most_thirty_two_refreshes_of_a_client_are_under_way_at_once() {
    let setting = crowd(Rotation::Strict, 50).await;
    setting.provider.answer_late(Duration::from_millis(400));
    setting.clock.pass(3600);
    until("the first", async || setting.provider.refreshes() >= 32).await;
    until("the last", async || refreshed(&setting).await == 50).await;
    let requests = setting.provider.requests();
    let gap = requests[32].at - requests[0].at;
    assert!(gap >= Duration::from_millis(400), "{gap:?}");
}

/// The status of an answer to somebody who asks for this token.
async fn status(setting: &Setting, token_id: &str) -> u16 {
    let body = json!({"provider": PROVIDER_ID, "scopes": ["read"], "token_id": token_id});
    stage::post(&setting.home, "/authenticate", body)
        .await
        .status
}

/// A daemon with a grant whose refreshes end in this error, and one that is
/// well, both with dead access tokens; the identifiers of their tokens.
async fn bad_and_good(error: &str) -> (Setting, String, String) {
    grant_that_fails_by(Failure::oauth(400, error)).await
}

/// The same with a grant whose refreshes fail in this way.
async fn grant_that_fails_by(fault: Failure) -> (Setting, String, String) {
    let setting = Setting::with_clocked_provider(Rotation::Strict, ON_DEMAND).await;
    let good = summary(setting.client()).await.id;
    let grant = setting.provider.grant();
    setting.provider.fail_for(&grant, fault);
    let import = Provider::import_of(grant, 3600);
    setting.client().import_token(&import).await.unwrap();
    let tokens = setting.client().tokens(None).await.unwrap();
    let bad = tokens
        .into_iter()
        .find(|token| token.id != good)
        .unwrap()
        .id;
    setting.clock.pass(3600);
    (setting, bad, good)
}

#[tokio::test]
async fn a_refusal_of_one_grant_holds_no_other_up() {
    for error in ["interaction_required", "invalid_scope", "unknown_code"] {
        let (setting, bad, good) = bad_and_good(error).await;
        for _ in 0..10 {
            // More often in a row than a provider may fail before it is held for away.
            for _ in 0..5 {
                setting.clock.pass(720);
                assert_eq!(status(&setting, &bad).await, 503, "{error}");
            }
            // No time passes since: a pause that the refusals began would hold.
            let before = setting.provider.refreshes();
            assert_eq!(status(&setting, &good).await, 200, "{error}");
            assert_eq!(setting.provider.refreshes(), before + 1, "{error}");
        }
        nothing_was_lost(&setting).await;
    }
}

#[tokio::test]
async fn a_refusal_of_the_client_that_only_one_token_meets_is_disproved_in_two_seconds() {
    let (setting, bad, good) = bad_and_good("unauthorized_client").await;
    for _ in 0..3 {
        assert_eq!(status(&setting, &bad).await, 503);
        assert_eq!(status(&setting, &good).await, 503);
        setting.clock.pass(2);
        assert_eq!(status(&setting, &bad).await, 503);
        assert_eq!(status(&setting, &good).await, 200);
        setting.clock.pass(3600);
    }
    nothing_was_lost(&setting).await;
}

#[tokio::test]
async fn who_comes_again_when_told_to_is_not_sent_away_unasked() {
    let setting = Setting::with_clocked_provider(Rotation::Strict, ON_DEMAND).await;
    setting.provider.fail_always(Some(Failure::status(500, "")));
    setting.clock.pass(3600);
    let mut wait = refusal(setting.client()).await;
    // Beyond the failures that open the circuit, and the longest of its pauses.
    for requests in 2..12 {
        setting.clock.pass(wait.as_secs());
        wait = refusal(setting.client()).await;
        assert_eq!(setting.provider.refreshes(), requests);
    }
}

/// Asks for a token that cannot be refreshed; how long it is told to wait.
async fn told(setting: &Setting, token_id: &str) -> Duration {
    let body = json!({"provider": PROVIDER_ID, "scopes": ["read"], "token_id": token_id});
    let answer = stage::post(&setting.home, "/authenticate", body).await;
    assert_eq!(answer.status, 503, "{}", answer.json);
    Duration::from_secs(answer.retry_after.unwrap())
}

/// Comes again when told to, until the provider's circuit is open; how long it
/// is told to wait then.
async fn open_circuit(setting: &Setting, token_id: &str) -> Duration {
    for _ in 0..4 {
        let wait = told(setting, token_id).await;
        setting.clock.pass(wait.as_secs());
    }
    told(setting, token_id).await
}

/// Comes once at half of the time that it was told to wait, and is refused
/// unasked; then when it is told to, and the provider is asked again. How long
/// it is told to wait then.
async fn comes_early_and_again(setting: &Setting, token_id: &str, wait: Duration) -> Duration {
    let before = setting.provider.refreshes();
    let half = wait / 2;
    setting
        .clock
        .pass_millis(half.as_millis().try_into().unwrap());
    let rest = told(setting, token_id).await;
    assert_eq!(setting.provider.refreshes(), before, "{half:?} of {wait:?}");
    let latest = wait - half + Duration::from_secs(1);
    assert!(rest <= latest, "{rest:?}, {half:?} after {wait:?}");
    setting.clock.pass(rest.as_secs());
    let next = told(setting, token_id).await;
    assert_eq!(
        setting.provider.refreshes(),
        before + 1,
        "{rest:?} after {half:?} of {wait:?}"
    );
    next
}

#[tokio::test]
async fn who_comes_between_two_probes_is_told_when_the_next_one_may_be_sent() {
    let setting = Setting::with_clocked_provider(Rotation::Strict, ON_DEMAND).await;
    setting.provider.fail_always(Some(Failure::status(500, "")));
    setting.clock.pass(3600);
    let token = summary(setting.client()).await.id;
    // Until the circuit is open, a token's own wait may be too short to come within it.
    let mut wait = open_circuit(&setting, &token).await;
    for _ in 0..10 {
        wait = comes_early_and_again(&setting, &token, wait).await;
    }
}

#[tokio::test]
async fn a_wait_that_the_provider_asked_for_is_told_through_an_open_circuit() {
    const ASKED_FOR: Duration = Duration::from_secs(120);
    let (setting, asked, other) = grant_that_fails_by(Failure::retry_after(503, 120)).await;
    setting.provider.fail_always(Some(Failure::status(500, "")));
    let wait = open_circuit(&setting, &other).await;
    setting.clock.pass(wait.as_secs());
    let wait = told(&setting, &asked).await;
    assert!(wait >= ASKED_FOR, "{wait:?}");
    let wait = comes_early_and_again(&setting, &asked, wait).await;
    assert!(wait >= ASKED_FOR, "{wait:?}");
}

#[tokio::test]
async fn who_comes_again_when_told_to_is_served_as_soon_as_the_provider_is_back() {
    let grace = Rotation::Grace(Duration::from_secs(600));
    let setting = Setting::with_clocked_provider(grace, ON_DEMAND).await;
    let client = setting.client();
    setting.clock.pass(3600);
    for fault in [
        Failure::LostAnswer,
        Failure::Ignored,
        Failure::done_but(504),
        Failure::status(503, ""),
        Failure::status(500, ""),
    ] {
        setting.provider.fail_always(Some(fault.clone()));
        for _ in 0..3 {
            let wait = refusal(client).await;
            assert!(wait <= Duration::from_secs(16), "{fault:?}: {wait:?}");
            setting.clock.pass(wait.as_secs());
        }
    }
    setting.provider.fail_always(None);
    setting.clock.pass(10);
    let answer = client.authenticate(&wanted()).await.unwrap();
    let token = in_clear(answer);
    assert!(setting.provider.accepts(&token));
    nothing_was_lost(&setting).await;
}
