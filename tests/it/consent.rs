//! The page on which a person lets an agent use an account: what each answer
//! does, who wakes, and which forms are not believed.

use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::support::person::{self, Page};
use crate::support::stage::{Stage, text};

/// What a browser of today sends with the page's own form.
const OWN: [(&str, &str); 2] = [("Origin", "null"), ("Sec-Fetch-Site", "same-origin")];

/// An agent's question, and the address of its page.
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

/// The form's token on the page at `url`.
pub(crate) async fn form_token(url: &str) -> String {
    let page = person::open(url).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let (_, rest) = page
        .body
        .split_once("name=\"form_token\" value=\"")
        .unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// Sends a form, and follows where it leads.
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
async fn allowing_binds_the_account_and_hands_it_to_whoever_waits() {
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
async fn refusing_ends_the_flow_and_changes_nothing_else() {
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
    let address = onward(&page);
    assert_eq!(stage.wait(&asked).await["status"], "pending");
    // Asked again meanwhile, it is still the same flow.
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
async fn connecting_another_account_leaves_the_users_default_as_it_is() {
    let stage = Stage::new().await;
    let own = stage.import(json!({})).await;
    let (_, url) = asked(&stage, json!({"is_default": true})).await;
    let page = decide(&url, &form_token(&url).await, "connect", &own).await;
    assert_eq!(person::open(&onward(&page)).await.status, 200);
    let answer = stage.authenticate(json!({})).await;
    assert_eq!(answer["metadata"]["token_id"], own);
}

/// Where the page leads on to.
pub(crate) fn onward(page: &Page) -> String {
    let (_, rest) = page
        .body
        .split_once("class=\"button primary\" href=\"")
        .unwrap();
    rest.split('"').next().unwrap().replace("&#38;", "&")
}

#[tokio::test]
async fn everyone_who_waits_wakes_when_the_person_allows() {
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
async fn a_form_is_good_once_and_only_the_one_shown_last() {
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
async fn an_account_that_would_not_do_cannot_be_chosen() {
    let stage = Stage::new().await;
    stage.import(json!({})).await;
    let (asked, url) = asked(&stage, json!({})).await;
    let unfit = stage.import(json!({"scopes": ["other"]})).await;
    let page = decide(&url, &form_token(&url).await, "allow", &unfit).await;
    assert_eq!(page.status, 409);
    assert_eq!(stage.wait(&asked).await["status"], "pending");
}

#[tokio::test]
async fn an_answered_page_only_says_how_it_was_answered() {
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
async fn a_form_of_another_site_is_not_believed() {
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
    // What a browser without fetch metadata sends will do.
    assert_eq!(send(&url, &[], &fields).await.status, 200);
}

#[tokio::test]
async fn a_form_that_is_too_long_or_not_whole_is_refused() {
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
async fn a_page_that_nobody_was_sent_to_is_not_there() {
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
async fn the_page_can_be_framed_by_nobody_and_posts_only_to_itself() {
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
