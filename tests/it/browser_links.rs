//! One-time links for browsers: they do not contain the state, and work once.

use serde_json::{Value, json};
use url::Url;

use crate::support::person;
use crate::support::stage::{Stage, text};

/// A link for the flow in a reply.
async fn link(stage: &Stage, asked: &Value) -> String {
    let path = format!("/flows/{}/browser-link", text(&asked["auth_id"]));
    text(&stage.post(&path, json!({})).await.with(200)["url"])
}

#[tokio::test]
async fn a_link_leads_one_browser_to_the_provider_and_shows_no_state() {
    let stage = Stage::new().await;
    let asked = stage.authenticate(json!({})).await;
    let login: Url = text(&asked["url"]).parse().unwrap();
    let (_, state) = login
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap();
    let link = link(&stage, &asked).await;
    assert!(!link.contains(&*state), "{link}");
    assert!(!link.contains(&text(&asked["auth_id"])), "{link}");
    let page = person::open(&link).await;
    assert!(page.body.contains("You are connected"), "{}", page.body);
    assert_eq!(stage.wait(&asked).await["status"], "completed");
    let again = person::open(&link).await;
    assert_eq!(again.status, 410, "{}", again.body);
    assert!(again.body.contains("used already"), "{}", again.body);
}

#[tokio::test]
async fn a_link_leads_to_the_consent_page_if_the_flow_has_one() {
    let stage = Stage::new().await;
    stage.import(json!({})).await;
    let asked = stage.authenticate(json!({"agent_id": "bot"})).await;
    let page = person::open(&link(&stage, &asked).await).await;
    assert_eq!(page.address.as_str(), text(&asked["url"]));
    assert_eq!(page.status, 200);
}

#[tokio::test]
async fn a_link_to_a_finished_login_shows_the_result() {
    let stage = Stage::new().await;
    let asked = stage.authenticate(json!({})).await;
    let late = link(&stage, &asked).await;
    person::open(&text(&asked["url"])).await;
    let page = person::open(&late).await;
    assert!(page.body.contains("You are connected"), "{}", page.body);
}

#[tokio::test]
async fn there_is_no_link_to_an_unknown_or_finished_login() {
    let stage = Stage::new().await;
    let asked = stage.authenticate(json!({})).await;
    person::open(&text(&asked["url"])).await;
    let ended = text(&asked["auth_id"]);
    for flow in [ended.as_str(), "00000000-0000-0000-0000-000000000000", "x"] {
        let path = format!("/flows/{flow}/browser-link");
        stage.post(&path, json!({})).await.with(404);
    }
    let base = stage.daemon.client().info().await.unwrap().redirect_base;
    let page = person::open(&format!("{base}/go/guessed")).await;
    assert_eq!(page.status, 410);
}
