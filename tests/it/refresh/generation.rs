//! The generation of a grant, as answers name it.

use serde_json::Value;

use super::{Setting, wanted};
use crate::support::provider::{Provider, Rotation};

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
    assert_eq!(info.features, agent_authd::api::FEATURES);
}
