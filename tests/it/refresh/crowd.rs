//! Many who ask at the same time.

use std::process::Stdio;
use std::sync::Arc;

use agent_authd::clock::Env;
use tokio::process::Command;

use super::{Setting, in_clear, token, token_before, wanted};
use crate::support::daemon::{Binary, Home, InProcess};
use crate::support::person;
use crate::support::provider::{PROVIDER_ID, Provider, Rotation};

/// Nothing is refreshed unless somebody asks.
const ON_DEMAND: &str = "refresh_active_within = 0\n";

#[tokio::test]
async fn a_person_logs_in_once_and_an_expired_grant_is_refreshed() {
    let provider = Provider::start(Rotation::Strict, 2);
    let home = Home::new();
    let daemon = InProcess::start(&home, Env::system()).await;
    let client = daemon.client();
    client
        .create_provider(&provider.registration())
        .await
        .unwrap();
    let ask = client.authenticate(&wanted()).await.unwrap();
    let page = person::open(&ask.url.unwrap()).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let first = token(client).await;
    super::until("the end of the first token", async || {
        !provider.accepts(&first)
    })
    .await;
    let second = token_before(client).await;
    assert_ne!(first, second);
    assert_eq!(provider.reuses(), 0);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_callers_of_an_expired_token_cost_one_request() {
    let provider = Provider::start(Rotation::Strict, 3600);
    let home = Home::new();
    let daemon = Binary::start(&home).await;
    let client = Arc::new(home.client());
    client
        .create_provider(&provider.registration())
        .await
        .unwrap();
    client.import_token(&provider.import(0)).await.unwrap();
    let calls: Vec<_> = (0..1000)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { token_before(&client).await })
        })
        .collect();
    let mut tokens = Vec::new();
    for call in calls {
        tokens.push(call.await.unwrap());
    }
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
    assert!(provider.accepts(&tokens[0]));
    assert_eq!((provider.refreshes(), provider.reuses()), (1, 0));
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_processes_refresh_a_strict_grant_once_a_round() {
    let provider = Provider::start(Rotation::Strict, 3600);
    let setting = Setting::new(provider, ON_DEMAND).await;
    for round in 1..=3 {
        setting.clock.pass(3600);
        let processes: Vec<_> = (0..40)
            .map(|_| tokio::spawn(printed_token(setting.home.socket())))
            .collect();
        let mut tokens = Vec::new();
        for process in processes {
            tokens.push(process.await.unwrap());
        }
        tokens.dedup();
        assert_eq!(tokens.len(), 1, "{tokens:?}");
        assert!(setting.provider.accepts(&tokens[0]));
        assert_eq!(setting.provider.refreshes(), round);
        assert_eq!(setting.provider.reuses(), 0);
    }
}

/// What `agent-auth token` prints, run as often as it says to try again.
async fn printed_token(socket: std::path::PathBuf) -> String {
    loop {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent-auth"));
        command
            .args(["token", PROVIDER_ID, "--scope", "read"])
            .env("AGENT_AUTH_SOCK", &socket)
            .stdin(Stdio::null());
        let output = command.output().await.unwrap();
        if output.status.success() {
            return String::from_utf8(output.stdout)
                .unwrap()
                .trim_end()
                .to_owned();
        }
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("try again"), "{said}");
    }
}

#[tokio::test]
async fn a_refresh_ends_well_although_all_who_asked_have_gone() {
    let provider = Provider::start(Rotation::Strict, 3600);
    let setting = Setting::new(provider, ON_DEMAND).await;
    setting.clock.pass(3600);
    let asked = setting.client().clone();
    let call = tokio::spawn(async move { asked.authenticate(&wanted()).await.map(in_clear) });
    super::until("the request", async || setting.provider.refreshes() == 1).await;
    call.abort();
    let token = token_before(setting.client()).await;
    assert!(setting.provider.accepts(&token));
    assert_eq!(
        (setting.provider.refreshes(), setting.provider.reuses()),
        (1, 0)
    );
}
