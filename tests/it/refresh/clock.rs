//! Clocks that jump: nothing is lost, nothing dead is handed out.

use super::{Setting, refusal, summary, token};
use crate::support::provider::{Failure, Provider, Rotation};

/// Nothing is refreshed unless somebody asks.
const ON_DEMAND: &str = "refresh_active_within = 0\n";
const DAY: i64 = 86_400;

async fn setting() -> Setting {
    Setting::new(Provider::start(Rotation::Strict, 3600), ON_DEMAND).await
}

#[tokio::test]
async fn no_step_of_the_clock_loses_a_grant() {
    let setting = setting().await;
    let start = 1_767_225_600;
    for now in [start + DAY, start - DAY, -DAY, 0, start + 3650 * DAY, start] {
        setting.clock.set(now);
        let handed_out = token(setting.client()).await;
        assert!(setting.provider.accepts(&handed_out), "at {now}");
        assert_eq!(setting.provider.reuses(), 0, "at {now}");
        // By now the clock is believed: the same token serves again.
        assert_eq!(token(setting.client()).await, handed_out, "at {now}");
        setting.clock.pass(100);
    }
}

#[tokio::test]
async fn a_vault_written_in_the_future_loses_nothing() {
    let mut setting = setting().await;
    setting.clock.jump(365 * DAY);
    token(setting.client()).await;
    for _ in 0..2 {
        setting.clock.jump(-365 * DAY);
        setting = setting.restart().await;
        let handed_out = token(setting.client()).await;
        assert!(setting.provider.accepts(&handed_out));
        assert_eq!(setting.provider.reuses(), 0);
        assert_eq!(summary(setting.client()).await.reconnect_reason, None);
    }
}

#[tokio::test]
async fn a_clock_set_back_brings_no_dead_token_back_to_life() {
    for back in [1800, DAY] {
        let setting = setting().await;
        token(setting.client()).await;
        setting.provider.fail_always(Some(Failure::status(500, "")));
        setting.clock.pass(3600);
        setting.clock.jump(-back);
        refusal(setting.client()).await;
    }
}

#[tokio::test]
async fn a_token_that_is_still_good_serves_while_the_clock_is_wrong_and_the_provider_away() {
    let setting = setting().await;
    let first = token(setting.client()).await;
    setting.provider.fail_always(Some(Failure::status(500, "")));
    setting.clock.jump(-DAY);
    assert_eq!(token(setting.client()).await, first);
}
