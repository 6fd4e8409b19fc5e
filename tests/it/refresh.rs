//! A grant is never lost: refresh under races, crashes and outages, against
//! the real daemon.

use std::sync::Arc;

use agent_authd::client::{Authenticate, Client};
use agent_authd::clock::Ambient;
use agent_authd::identity::{ProviderId, Scopes};
use agent_authd::secret::ExposeSecret as _;

use crate::support::daemon::{Binary, Home, InProcess};
use crate::support::person;
use crate::support::provider::{PROVIDER_ID, Provider, Rotation};

/// What most tests ask for.
fn wanted() -> Authenticate {
    Authenticate {
        provider: ProviderId::parse(PROVIDER_ID).unwrap(),
        scopes: Scopes::new(["read"]),
        user_id: None,
        agent_id: None,
        check_only: false,
        force_new: false,
    }
}

/// The token that the daemon hands out now.
#[expect(clippy::disallowed_methods, reason = "the test looks at the token")]
async fn token(client: &Client) -> String {
    let answer = client.authenticate(&wanted()).await.unwrap();
    let token = answer.token.expect("a token is handed out");
    token.expose_secret().to_owned()
}

#[tokio::test]
async fn a_person_logs_in_once_and_an_expired_grant_is_refreshed() {
    let provider = Provider::start(Rotation::Strict, 1);
    let home = Home::new();
    let daemon = InProcess::start(&home, Ambient::system()).await;
    let client = daemon.client();
    client
        .create_provider(&provider.registration())
        .await
        .unwrap();
    let ask = client.authenticate(&wanted()).await.unwrap();
    let page = person::open(&ask.url.unwrap()).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let first = token(client).await;
    while provider.accepts(&first) {
        tokio::task::yield_now().await;
    }
    let second = token(client).await;
    assert_ne!(first, second);
    assert!(provider.accepts(&second));
    assert_eq!((provider.refreshes(), provider.reuses()), (1, 0));
    daemon.stop().await;
}

#[tokio::test]
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
            tokio::spawn(async move { token(&client).await })
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
