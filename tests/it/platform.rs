//! Platform providers: all users can use them, no user can change them, and an
//! invalid file keeps the previous ones.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

use crate::support::daemon::{Binary, Home};
use crate::support::person;
use crate::support::provider::{CLIENT_ID, CLIENT_SECRET, Provider, Rotation};
use crate::support::stage::{Stage, text};

const SETTINGS: &str = "platform_dir = 'platform'\n";

/// Writes the file of a platform provider.
fn offer(home: &Home, id: &str, provider: &Provider) {
    let folder = home.path("platform");
    fs::create_dir_all(&folder).unwrap();
    let secret = folder.join("secret");
    fs::write(&secret, CLIENT_SECRET).unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    let text = format!(
        "provider_id = '{id}'\nname = 'Platform'\nclient_id = '{CLIENT_ID}'\n\
         client_secret_file = 'secret'\nauth_url = '{}'\ntoken_url = '{}'\n",
        provider.url("/authorize"),
        provider.url("/token"),
    );
    fs::write(folder.join(format!("{id}.toml")), text).unwrap();
}

/// A stage with the platform providers `shared` and `strict`.
async fn stage() -> (Stage, Provider) {
    let platform = Provider::start(Rotation::Strict, 3600);
    let home = Home::with_settings(SETTINGS);
    offer(&home, "shared", &platform);
    offer(&home, "strict", &platform);
    (Stage::at(home).await, platform)
}

#[tokio::test]
async fn all_users_see_them_without_their_secret() {
    let (stage, _platform) = stage().await;
    let list = stage.get("/platform-providers").await.with(200);
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert!(!list.to_string().contains(CLIENT_SECRET));
    let shared = stage.get("/platform-providers/shared").await.with(200);
    assert_eq!(shared["name"], "Platform");
    assert!(text(&shared["default_redirect_uri"]).ends_with("/host-oauth-callback/shared"));
    stage.get("/platform-providers/none").await.with(404);
    // It is nobody's own.
    stage.get("/providers/shared").await.with(404);
}

#[tokio::test]
async fn no_user_can_change_or_redirect_them() {
    let (stage, _platform) = stage().await;
    let changes = json!({"token_url": "https://evil.example/token"});
    stage
        .patch("/providers/shared", changes.clone())
        .await
        .with(404);
    stage
        .patch("/platform-providers/shared", changes)
        .await
        .with(405);
    stage.delete("/providers/shared").await.with(404);
    let import = json!({"provider_id": "shared", "access_token": "canary-access"});
    stage.post("/tokens/import", import).await.with(404);
}

#[tokio::test]
async fn they_are_used_if_the_owner_has_no_provider_of_that_id() {
    let (stage, platform) = stage().await;
    let token = stage.log_in(json!({"provider": "shared"})).await;
    assert_eq!(platform.requests().len(), 1);
    let asked = stage.authenticate(json!({"provider": "shared"})).await;
    assert_eq!(asked["metadata"]["token_id"], token);
    stage.delete("/tokens?provider_id=shared").await.with(200);
}

#[tokio::test]
async fn the_owners_provider_is_preferred_unless_the_request_names_the_platform() {
    let (stage, platform) = stage().await;
    stage.log_in(json!({})).await;
    assert_eq!(
        (stage.provider.requests().len(), platform.requests().len()),
        (1, 0)
    );
    let insisting = json!({"use_agent_builder_public_oauth": true});
    stage.log_in(insisting).await;
    assert_eq!(
        (stage.provider.requests().len(), platform.requests().len()),
        (1, 1)
    );
    // The tokens of the one do not serve for the other, and both are listed.
    let list = stage.get("/tokens?provider_id=strict").await.with(200);
    assert_eq!(list.as_array().unwrap().len(), 2);
    let body = json!({
        "provider": "own", "scopes": [], "use_agent_builder_public_oauth": true,
    });
    stage.post("/authenticate", body).await.with(404);
}

#[tokio::test]
async fn a_flow_can_be_finished_over_the_api() {
    let (stage, _platform) = stage().await;
    let body = json!({"code": "canary-code", "state": "canary-state"});
    stage.post("/callback/shared", body.clone()).await.with(400);
    stage.post("/callback/none", body).await.with(404);
}

#[tokio::test]
async fn sighup_reloads_them_and_an_error_keeps_the_previous_ones() {
    let platform = Provider::start(Rotation::Strict, 3600);
    let home = Home::with_settings(SETTINGS);
    offer(&home, "first", &platform);
    let daemon = Binary::start(&home).await;
    let names = async || -> Vec<String> {
        let list = crate::support::stage::get(&home, "/platform-providers").await;
        let list = list.with(200);
        let all: &Vec<Value> = list.as_array().unwrap();
        let mut names: Vec<_> = all.iter().map(|p| text(&p["provider_id"])).collect();
        names.sort_unstable();
        names
    };
    let read_anew = async |word: &str| {
        let before = home.log().matches(word).count();
        kill(daemon.pid(), Signal::SIGHUP).unwrap();
        while home.log().matches(word).count() == before {
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(names().await, ["first"]);
    offer(&home, "second", &platform);
    read_anew("providers were read").await;
    assert_eq!(names().await, ["first", "second"]);
    fs::write(home.path("platform/second.toml"), "name = 'x'\n").unwrap();
    fs::remove_file(home.path("platform/first.toml")).unwrap();
    read_anew("left as they were").await;
    assert_eq!(names().await, ["first", "second"]);
    assert!(home.log().contains("second.toml"), "{}", home.log());
    offer(&home, "second", &platform);
    read_anew("providers were read").await;
    assert_eq!(names().await, ["second"]);
    assert!(daemon.stop().await.success());
}

#[tokio::test]
async fn setup_redirects_after_an_update_exchange_nothing() {
    let stage = Stage::new().await;
    let asked = stage.authenticate(json!({})).await;
    let url: url::Url = asked["url"].as_str().unwrap().parse().unwrap();
    let state = url.query_pairs().find(|(name, _)| name == "state");
    let state = state.unwrap().1.into_owned();
    let base = stage.daemon.client().info().await.unwrap().redirect_base;
    for query in [
        format!("setup_action=update&installation_id=1&code=c&state={state}"),
        "setup_action=update&installation_id=1".to_owned(),
        format!("setup_action=install&installation_id=1&state={state}"),
    ] {
        let page = person::open(&format!("{base}/v2/auth/setup/strict?{query}")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        assert!(page.body.contains("Your changes are saved"), "{query}");
    }
    assert!(stage.provider.requests().is_empty());
    assert_eq!(stage.wait(&asked).await["status"], "pending");
    stage.get("/setup/strict?installation_id=x").await.with(422);
    stage.get("/setup/strict?state=x&code=x").await.with(400);
}
