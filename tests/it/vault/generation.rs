//! A change that was decided for another generation of a grant than the one that
//! is stored changes nothing.

use agent_authd::clock::{Env, Timestamp};
use agent_authd::identity::Owner;
use agent_authd::internals::token::{Failure, State, Token};
use agent_authd::internals::vault::{Error, Secrets, Vault};
use agent_authd::secret::{AccessToken, ExposeSecret as _, RefreshToken};
use serde_json::json;

use super::options;
use crate::support::daemon::Home;
use crate::support::stage::Stage;

/// When the changes are made.
fn now() -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000)
}

/// The vault of a daemon that has stopped, with one token; the token is of
/// generation 2, after a renewal. Its home is kept for as long as the vault.
async fn renewed() -> (Home, Vault, Token) {
    let Stage { home, daemon, .. } = {
        let stage = Stage::new().await;
        stage.import(json!({"expires_in_seconds": 3600})).await;
        stage
    };
    daemon.stop().await;
    let vault = Vault::open(&options(&home), &Env::system()).unwrap();
    let owner = Owner::from_uid(nix::unistd::geteuid().as_raw()).unwrap();
    let first = vault
        .read(|view| view.tokens(owner))
        .unwrap()
        .remove(0)
        .token;
    let second = generation(&first, 2);
    replace(&vault, &second, "canary-second").await.unwrap();
    (home, vault, second)
}

/// The token as if its grant were that of a generation.
fn generation(token: &Token, generation: i64) -> Token {
    Token {
        generation,
        ..token.clone()
    }
}

/// Stores a grant of the token's generation.
async fn replace(vault: &Vault, token: &Token, access: &str) -> Result<(), Error> {
    let (token, access_token) = (token.clone(), AccessToken::new(access));
    let refresh_token = RefreshToken::new(format!("{access}-refresh"));
    let stored = vault.write(move |change| {
        let secrets = Secrets {
            access_token: &access_token,
            refresh_token: Some(&refresh_token),
        };
        change.replace_token(&token, secrets)
    });
    stored.await
}

/// Nothing of the token is other than it was.
#[expect(clippy::disallowed_methods, reason = "the test looks at the token")]
fn is_unchanged(vault: &Vault, token: &Token) {
    let stored = vault.read(|view| view.token(token.owner, token.id));
    let stored = stored.unwrap().unwrap();
    assert_eq!(stored.token.generation, 2);
    assert_eq!(stored.token.state, State::Active);
    assert!(stored.token.failure.is_none());
    let (access, refresh) = vault
        .read(|view| Ok((view.access_token(&stored)?, view.refresh_token(&stored)?)))
        .unwrap();
    assert_eq!(access.expose_secret(), "canary-second");
    assert_eq!(refresh.unwrap().expose_secret(), "canary-second-refresh");
    assert_eq!(vault.read(|view| view.open_attempts()).unwrap(), []);
}

#[tokio::test]
async fn a_grant_replaces_only_the_generation_before_its_own() {
    let (_home, vault, token) = renewed().await;
    // An answer that comes twice or too late, and one that skips a generation.
    for other in [1, 2, 4, 5] {
        let replaced = replace(&vault, &generation(&token, other), "canary-other").await;
        assert!(matches!(replaced, Err(Error::NotFound)), "{other}");
        is_unchanged(&vault, &token);
    }
    let next = generation(&token, 3);
    replace(&vault, &next, "canary-third").await.unwrap();
}

#[tokio::test]
async fn a_grant_is_ended_only_for_the_generation_that_was_refused() {
    let (_home, vault, token) = renewed().await;
    let end = async |refused: i64| {
        let refused = generation(&token, refused);
        vault
            .write(move |change| change.require_reauthorization(&refused, "invalid_grant", now()))
            .await
            .unwrap()
    };
    for other in [1, 3] {
        assert!(!end(other).await, "{other}");
        is_unchanged(&vault, &token);
    }
    assert!(end(2).await);
    let stored = vault.read(|view| view.token(token.owner, token.id));
    let ended = State::ReauthorizationRequired {
        reason: "invalid_grant".to_owned(),
    };
    assert_eq!(stored.unwrap().unwrap().token.state, ended);
}

#[tokio::test]
async fn an_attempt_and_its_failure_are_written_down_only_for_the_stored_generation() {
    let (_home, vault, token) = renewed().await;
    for other in [1, 3] {
        let other = generation(&token, other);
        let begun = other.clone();
        let begun = vault.write(move |change| change.begin_attempt(&begun, now()));
        assert!(matches!(begun.await, Err(Error::NotFound)));
        let failure = Failure {
            error: "unreachable".to_owned(),
            at: now(),
            retry_at: now(),
        };
        let noted = vault.write(move |change| change.note_failure(&other, &failure));
        noted.await.unwrap();
        is_unchanged(&vault, &token);
    }
}

#[tokio::test]
async fn an_open_attempt_casts_doubt_on_its_own_generation_alone() {
    let (_home, vault, token) = renewed().await;
    let begun = token.clone();
    let begun = vault.write(move |change| change.begin_attempt(&begun, now()));
    begun.await.unwrap();
    for (asked, expected) in [(1, false), (2, true), (3, false)] {
        let asked = generation(&token, asked);
        let is_in_doubt = vault.read(|view| view.is_in_doubt(&asked)).unwrap();
        assert_eq!(is_in_doubt, expected, "{}", asked.generation);
    }
}
