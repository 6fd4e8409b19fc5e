//! What one owner may store, and that what is counted is what is there.

use agent_authd::client::Client;
use agent_authd::internals::vault::{KeyStore, Options, check};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::person;
use crate::support::provider::PROVIDER_ID;
use crate::support::stage::{Answer, Stage, text};

/// One call; the number says about which of what there is.
#[derive(Clone, Copy, Debug)]
enum Step {
    Provider(u8),
    Rename(u8, u8),
    RemoveProvider(u8),
    Import(u8),
    Label(u8),
    RemoveToken(u8),
    Connect(u8, u8),
    Disconnect(u8),
    ReplaceAgentToken(u8, u8),
    Begin(u8),
    LogIn(u8),
    Refuse(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let few = || 0..3u8;
    prop_oneof![
        few().prop_map(Step::Provider),
        (few(), 1..100u8).prop_map(|(which, length)| Step::Rename(which, length)),
        few().prop_map(Step::RemoveProvider),
        any::<u8>().prop_map(Step::Import),
        any::<u8>().prop_map(Step::Label),
        any::<u8>().prop_map(Step::RemoveToken),
        (any::<u8>(), few()).prop_map(|(which, agent)| Step::Connect(which, agent)),
        few().prop_map(Step::Disconnect),
        (few(), 1..100u8).prop_map(|(agent, length)| Step::ReplaceAgentToken(agent, length)),
        few().prop_map(Step::Begin),
        few().prop_map(Step::LogIn),
        few().prop_map(Step::Refuse),
    ]
}

fn definition(which: u8) -> Value {
    json!({
        "provider_id": format!("p{which}"), "name": "é".repeat(which.into()), "client_id": "client",
        "client_secret": "canary-client-secret", "auth_url": "https://example.com/authorize",
        "token_url": "https://example.com/token",
    })
}

fn one_of(list: &Value, which: u8) -> Option<&Value> {
    let list = list.as_array().unwrap();
    (!list.is_empty()).then(|| &list[usize::from(which) % list.len()])
}

/// Does it; whether it could be done is of no interest.
async fn take(stage: &Stage, step: Step) {
    match step {
        Step::Provider(which) => drop(stage.post("/providers", definition(which)).await),
        Step::Rename(which, length) => {
            let name = json!({"name": "é".repeat(length.into())});
            stage.patch(&format!("/providers/p{which}"), name).await;
        }
        Step::RemoveProvider(which) => drop(stage.delete(&format!("/providers/p{which}")).await),
        Step::Import(which) => {
            let providers = stage.get("/providers").await.with(200);
            let provider_id = &one_of(&providers, which).unwrap()["provider_id"];
            let access_token = format!("canary-{}", "x".repeat(which.into()));
            stage
                .import(json!({"provider_id": provider_id, "access_token": access_token}))
                .await;
        }
        Step::Label(which) | Step::RemoveToken(which) | Step::Connect(which, _) => {
            let tokens = stage.get("/tokens").await.with(200);
            let Some(token) = one_of(&tokens, which) else {
                return;
            };
            change_token(stage, step, &text(&token["id"])).await;
        }
        Step::Disconnect(agent) => {
            let path = format!("/agents/agent{agent}/connections");
            let connections = stage.get(&path).await.with(200);
            if let Some(connection) = one_of(&connections["data"], agent) {
                let id = text(&connection["id"]);
                stage.delete(&format!("{path}/{id}")).await;
            }
        }
        Step::ReplaceAgentToken(agent, length) => {
            let path = format!("/agents/agent{agent}/providers/{PROVIDER_ID}/tokens");
            let access_token = format!("canary-{}", "x".repeat(length.into()));
            stage
                .post(&path, json!({"access_token": access_token}))
                .await;
        }
        Step::Begin(user) | Step::LogIn(user) | Step::Refuse(user) => flow(stage, step, user).await,
    }
}

async fn change_token(stage: &Stage, step: Step, token: &str) {
    match step {
        Step::Label(_) => {
            let label = json!({"provider_account_label": "work"});
            stage
                .patch(&format!("/tokens/{token}/metadata"), label)
                .await;
        }
        Step::Connect(_, agent) => {
            let path = format!("/agents/agent{agent}/connections");
            stage.post(&path, json!({"oauth_token_id": token})).await;
        }
        _ => drop(stage.delete(&format!("/tokens/{token}")).await),
    }
}

async fn flow(stage: &Stage, step: Step, user: u8) {
    let asked = stage
        .authenticate(json!({"user_id": format!("user{user}"), "force_new": true}))
        .await;
    let url = asked["url"].as_str().unwrap();
    match step {
        Step::LogIn(_) => drop(person::open(url).await),
        Step::Refuse(_) => {
            let url: url::Url = url.parse().unwrap();
            let parameter = |wanted: &str| {
                let mut pairs = url.query_pairs();
                pairs
                    .find(|(name, _)| name == wanted)
                    .unwrap()
                    .1
                    .into_owned()
            };
            let redirect = parameter("redirect_uri");
            let state = parameter("state");
            person::open(&format!("{redirect}?error=access_denied&state={state}")).await;
        }
        _ => {}
    }
}

fn faults(stage: &Stage) -> Vec<String> {
    let options = Options {
        data_dir: stage.home.path("data"),
        key_store: KeyStore::File,
        key_file: stage.home.path("key/vault.key"),
        max_events: 20,
    };
    check::check(&options).unwrap().faults
}

#[test]
fn the_totals_are_what_the_tables_hold_whatever_was_done() {
    let config = Config {
        cases: 6,
        max_shrink_iters: 0,
        ..Config::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ran = TestRunner::new(config).run(&vec(step(), 1..25), |steps| {
        runtime.block_on(async {
            let stage = Stage::with_settings("max_events = 20\n").await;
            for step in steps {
                take(&stage, step).await;
            }
            prop_assert_eq!(faults(&stage), Vec::<String>::new());
            let info: Value =
                serde_json::to_value(stage.daemon.client().info().await.unwrap()).unwrap();
            for table in ["tokens", "providers"] {
                let listed = stage.get(&format!("/{table}")).await.with(200);
                prop_assert_eq!(&info[table], listed.as_array().unwrap().len());
            }
            Ok(())
        })
    });
    ran.unwrap();
}

#[tokio::test]
async fn totals_that_are_wrong_are_named_by_check() {
    let stage = Stage::new().await;
    let vault = rusqlite::Connection::open(stage.home.path("data/vault.db")).unwrap();
    vault
        .execute("UPDATE totals SET tokens = tokens + 1", [])
        .unwrap();
    let faults = faults(&stage);
    assert!(faults[0].contains("the totals of uid"), "{faults:?}");
}

/// The detail of an answer that must be 429.
#[track_caller]
fn quota(answer: Answer) -> String {
    text(&answer.with(429)["detail"])
}

#[tokio::test]
async fn what_is_new_is_refused_at_a_quota_with_what_frees_room() {
    let stage =
        Stage::with_settings("max_providers = 2\nmax_tokens = 2\nmax_agent_connections = 1\n")
            .await;
    stage.post("/providers", definition(0)).await.with(200);
    let refused = quota(stage.post("/providers", definition(1)).await);
    assert!(refused.contains("2 providers"), "{refused}");
    assert!(refused.contains("agent-auth provider remove"), "{refused}");
    // One that is there already is told so, quota or not.
    stage.post("/providers", definition(0)).await.with(409);
    let mcp = json!({"provider_id": "m", "name": "m", "mcp_server_url": "https://127.0.0.1:1/mcp"});
    quota(stage.post("/providers/mcp-discover", mcp).await);

    let token = stage.import(json!({})).await;
    // The login keeps the room of its token.
    let login = stage.authenticate(json!({"user_id": "maria"})).await;
    let import = json!({"provider_id": PROVIDER_ID, "access_token": "canary-third", "scopes": []});
    let refused = quota(stage.post("/tokens/import", import.clone()).await);
    assert!(refused.contains("max_tokens"), "{refused}");
    let body = json!({"provider": PROVIDER_ID, "scopes": ["read"], "user_id": "june"});
    quota(stage.post("/authenticate", body).await);
    // The same question is answered with the flow there is.
    let again = stage.authenticate(json!({"user_id": "maria"})).await;
    assert_eq!(again["auth_id"], login["auth_id"]);
    person::open(login["url"].as_str().unwrap()).await;
    assert_eq!(stage.wait(&login).await["status"], "completed");

    let connect = json!({"oauth_token_id": token});
    for _ in 0..2 {
        let path = "/agents/a/connections";
        stage.post(path, connect.clone()).await.with(201);
    }
    let refused = quota(stage.post("/agents/b/connections", connect).await);
    assert!(refused.contains("permissions of agents"), "{refused}");

    stage.delete(&format!("/tokens/{token}")).await.with(204);
    stage.post("/tokens/import", import).await.with(200);
}

#[tokio::test]
async fn a_quota_stops_no_renewal_and_no_deletion() {
    let stage = Stage::with_settings("max_tokens = 1\nmax_flows = 1\nmax_stored_mib = 1\n").await;
    stage.provider.name_account("ada");
    let token = stage.log_in(json!({})).await;
    let wider = stage
        .authenticate(json!({"scopes": ["read", "write"]}))
        .await;
    assert_eq!(wider["status"], "pending");
    person::open(wider["url"].as_str().unwrap()).await;
    assert_eq!(stage.wait(&wider).await["metadata"]["token_id"], *token);
    stage.delete(&format!("/tokens/{token}")).await.with(204);
}

#[tokio::test]
async fn a_quota_stops_no_refresh_and_no_exchange() {
    let stage = Stage::with_settings("max_tokens = 2\n").await;
    let pair = stage.provider.grant();
    let grant = json!({
        "access_token": pair.access, "refresh_token": pair.refresh, "expires_in_seconds": 0,
    });
    let token = stage.import(grant).await;
    let login = stage.authenticate(json!({"user_id": "maria"})).await;
    let body = json!({"provider_id": PROVIDER_ID, "access_token": "canary-third", "scopes": []});
    quota(stage.post("/tokens/import", body).await);
    let refreshed = stage.authenticate(json!({"token_id": token})).await;
    assert_eq!(refreshed["status"], "completed", "{refreshed}");
    assert_eq!(stage.provider.refreshes(), 1);
    person::open(login["url"].as_str().unwrap()).await;
    assert_eq!(stage.wait(&login).await["status"], "completed");
}

#[tokio::test]
async fn the_bytes_stored_are_bounded_and_a_deletion_frees_them() {
    let stage = Stage::with_settings("max_stored_mib = 1\n").await;
    let mut stored = Vec::new();
    let full = loop {
        let access_token = format!("canary-{}", "x".repeat(60_000));
        let body = json!({"provider_id": PROVIDER_ID, "access_token": access_token, "scopes": []});
        let answer = stage.post("/tokens/import", body).await;
        if answer.status != 200 {
            break answer;
        }
        stored.push(text(&answer.json["token_id"]));
        assert!(stored.len() < 20, "1 MiB holds no more");
    };
    assert!(quota(full).contains("1 MiB stored"));
    stage
        .delete(&format!("/tokens/{}", stored[0]))
        .await
        .with(204);
    stage.import(json!({})).await;
}

#[tokio::test]
async fn logins_under_way_are_bounded_until_they_expire() {
    let stage = Stage::with_settings("max_flows = 2\n").await;
    let login = json!({"force_new": true});
    let first = stage.authenticate(login.clone()).await;
    stage.authenticate(login.clone()).await;
    let body = json!({"provider": PROVIDER_ID, "scopes": [], "force_new": true});
    assert!(quota(stage.post("/authenticate", body).await).contains("2 logins under way"));
    person::open(first["url"].as_str().unwrap()).await;
    stage.authenticate(login).await;
    let client = Client::new(stage.home.socket());
    assert_eq!(client.info().await.unwrap().flows_pending, 2);
}

#[tokio::test]
async fn forms_that_are_shown_and_permissions_that_grow_are_in_the_totals() {
    let stage = Stage::new().await;
    stage.provider.name_account("ada");
    let token = stage.log_in(json!({})).await;
    let asked = stage.authenticate(json!({"agent_id": "bot"})).await;
    assert_eq!(asked["status"], "connection_required");
    person::open(asked["url"].as_str().unwrap()).await;
    assert_eq!(faults(&stage), Vec::<String>::new());
    let connect = json!({"oauth_token_id": token});
    let path = "/agents/bot/connections";
    stage.post(path, connect.clone()).await.with(201);
    let scopes = json!({"scopes": ["read", "write"]});
    let wider = stage.authenticate(scopes).await;
    person::open(wider["url"].as_str().unwrap()).await;
    stage.post(path, connect).await.with(201);
    assert_eq!(faults(&stage), Vec::<String>::new());
}
