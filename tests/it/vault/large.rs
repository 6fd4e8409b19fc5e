//! A vault with many rows of one owner, in the daemon as it runs: it is
//! confined to its folders, and so can make no temporary file elsewhere.

use agent_authd::clock::Env;
use agent_authd::identity::{FlowId, Owner, Scopes, TokenId};
use agent_authd::internals::flow::FlowSecrets;
use agent_authd::internals::vault::{Secrets, Vault};
use agent_authd::secret::{AccessToken, CodeVerifier, State};
use serde_json::Value;
use uuid::Uuid;

use super::{Binary, Home, daemon_with_token, options, token, wanted};
use crate::support::provider::{Provider, Rotation};
use crate::support::stage::get;

/// With [`WIDTH`], more than SQLite sorts before it makes a temporary file.
const ROWS: u32 = 700;

/// The length of one text in each row.
const WIDTH: usize = 8_192;

/// Adds tokens and open logins beside the first of each.
async fn fill(home: &Home, flow: FlowId) {
    let env = Env::system();
    let vault = Vault::open(&options(home), &env).unwrap();
    let owner = Owner::from_uid(nix::unistd::geteuid().as_raw()).unwrap();
    let fill = move |change: &agent_authd::internals::vault::Change<'_>| {
        let mut token = change.tokens(owner)?.remove(0).token;
        let mut flow = change.flow(owner, flow)?.unwrap().flow;
        let access_token = AccessToken::new("canary-many");
        token.is_default = false;
        token
            .metadata
            .insert("about".into(), "x".repeat(WIDTH).into());
        flow.requested = Scopes::new(["read", &"x".repeat(WIDTH)]);
        for number in 0..ROWS {
            token.id = TokenId::new(Uuid::from_u128(u128::from(number)));
            flow.id = FlowId::new(Uuid::from_u128(u128::from(number)));
            let secrets = Secrets {
                access_token: &access_token,
                refresh_token: None,
            };
            change.insert_token(&token, secrets)?;
            let secrets = FlowSecrets::AuthorizationCode {
                state: State::new(format!("canary-state-{number}")),
                verifier: Some(CodeVerifier::new("canary-verifier")),
            };
            change.insert_flow(&flow, &secrets)?;
        }
        Ok(())
    };
    vault.write(fill).await.unwrap();
}

#[tokio::test]
async fn many_large_tokens_and_open_logins_are_listed_by_a_confined_daemon() {
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    let daemon = daemon_with_token(&home, &provider, 3600).await;
    let mut ask = wanted();
    ask.force_new = true;
    let pending = daemon.client().authenticate(&ask).await.unwrap();
    daemon.stop().await;
    let flow = FlowId::parse(&pending.auth_id.unwrap()).unwrap();
    fill(&home, flow).await;

    let daemon = Binary::start(&home).await;
    let listed = get(&home, "/tokens").await.with(200);
    assert_eq!(listed.as_array().unwrap().len(), 1 + ROWS as usize);
    let newest = Uuid::from_u128(u128::from(ROWS - 1)).to_string();
    assert_eq!(listed[0]["id"], newest, "{}", listed[0]);
    assert!(!token(daemon.client()).await.is_empty());
    let mut other = wanted();
    other.scopes = Scopes::new(["write"]);
    let asked = daemon.client().authenticate(&other).await.unwrap();
    assert!(asked.url.is_some(), "a login among many");
    for path in ["/token-events", "/providers"] {
        let listed: Value = get(&home, path).await.with(200);
        assert!(listed.is_array(), "{path}: {listed}");
    }
    daemon.stop().await;
}
