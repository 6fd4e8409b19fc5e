//! What the daemon says about its refreshes is so.

use std::process::Stdio;

use tokio::process::Command;

use super::{Setting, refusal, token, wanted};
use crate::support::provider::{Failure, Provider, Rotation};

/// What `agent-auth` prints.
async fn printed(setting: &Setting, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-auth"));
    command
        .args(words)
        .env("AGENT_AUTH_SOCK", setting.home.socket())
        .stdin(Stdio::null());
    let output = command.output().await.unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn status_list_and_metadata_tell_of_the_last_refresh_and_the_next() {
    let provider = Provider::start(Rotation::Strict, 3600);
    let setting = Setting::new(provider, "refresh_active_within = 0\n").await;
    let client = setting.client();
    let metadata = async || {
        client
            .authenticate(&wanted())
            .await
            .unwrap()
            .metadata
            .unwrap()
    };

    let before = metadata().await;
    assert!(before["refreshed_at"].is_null());
    setting.clock.pass(3600);
    let after = metadata().await;
    assert_eq!(after["refreshed_at"], "2026-01-01T01:00:00Z");
    assert!(after["next_refresh_at"].as_str().unwrap() < after["expires_at"].as_str().unwrap());
    assert!(after["last_error"].is_null());
    for words in [&["status"][..], &["tokens", "list"]] {
        let said = printed(&setting, words).await;
        assert!(said.contains("refreshed "), "{said}");
        assert!(said.contains("next "), "{said}");
    }

    setting
        .provider
        .fail_always(Some(Failure::retry_after(503, 60)));
    setting.clock.pass(3600);
    refusal(client).await;
    for words in [&["status"][..], &["tokens", "list"]] {
        let said = printed(&setting, words).await;
        assert!(said.contains("the provider is not available now"), "{said}");
    }
    let setting = setting.restart().await;
    let said = printed(&setting, &["status"]).await;
    assert!(said.contains("the provider is not available now"), "{said}");

    setting.provider.fail_always(None);
    token(setting.client()).await;
    let said = printed(&setting, &["status"]).await;
    assert!(!said.contains("not available"), "{said}");
}
