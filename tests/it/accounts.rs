//! Whose account came back from a login: one that is shown to be the same is
//! renewed in place, another one is stored beside it, and where it cannot be
//! told the person is asked.

mod api;
#[cfg(target_os = "linux")]
mod terminal;

use serde_json::{Value, json};
use url::form_urlencoded;

use crate::consent::{asked, decide, form_token, provider_redirect};
use crate::support::person::{self, Page};
use crate::support::provider::Failure;
use crate::support::stage::{Stage, text};

const QUESTION: &str = "Is this the same account?";

/// As JSON: a token of the issuer `https://issuer.example` for the subject `1`.
const ID_TOKEN: &str = "\"eyJhbGciOiAibm9uZSJ9.\
    eyJpc3MiOiAiaHR0cHM6Ly9pc3N1ZXIuZXhhbXBsZSIsICJzdWIiOiAiMSJ9.\
    \"";

/// The token of the form on a page.
fn token_on(page: &Page) -> String {
    let (_, rest) = page
        .body
        .split_once("name=\"form_token\" value=\"")
        .unwrap_or_else(|| panic!("{}", page.body));
    rest.split('"').next().unwrap().to_owned()
}

/// Sends the form of the final page.
async fn send(page: &Page, fields: &[(&str, &str)]) -> Page {
    let token = token_on(page);
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("form_token", &token)
        .extend_pairs(fields)
        .finish();
    person::send_form(page.address.as_str(), &[("Origin", "null")], &form).await
}

/// Says on the final page that the account is the same.
pub(crate) async fn say_same(page: &Page) -> Page {
    assert!(page.body.contains(QUESTION), "{}", page.body);
    let page = send(page, &[("decision", "same")]).await;
    assert!(!page.body.contains(QUESTION), "{}", page.body);
    page
}

/// A login for more scopes than are stored: the answer that named it, and the
/// final page.
async fn widening(stage: &Stage, changes: Value) -> (Value, Page) {
    let mut wanted = json!({"scopes": ["read", "write"]});
    for (name, value) in changes.as_object().unwrap() {
        wanted[name] = value.clone();
    }
    let asked = stage.authenticate(wanted).await;
    assert_eq!(asked["status"], "pending", "{asked}");
    let page = person::open(asked["url"].as_str().unwrap()).await;
    assert_eq!(page.status, 200, "{}", page.body);
    (asked, page)
}

async fn token_after(stage: &Stage, asked: &Value) -> String {
    text(&stage.wait(asked).await["metadata"]["token_id"])
}

/// The stored tokens, newest first, and whether each is a default.
async fn stored(stage: &Stage) -> Vec<(String, bool)> {
    let list = stage.get("/tokens").await.with(200);
    let all = list.as_array().unwrap().iter();
    all.map(|token| (text(&token["id"]), token["is_default"] == true))
        .collect()
}

async fn allow_bot(stage: &Stage, token: &str) {
    let body = json!({"oauth_token_id": token});
    stage.post("/agents/bot/connections", body).await.with(201);
}

#[tokio::test]
async fn the_same_account_is_renewed_in_place_without_a_question() {
    let stage = Stage::new().await;
    stage.provider.name_account("ada");
    let token = stage.log_in(json!({})).await;
    let label = json!({"provider_account_label": "work"});
    stage
        .patch(&format!("/tokens/{token}/metadata"), label)
        .await
        .with(200);
    let (asked, page) = widening(&stage, json!({})).await;
    assert!(!page.body.contains("<form"), "{}", page.body);
    assert_eq!(token_after(&stage, &asked).await, token);
    assert_eq!(stored(&stage).await, [(token, true)]);
}

