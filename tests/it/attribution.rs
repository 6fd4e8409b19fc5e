//! Whose words a person reads when a login was not finished.

use serde_json::json;

use crate::support::person::{self, Page};
use crate::support::stage::{Stage, text};

/// The page that a redirect with these parameters ends on.
async fn ended_by(stage: &Stage, parameters: &str) -> Page {
    let asked = stage.authenticate(json!({"force_new": true})).await;
    let login: url::Url = text(&asked["url"]).parse().unwrap();
    let find = |name: &str| login.query_pairs().find(|(found, _)| found == name);
    let (_, redirect_uri) = find("redirect_uri").unwrap();
    let (_, state) = find("state").unwrap();
    person::open(&format!("{redirect_uri}?state={state}&{parameters}")).await
}

#[tokio::test]
async fn the_daemons_words_are_shown_as_the_daemons() {
    let stage = Stage::new().await;
    let page = ended_by(&stage, "x=y").await;
    assert!(
        page.body.contains("In the words of agent-authd"),
        "{}",
        page.body
    );
    assert!(
        page.body
            .contains("the provider sent neither a code nor an error")
    );
}

#[tokio::test]
async fn a_providers_words_are_shown_as_the_providers_whatever_its_code_says() {
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
            !page.body.contains("In the words of agent-authd"),
            "{}",
            page.body
        );
        assert!(page.body.contains("In the words of <bdi>"), "{}", page.body);
    }
}
