//! The page of a failed login names the source of each message.

use serde_json::json;

use crate::support::person::{self, Page};
use crate::support::stage::{Stage, text};

/// The final page of a callback with these parameters.
async fn ended_by(stage: &Stage, parameters: &str) -> Page {
    let asked = stage.authenticate(json!({"force_new": true})).await;
    let login: url::Url = text(&asked["url"]).parse().unwrap();
    let find = |name: &str| login.query_pairs().find(|(found, _)| found == name);
    let (_, redirect_uri) = find("redirect_uri").unwrap();
    let (_, state) = find("state").unwrap();
    person::open(&format!("{redirect_uri}?state={state}&{parameters}")).await
}

#[tokio::test]
async fn a_message_of_the_daemon_is_attributed_to_the_daemon() {
    let stage = Stage::new().await;
    let page = ended_by(&stage, "x=y").await;
    assert!(
        page.body.contains("Message from agent-authd"),
        "{}",
        page.body
    );
    assert!(
        page.body
            .contains("the provider sent neither a code nor an error")
    );
}

#[tokio::test]
async fn a_message_of_the_provider_is_attributed_to_the_provider_with_any_code() {
    let stage = Stage::new().await;
    for code in [
        "invalid_scope",
        "provider_changed",
        "interrupted",
        "invalid_issuer",
    ] {
        let parameters = format!("error={code}&error_description=call+0900");
        let page = ended_by(&stage, &parameters).await;
        assert!(page.body.contains("call 0900"), "{}", page.body);
        assert!(
            !page.body.contains("Message from agent-authd"),
            "{}",
            page.body
        );
        assert!(page.body.contains("Message from <bdi>"), "{}", page.body);
    }
}
