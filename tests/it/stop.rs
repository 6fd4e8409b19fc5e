//! What a shutdown waits for, and the state of a login after a crash.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use agent_authd::clock::Env;
use agent_authd::identity::ProviderId;
use agent_authd::internals::lock_file::LockHolder;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use crate::support::daemon::{Binary, Home, InProcess};
use crate::support::person;
use crate::support::provider::{PROVIDER_ID, Provider, Rotation};
use crate::support::stage::{self, Stage};
use crate::support::waiting::until;

/// The status of a flow at the daemon in `home`.
async fn ended(home: &Home, asked: &Value) -> Value {
    let flow = asked["auth_id"].as_str().unwrap();
    let path = format!("/wait/{flow}?timeout=0");
    stage::get(home, &path).await.with(200)
}

/// A request to `socket` without its body, and the missing body.
async fn half_a_request(socket: &Path) -> (UnixStream, String) {
    let body = json!({"provider": PROVIDER_ID, "scopes": ["read"]}).to_string();
    let head = format!(
        "POST /v2/auth/authenticate HTTP/1.1\r\nHost: localhost\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    (stream, body)
}

/// Whether the daemon at `home` reports that it is stopping.
fn is_stopping(home: &Home) -> bool {
    LockHolder::read(&home.path("data/agent-authd.lock")).is_stopping
}

/// The number of codes that were sent to a provider.
fn exchanges(provider: &Provider) -> usize {
    provider.requests().len() - provider.refreshes()
}

/// The number of grants in the vault at `home` that a completed refresh renewed.
fn renewed(home: &Home) -> u32 {
    let vault = rusqlite::Connection::open(home.path("data/vault.db")).unwrap();
    let renewed = "SELECT count(*) FROM tokens WHERE generation = 2
                   AND NOT EXISTS (SELECT 1 FROM refresh_attempts)";
    vault.query_row(renewed, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn no_refresh_starts_during_a_shutdown() {
    let stage = Stage::with_settings("refresh_active_within = 0\n").await;
    let pair = stage.provider.grant();
    let token = json!({
        "access_token": pair.access, "refresh_token": pair.refresh, "expires_in_seconds": 0,
    });
    stage.import(token).await;
    let Stage {
        home,
        provider,
        daemon,
    } = stage;
    let (mut stream, body) = half_a_request(&home.socket()).await;
    // Connections are accepted in order, so the first one is accepted by then.
    daemon.client().ok().await.unwrap();
    let stopping = tokio::spawn(daemon.stop());
    until("the stop", async || is_stopping(&home)).await;
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    stopping.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let has_retry_after = answer.to_ascii_lowercase().contains("retry-after:");
    assert!(has_retry_after, "{answer}");
    assert_eq!(provider.refreshes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_refreshes_on_the_wire_are_stored_before_the_daemon_ends() {
    const CLIENTS: usize = 10;
    const GRANTS: usize = 20;
    let provider = Provider::start(Rotation::Strict, 3600);
    provider.hold_answers();
    let home = Home::new();
    // No request may time out, however long this machine takes to store the grants.
    let long_timeout = |command: &mut Command| {
        command.env("AGENT_AUTH_DURATION", "oauth.timeout=600000");
    };
    let daemon = Binary::start_with(&home, long_timeout).await;
    let mut imports = JoinSet::new();
    for number in 0..CLIENTS {
        let mut registration = provider.registration();
        registration.provider_id = ProviderId::parse(&format!("p{number}")).unwrap();
        // Each endpoint has its own limit on concurrent requests.
        registration.token_url = provider.url(&format!("/token?client={number}"));
        daemon
            .client()
            .create_provider(&registration)
            .await
            .unwrap();
        for _ in 0..GRANTS {
            let (client, mut grant) = (home.client(), provider.import(0));
            grant.provider_id = registration.provider_id.clone();
            imports.spawn(async move { client.import_token(&grant).await.unwrap() });
        }
    }
    imports.join_all().await;
    until("the requests", async || {
        provider.refreshes() == CLIENTS * GRANTS
    })
    .await;
    let stopping = tokio::spawn(daemon.stop());
    until("the stop", async || is_stopping(&home)).await;
    provider.release_answers();
    assert!(stopping.await.unwrap().success(), "{}", home.log());
    assert_eq!(renewed(&home) as usize, CLIENTS * GRANTS);
    let sent = provider.refreshes();
    assert_eq!((sent, provider.reuses()), (CLIENTS * GRANTS, 0));
}

/// Starts a refresh of bob's token whose reply the provider holds, and disconnects.
async fn refresh_and_leave(stage: &Stage) {
    let pair = stage.provider.grant();
    let expired = json!({
        "access_token": pair.access, "refresh_token": pair.refresh, "expires_in_seconds": 0,
        "user_id": "bob",
    });
    stage.import(expired).await;
    stage.provider.hold_answers();
    let ask = json!({"provider": PROVIDER_ID, "scopes": ["read"], "user_id": "bob"});
    let socket = stage.home.socket();
    let asking = tokio::spawn(async move { stage::try_post(&socket, "/authenticate", ask).await });
    until("the refresh", async || stage.provider.refreshes() == 1).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn during_a_shutdown_requests_are_answered_and_no_exchange_starts() {
    let stage = Stage::with_settings("refresh_active_within = 0\n").await;
    stage.log_in(json!({})).await;
    let login = stage.authenticate(json!({"user_id": "carol"})).await;
    // Only the refresh task keeps the daemon running, not a connection.
    refresh_and_leave(&stage).await;
    let Stage {
        home,
        provider,
        daemon,
    } = stage;
    let stopping = tokio::spawn(daemon.stop());
    until("the stop", async || is_stopping(&home)).await;
    let ask = json!({"provider": PROVIDER_ID, "scopes": ["read"]});
    for _ in 0..3 {
        let asked = stage::post(&home, "/authenticate", ask.clone()).await;
        let asked = asked.with(200);
        assert_eq!(asked["status"], "completed", "{asked}");
    }
    let page = person::open(login["url"].as_str().unwrap()).await;
    assert_eq!(page.status, 503, "{}", page.body);
    let asks_again = page.body.contains("http-equiv=\"refresh\"");
    assert!(asks_again, "{}", page.body);
    assert!(!stopping.is_finished());
    assert_eq!(renewed(&home), 0);
    provider.release_answers();
    stopping.await.unwrap();
    assert_eq!(renewed(&home), 1);
    assert_eq!(exchanges(&provider), 1, "that of the first login");
    // The next daemon accepts the code that this one did not exchange.
    let daemon = InProcess::start(&home, Env::system()).await;
    let base = daemon.client().info().await.unwrap().redirect_base;
    let query = &page.address[url::Position::BeforePath..];
    let page = person::open(&format!("{base}{query}")).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let done = ended(&home, &login).await;
    assert_eq!(done["status"], "completed", "{done}");
    assert_eq!((exchanges(&provider), provider.refreshes()), (2, 1));
    daemon.stop().await;
}

#[tokio::test]
async fn a_revocation_of_the_last_request_finishes_before_the_daemon_ends() {
    let stage = Stage::new().await;
    stage.provider.hold_revocations();
    let pair = stage.provider.grant();
    let changes = json!({"access_token": pair.access, "refresh_token": pair.refresh});
    let token = stage.import(changes).await;
    let Stage {
        home,
        provider,
        daemon,
    } = stage;
    let mut stream = UnixStream::connect(home.socket()).await.unwrap();
    let half = format!("DELETE /v2/auth/tokens/{token} HTTP/1.1\r\n");
    stream.write_all(half.as_bytes()).await.unwrap();
    // Connections are accepted in order, so the first one is accepted by then.
    daemon.client().ok().await.unwrap();
    let mut stopping = tokio::spawn(daemon.stop());
    until("the stop", async || is_stopping(&home)).await;
    // The daemon waits only for this request.
    stream.write_all(b"Host: localhost\r\n\r\n").await.unwrap();
    until("the revocation", async || provider.revocations() > 0).await;
    drop(stream);
    until("the end of the socket", async || {
        UnixStream::connect(home.socket()).await.is_err()
    })
    .await;
    let early = tokio::time::timeout(Duration::from_millis(300), &mut stopping).await;
    assert!(early.is_err(), "the daemon has ended before the revocation");
    provider.release_revocations();
    stopping.await.unwrap();
    let vault = rusqlite::Connection::open(home.path("data/vault.db")).unwrap();
    let left = "SELECT count(*) FROM revocations";
    let left: u32 = vault.query_row(left, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
    assert!(provider.has_nothing_left());
}

#[tokio::test]
async fn a_login_whose_browser_disconnected_finishes_before_the_daemon_ends() {
    let stage = Stage::new().await;
    let asked = stage.authenticate(json!({})).await;
    stage.provider.answer_late(Duration::from_secs(1));
    let browser = person::consent(asked["url"].as_str().unwrap()).await;
    until("the exchange", async || {
        !stage.provider.requests().is_empty()
    })
    .await;
    drop(browser);
    let Stage {
        home,
        provider,
        daemon,
    } = stage;
    daemon.stop().await;
    let daemon = InProcess::start(&home, Env::system()).await;
    let done = ended(&home, &asked).await;
    assert_eq!(done["status"], "completed", "{done}");
    assert!(provider.accepts(done["token"].as_str().unwrap()));
    daemon.stop().await;
}

#[tokio::test]
async fn a_login_that_a_crash_interrupted_reports_that_it_must_be_restarted() {
    let Stage {
        home,
        provider,
        daemon,
    } = Stage::new().await;
    daemon.stop().await;
    let binary = Binary::start(&home).await;
    let asked = json!({"provider": PROVIDER_ID, "scopes": ["read"]});
    let asked = stage::post(&home, "/authenticate", asked).await.with(200);
    provider.answer_late(Duration::from_secs(5));
    let browser = person::consent(asked["url"].as_str().unwrap()).await;
    until("the exchange", async || !provider.requests().is_empty()).await;
    drop(browser);
    binary.kill();
    provider.fail_always(None);
    let binary = Binary::start(&home).await;
    let failed = ended(&home, &asked).await;
    assert_eq!(failed["status"], "not_found", "{failed}");
    assert_eq!(failed["error"], "interrupted", "{failed}");
    let text = failed["error_description"].as_str().unwrap();
    assert!(text.contains("start the login again"), "{text}");
    let events = stage::get(&home, "/token-events").await.with(200);
    assert_eq!(events[0]["event_type"], "denied", "{events}");
    assert_eq!(events[0]["reason"], "interrupted");
    assert_eq!(events[0]["source"], "startup");
    assert!(binary.stop().await.success());
}
