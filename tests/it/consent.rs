//! The consent page: the effect of each decision, who is notified, and which forms
//! are rejected.

use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::support::person::{self, Page};
use crate::support::stage::{Stage, text};

/// The headers that current browsers send with the page's form.
const OWN: [(&str, &str); 2] = [("Origin", "null"), ("Sec-Fetch-Site", "same-origin")];

/// An agent's request, and the URL of its consent page.
pub(crate) async fn asked(stage: &Stage, changes: Value) -> (Value, String) {
    let mut wanted = json!({"agent_id": "bot"});
    for (name, value) in changes.as_object().unwrap() {
        wanted[name] = value.clone();
    }
    let asked = stage.authenticate(wanted).await;
    assert_eq!(asked["status"], "connection_required", "{asked}");
    let url = text(&asked["url"]);
    (asked, url)
}

/// The form token on the page at `url`.
pub(crate) async fn form_token(url: &str) -> String {
    let page = person::open(url).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let (_, rest) = page
        .body
        .split_once("name=\"form_token\" value=\"")
        .unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// Sends a form and follows the redirect.
pub(crate) async fn send(url: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Page {
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    person::send_form(url, headers, &form).await
}

pub(crate) async fn decide(url: &str, token: &str, decision: &str, account: &str) -> Page {
    let fields = [
        ("form_token", token),
        ("account", account),
        ("decision", decision),
    ];
    send(url, &OWN, &fields).await
}

#[tokio::test]
async fn allow_permits_the_account_and_wakes_the_waiter() {
    let stage = Stage::new().await;
    let account = stage.import(json!({})).await;
    let (asked, url) = asked(&stage, json!({})).await;
    let page = decide(&url, &form_token(&url).await, "allow", &account).await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("bot"), "{}", page.body);
    let ended = stage.wait(&asked).await;
    assert_eq!(ended["token"], "canary-imported");
    let again = stage.authenticate(json!({"agent_id": "bot"})).await;
    assert_eq!(again["metadata"]["token_id"], account);
    assert_eq!(
        stage.events().await,
        [
            "imported imported api -",
            "agent_connected allowed consent bot"
        ]
    );
}

#[tokio::test]
async fn refuse_ends_the_flow_and_changes_nothing_else() {
    let stage = Stage::new().await;
    let account = stage.import(json!({})).await;
    let (asked, url) = asked(&stage, json!({})).await;
    let page = decide(&url, &form_token(&url).await, "refuse", &account).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Nothing was connected"), "{}", page.body);
    let ended = stage.wait(&asked).await;
    assert_eq!(ended["status"], "not_found");
    assert_eq!(ended["error"], "access_denied");
    let connections = stage.get("/agents/bot/connections").await.with(200);
    assert_eq!(connections, json!({"data": []}));
    let events = stage.events().await;
    assert_eq!(events.last().unwrap(), "denied access_denied consent bot");
    assert_eq!(events.len(), 2);
}

#[tokio::test]
async fn connecting_another_account_ends_the_same_flow_with_it() {
    let stage = Stage::new().await;
    let account = stage.import(json!({})).await;
    let (asked, url) = asked(&stage, json!({})).await;
    let page = decide(&url, &form_token(&url).await, "connect", &account).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let address = provider_redirect(&page);
    assert_eq!(stage.wait(&asked).await["status"], "pending");
    // The same request returns the same flow.
    let again = stage.authenticate(json!({"agent_id": "bot"})).await;
    assert_eq!(again["auth_id"], asked["auth_id"]);
    assert_eq!(person::open(&address).await.status, 200);
    let ended = stage.wait(&asked).await;
    assert_eq!(ended["status"], "completed");
    assert_ne!(ended["metadata"]["token_id"], account);
    let again = stage.authenticate(json!({"agent_id": "bot"})).await;
    assert_eq!(again["metadata"]["token_id"], ended["metadata"]["token_id"]);
}

#[tokio::test]
async fn connecting_another_account_does_not_change_the_users_default() {
    let stage = Stage::new().await;
    let own = stage.import(json!({})).await;
    let (_, url) = asked(&stage, json!({"is_default": true})).await;
    let page = decide(&url, &form_token(&url).await, "connect", &own).await;
    assert_eq!(person::open(&provider_redirect(&page)).await.status, 200);
    let answer = stage.authenticate(json!({})).await;
    assert_eq!(answer["metadata"]["token_id"], own);
}

/// The URL to which the page leads.
pub(crate) fn provider_redirect(page: &Page) -> String {
    let (_, rest) = page
        .body
        .split_once("class=\"button primary\" href=\"")
        .unwrap();
    rest.split('"').next().unwrap().replace("&#38;", "&")
}

#[tokio::test]
async fn all_waiters_wake_when_the_person_allows() {
    let stage = Stage::new().await;
    let account = stage.import(json!({})).await;
    let (asked, url) = asked(&stage, json!({})).await;
    let flow = agent_authd::identity::FlowId::parse(&text(&asked["auth_id"])).unwrap();
    let waiters: Vec<_> = (0..3)
        .map(|_| {
            let client = stage.home.client();
            tokio::spawn(async move {
                let timeout = std::time::Duration::from_secs(30);
                client.wait(flow, timeout).await.unwrap().token.is_some()
            })
        })
        .collect();
    decide(&url, &form_token(&url).await, "allow", &account).await;
    for waiter in waiters {
        assert!(waiter.await.unwrap());
    }
}

#[tokio::test]
async fn only_the_latest_form_is_accepted_and_only_once() {
    let stage = Stage::new().await;
    let account = stage.import(json!({})).await;
    let (asked, url) = asked(&stage, json!({})).await;
    let first = form_token(&url).await;
    let latest = form_token(&url).await;
    assert_ne!(first, latest);
    for (token, account) in [
        (first.as_str(), account.as_str()),
        ("guessed", account.as_str()),
    ] {
        let page = decide(&url, token, "allow", account).await;
        assert_eq!(page.status, 409, "{}", page.body);
        assert!(page.body.contains("<form"));
    }
    assert_eq!(stage.wait(&asked).await["status"], "pending");
    let latest = form_token(&url).await;
    assert_eq!(decide(&url, &latest, "connect", &account).await.status, 200);
    assert_eq!(decide(&url, &latest, "allow", &account).await.status, 409);
    assert_eq!(stage.wait(&asked).await["status"], "pending");
}

#[tokio::test]
async fn an_account_that_does_not_satisfy_the_request_cannot_be_chosen() {
    let stage = Stage::new().await;
    stage.import(json!({})).await;
    let (asked, url) = asked(&stage, json!({})).await;
    let other = stage.import(json!({"scopes": ["other"]})).await;
    let page = decide(&url, &form_token(&url).await, "allow", &other).await;
    assert_eq!(page.status, 409);
    assert_eq!(stage.wait(&asked).await["status"], "pending");
}

#[tokio::test]
async fn an_answered_page_only_shows_the_result() {
    let stage = Stage::new().await;
    let account = stage.import(json!({})).await;
    let (_, url) = asked(&stage, json!({})).await;
    let token = form_token(&url).await;
    decide(&url, &token, "allow", &account).await;
    let before = stage.events().await;
    let page = person::open(&url).await;
    assert!(page.body.contains("You are connected"), "{}", page.body);
    let page = decide(&url, &token, "refuse", &account).await;
    assert!(page.body.contains("You are connected"), "{}", page.body);
    assert_eq!(stage.events().await, before);
}

#[tokio::test]
async fn a_form_of_another_site_is_rejected() {
    let stage = Stage::new().await;
    let account = stage.import(json!({})).await;
    let (asked, url) = asked(&stage, json!({})).await;
    let token = form_token(&url).await;
    let fields = [
        ("form_token", token.as_str()),
        ("account", account.as_str()),
        ("decision", "allow"),
    ];
    for headers in [
        [
            ("Origin", "https://evil.example"),
            ("Sec-Fetch-Site", "cross-site"),
        ],
        [
            ("Origin", "https://evil.example"),
            ("Sec-Fetch-Site", "same-origin"),
        ],
        [("Origin", "null"), ("Sec-Fetch-Site", "cross-site")],
        [("Origin", "null"), ("Sec-Fetch-Site", "same-site")],
    ] {
        let page = send(&url, &headers, &fields).await;
        assert_eq!(page.status, 400, "{headers:?}");
    }
    assert_eq!(stage.wait(&asked).await["status"], "pending");
    // A browser without fetch metadata is accepted.
    assert_eq!(send(&url, &[], &fields).await.status, 200);
}

#[tokio::test]
async fn a_form_that_is_too_long_or_incomplete_is_rejected() {
    let stage = Stage::new().await;
    stage.import(json!({})).await;
    let (asked, url) = asked(&stage, json!({})).await;
    let token = form_token(&url).await;
    let long = "x".repeat(9 * 1024);
    for fields in [
        vec![("form_token", token.as_str())],
        vec![("form_token", token.as_str()), ("decision", "allow")],
        vec![
            ("form_token", token.as_str()),
            ("decision", "refuse"),
            ("x", long.as_str()),
        ],
    ] {
        assert_eq!(send(&url, &OWN, &fields).await.status, 400);
    }
    assert_eq!(stage.wait(&asked).await["status"], "pending");
}

#[tokio::test]
async fn there_is_no_consent_page_for_other_flows() {
    let stage = Stage::new().await;
    let login = stage.authenticate(json!({})).await;
    let base = stage.daemon.client().info().await.unwrap().redirect_base;
    for flow in [
        text(&login["auth_id"]),
        "00000000-0000-0000-0000-000000000000".to_owned(),
        "x".to_owned(),
    ] {
        let page = person::open(&format!("{base}/consent/{flow}")).await;
        assert_eq!(page.status, 404, "{flow}");
    }
}

#[tokio::test]
async fn the_page_cannot_be_framed_and_its_form_goes_to_the_same_origin() {
    let stage = Stage::new().await;
    stage.import(json!({})).await;
    let (_, url) = asked(&stage, json!({})).await;
    let page = person::open(&url).await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(policy.contains("form-action 'self'"), "{policy}");
    assert_eq!(page.header("cache-control").unwrap(), "no-store");
    let address: Url = url.parse().unwrap();
    assert!(
        page.body
            .contains(&format!("action=\"{}\"", address.path()))
    );
}
