//! The programs of `examples/`, run as a reader would run them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use agent_authd::client::NewProvider;

use crate::support::daemon::{Binary, Home};
use crate::support::provider::{PROVIDER_ID, Provider, Rotation};

/// The program of an example, which `cargo test` builds beside this test.
fn example(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let path = this.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(path.is_file(), "build it first: cargo build --examples");
    path
}

/// What an example prints; it must succeed.
async fn output(name: &str, arguments: &[&Path]) -> String {
    let mut command = Command::new(example(name));
    command.args(arguments).stdin(Stdio::null());
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = run.await.unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    // A program without a subscriber has no log.
    assert_eq!(errors, "");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_program_with_the_daemon_inside_gets_a_token_and_its_next_run_too() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let printed = output("embed", &[folder.path()]).await;
        assert_eq!(printed, "example-access-token\n");
    }
    assert!(folder.path().join("tokens/vault.db").is_file());
    assert!(folder.path().join("tokens.key").is_file());
    // The next daemon takes over both names.
    assert!(folder.path().join("tokens/agent-auth.sock").exists());
}

#[tokio::test]
async fn a_stock_client_gets_a_token_and_the_address_of_a_login() {
    let home = Home::new();
    let daemon = Binary::start(&home).await;
    let provider = Provider::start(Rotation::Strict, 3600);
    let registration: NewProvider = provider.registration();
    let client = daemon.client();
    client.create_provider(&registration).await.unwrap();
    client.import_token(&provider.import(3600)).await.unwrap();
    let socket = home.socket();
    let [id, read, write] = [PROVIDER_ID, "read", "write"].map(Path::new);
    let token = output("hyperlocal", &[&socket, id, read]).await;
    assert!(token.starts_with("canary"), "{token}");
    let login = output("hyperlocal", &[&socket, id, write]).await;
    assert!(login.starts_with("log in at http"), "{login}");
    assert!(daemon.stop().await.success());
}

#[test]
fn the_page_on_embedding_shows_the_example_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/embedding.md")).unwrap();
    let example = std::fs::read_to_string(root.join("examples/embed.rs")).unwrap();
    let shown = page.split("```rust\n").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap();
    assert!(
        shown == example,
        "copy examples/embed.rs into docs/embedding.md"
    );
}
