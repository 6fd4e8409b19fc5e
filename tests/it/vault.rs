//! The life of the vault: backups, damage, keys, and a store that fails, with
//! the real binaries.

mod backups;
mod damaged;
mod envelope;
mod full;
mod generation;
mod keys;
mod large;
mod ownership;
mod placement;
mod read_only;
mod released;
mod rotation;
mod space;
mod health;
mod trusted;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use agent_authd::client::replies::{AuthStatus, AuthenticateResponse};
use agent_authd::client::{Authenticate, Client};
use agent_authd::identity::{ProviderId, Scopes};
use agent_authd::internals::vault::{KeyStore, Options};
use agent_authd::secret::ExposeSecret as _;
use rusqlite::Connection;

use crate::support::daemon::{Binary, Home};
use crate::support::provider::{PROVIDER_ID, Provider};

/// The command line, told where this home's vault lies.
fn agent_auth(home: &Home, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-auth"));
    command
        .env("AGENT_AUTH_SOCK", home.socket())
        .args(words)
        .arg("--data-dir")
        .arg(home.path("data"))
        .arg("--key-file")
        .arg(home.path("key/vault.key"))
        .arg("--config")
        .arg(home.path("config.toml"));
    command
}

/// Runs it to its end.
fn ran(home: &Home, words: &[&str]) -> Output {
    agent_auth(home, words).output().unwrap()
}

/// Runs it to its end, which must be a good one; what it printed.
fn done(home: &Home, words: &[&str]) -> String {
    let output = ran(home, words);
    assert!(output.status.success(), "{words:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn vault_file(home: &Home) -> PathBuf {
    home.path("data/vault.db")
}

/// What the daemon opens this home's vault with.
fn options(home: &Home) -> Options {
    Options {
        data_dir: home.path("data"),
        key_store: KeyStore::File,
        key_file: home.path("key/vault.key"),
        max_events: 10,
    }
}

/// The vault's file, as SQLite sees it.
fn database(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

/// What a daemon says that must not start.
async fn complaint(home: &Home) -> String {
    let daemon = Binary::spawn_with(home, |_| {});
    let status = daemon.ended().await;
    assert!(!status.success(), "it started");
    assert!(!home.log().contains("panicked"), "{}", home.log());
    home.log()
}

fn wanted() -> Authenticate {
    Authenticate {
        provider: ProviderId::parse(PROVIDER_ID).unwrap(),
        scopes: Scopes::new(["read"]),
        user_id: None,
        agent_id: None,
        check_only: false,
        force_new: false,
        newer_than: None,
        try_now: false,
    }
}

/// A daemon that knows the provider and has a token of it.
async fn daemon_with_token(home: &Home, provider: &Provider, left: u64) -> Binary {
    let daemon = Binary::start(home).await;
    let client = daemon.client();
    client
        .create_provider(&provider.registration())
        .await
        .unwrap();
    client.import_token(&provider.import(left)).await.unwrap();
    daemon
}

/// The token that the daemon hands out now.
async fn token(client: &Client) -> String {
    let answer = client.authenticate(&wanted()).await.unwrap();
    assert_eq!(answer.status, AuthStatus::Completed);
    in_clear(&answer)
}

#[expect(clippy::disallowed_methods, reason = "the test looks at the token")]
fn in_clear(answer: &AuthenticateResponse) -> String {
    answer.token.as_ref().unwrap().expose_secret().to_owned()
}