#[tokio::test]
async fn another_account_is_stored_beside_the_old_one_which_keeps_its_agents() {
    let stage = Stage::new().await;
    stage.provider.name_account("ada");
    let old = stage.log_in(json!({})).await;
    // What the person calls the account says nothing of whose it is.
    let label = json!({"provider_account_label": "bob"});
    stage
        .patch(&format!("/tokens/{old}/metadata"), label)
        .await
        .with(200);
    allow_bot(&stage, &old).await;
    let before = stage.authenticate(json!({})).await["token"].clone();
    stage.provider.name_account("bob");
    let (asked, page) = widening(&stage, json!({})).await;
    assert!(
        page.body.contains("This is another account than"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("<form"), "{}", page.body);
    let new = token_after(&stage, &asked).await;
    assert_eq!(stored(&stage).await, [(new, false), (old.clone(), true)]);
    assert_eq!(stage.authenticate(json!({})).await["token"], before);
    let bots = stage.authenticate(json!({"agent_id": "bot"})).await;
    assert_eq!(bots["metadata"]["token_id"], old);
    let events = stage.events().await;
    assert_eq!(events.last().unwrap(), "connected another_account flow -");
}

#[tokio::test]
async fn an_account_that_cannot_be_told_is_stored_beside_until_the_person_says_it_is_the_same() {
    let stage = Stage::new().await;
    let old = stage.log_in(json!({})).await;
    allow_bot(&stage, &old).await;
    let (asked, page) = widening(&stage, json!({})).await;
    assert!(page.body.contains(QUESTION), "{}", page.body);
    let new = token_after(&stage, &asked).await;
    assert_eq!(
        stored(&stage).await,
        [(new.clone(), false), (old.clone(), true)]
    );
    let events = stage.events().await;
    assert_eq!(events.last().unwrap(), "connected account_unknown flow -");
    let issued = stage.wait(&asked).await["token"].clone();

    say_same(&page).await;
    assert_eq!(stored(&stage).await, [(old.clone(), true)]);
    let ended = stage.wait(&asked).await;
    assert_eq!(
        (&ended["token"], &ended["metadata"]["token_id"]),
        (&issued, &json!(old))
    );
    // The agent may use it with what it was allowed, and was not asked about more.
    let bots = stage.authenticate(json!({"agent_id": "bot"})).await;
    assert_eq!(bots["status"], "connection_required");
    let events = stage.events().await;
    assert_eq!(events.last().unwrap(), "connected renewed consent -");
}

#[tokio::test]
async fn without_an_answer_the_new_grant_is_for_the_one_who_asked_alone() {
    let stage = Stage::new().await;
    let users = stage.log_in(json!({})).await;
    allow_bot(&stage, &users).await;
    let (asked, _) = widening(&stage, json!({"agent_id": "bot"})).await;
    let bots = token_after(&stage, &asked).await;
    assert_ne!(bots, users);
    let more = json!({"scopes": ["read", "write"]});
    assert_eq!(stage.authenticate(more.clone()).await["status"], "pending");
    let mut as_bot = more;
    as_bot["agent_id"] = json!("bot");
    assert_eq!(
        stage.authenticate(as_bot).await["metadata"]["token_id"],
        bots
    );
    let other = stage.authenticate(json!({"agent_id": "other"})).await;
    assert_eq!(other["status"], "connection_required");
}

#[tokio::test]
async fn the_answer_is_taken_once_and_from_the_page_shown_last() {
    let stage = Stage::new().await;
    let old = stage.log_in(json!({})).await;
    let (_, first) = widening(&stage, json!({})).await;
    let latest = person::open(first.address.as_str()).await;
    assert!(
        send(&first, &[("decision", "same")])
            .await
            .body
            .contains(QUESTION)
    );
    assert_eq!(stored(&stage).await.len(), 2);
    let latest_again = person::open(latest.address.as_str()).await;
    for fields in [vec![("decision", "other")], vec![]] {
        assert_eq!(send(&latest_again, &fields).await.status, 400);
    }
    say_same(&latest_again).await;
    let events = stage.events().await;
    send(&latest_again, &[("decision", "same")]).await;
    assert_eq!(stage.events().await, events);
    assert_eq!(stored(&stage).await, [(old, true)]);
}

#[tokio::test]
async fn the_agents_of_a_widened_token_are_asked_about_in_one_form() {
    let stage = Stage::new().await;
    stage.provider.name_account("ada");
    let token = stage.log_in(json!({})).await;
    for agent in ["bot", "other"] {
        let body = json!({"oauth_token_id": token});
        stage
            .post(&format!("/agents/{agent}/connections"), body)
            .await
            .with(201);
    }
    let (_, page) = widening(&stage, json!({})).await;
    assert!(
        page.body
            .contains("May they use it with the new permissions?"),
        "{}",
        page.body
    );
    for part in [
        "value=\"bot\" checked",
        "value=\"other\" checked",
        "New: <code><bdi>write",
    ] {
        assert!(page.body.contains(part), "{}", page.body);
    }
    send(
        &page,
        &[
            ("decision", "allow"),
            ("agent", "bot"),
            ("agent", "stranger"),
        ],
    )
    .await;
    for (agent, status) in [
        ("bot", "completed"),
        ("other", "connection_required"),
        ("stranger", "connection_required"),
    ] {
        let answer = stage.authenticate(json!({"agent_id": agent})).await;
        assert_eq!(answer["status"], status, "{agent}");
    }
    let events = stage.events().await;
    assert_eq!(
        events.last().unwrap(),
        "agent_connected allowed consent bot"
    );
}

#[tokio::test]
async fn a_login_that_brings_a_stored_refresh_token_renews_the_token_that_holds_it() {
    let stage = Stage::new().await;
    let token = stage.import(json!({"refresh_token": "canary-r"})).await;
    let same = Failure::Member("refresh_token", Some("\"canary-r\""));
    stage.provider.fail_next(same);
    assert_eq!(stage.log_in(json!({"force_new": true})).await, token);
    assert_eq!(stored(&stage).await, [(token, true)]);
}

#[tokio::test]
async fn a_refresh_tells_whose_a_token_is_that_was_imported() {
    let stage = Stage::new().await;
    let pair = stage.provider.grant();
    let expired = json!({"refresh_token": pair.refresh, "expires_in_seconds": 0});
    let token = stage.import(expired).await;
    let named = Failure::Member("id_token", Some(ID_TOKEN));
    stage.provider.fail_next(named);
    let refreshed = stage.authenticate(json!({})).await;
    assert_eq!(refreshed["metadata"]["token_id"], token, "{refreshed}");
    let vault = rusqlite::Connection::open(stage.home.path("data/vault.db")).unwrap();
    let query = "SELECT issuer || ' ' || subject FROM tokens";
    let account: String = vault.query_row(query, [], |row| row.get(0)).unwrap();
    assert_eq!(account, "https://issuer.example 1");
}

#[tokio::test]
async fn agents_are_allowed_what_the_final_page_showed_and_no_more() {
    let stage = Stage::new().await;
    stage.provider.name_account("ada");
    let token = stage.log_in(json!({})).await;
    allow_bot(&stage, &token).await;
    let (_, page) = widening(&stage, json!({})).await;
    let more = json!({"scopes": ["mail.send"]});
    assert_eq!(stage.log_in(more).await, token);
    send(&page, &[("decision", "allow"), ("agent", "bot")]).await;
    let (_, url) = asked(&stage, json!({})).await;
    let page = person::open(&url).await;
    let new = "New since you allowed it: <code><bdi>mail.send</bdi></code></small>";
    assert!(page.body.contains(new), "{}", page.body);
}

#[tokio::test]
async fn connecting_another_account_lets_the_person_choose_and_says_if_it_is_the_same() {
    let stage = Stage::new().await;
    stage.provider.name_account("ada");
    let own = stage.log_in(json!({})).await;
    for (account, is_same) in [("ada", true), ("bob", false)] {
        let (_, url) = asked(&stage, json!({"agent_id": account})).await;
        let page = decide(&url, &form_token(&url).await, "connect", &own).await;
        let address = provider_redirect(&page);
        assert!(address.contains("prompt=select_account"), "{address}");
        stage.provider.name_account(account);
        let page = person::open(&address).await;
        assert_eq!(
            page.body.contains("was connected before"),
            is_same,
            "{}",
            page.body
        );
    }
    let login = stage
        .authenticate(json!({"force_new": true, "user_id": "x"}))
        .await;
    assert!(!text(&login["url"]).contains("prompt="));
}
