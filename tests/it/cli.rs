//! The command line as a person or a script meets it: the real binary, its two
//! streams and its exit codes, before a stand-in for the daemon.

mod daemon;
mod login;
mod mistakes;
mod providers;
mod run;
mod status;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use daemon::Daemon;

const AUTHENTICATE: &str = "POST /v2/auth/authenticate";
const FLOW: &str = "11111111-2222-4333-8444-555555555555";

/// The binary, told of no socket but this one.
fn agent_auth(socket: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-auth"));
    command
        .env("AGENT_AUTH_SOCK", socket)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the binary with these words to its end.
fn ran(daemon: &Daemon, words: &[&str]) -> Output {
    agent_auth(&daemon.socket()).args(words).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A `completed` answer with this token.
fn completed(token: &str) -> Value {
    json!({
        "status": "completed", "token": token, "user_id": "me", "url": null, "auth_id": null,
        "metadata": {"provider_account_label": "me@example.com", "missing_scopes": ["x"]},
    })
}

#[test]
fn every_command_says_that_the_daemon_is_not_running_and_how_to_start_it() {
    let folder = tempfile::tempdir().unwrap();
    for words in [
        vec!["status"],
        vec!["provider", "list"],
        vec!["login", "x"],
        vec!["token", "x"],
        vec!["tokens", "list"],
        vec!["run", "--", "true"],
    ] {
        let socket = folder.path().join("none");
        let output = agent_auth(&socket).args(&words).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let said = stderr(&output);
        assert!(said.contains("agent-authd is not running"), "{said}");
        assert!(said.contains("start it with `agent-authd`"), "{said}");
        assert_eq!(stdout(&output), "", "{words:?}");
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let daemon = Daemon::answering(&[]);
    for words in [
        vec![],
        vec!["tokne"],
        vec!["token", "not/an/id"],
        vec!["run"],
        vec!["provider", "add", "intranet", "--client-id", "c"],
    ] {
        assert_eq!(ran(&daemon, &words).status.code(), Some(2), "{words:?}");
    }
}

#[test]
fn a_token_is_printed_alone() {
    let daemon = Daemon::answering(&[(AUTHENTICATE, 200, completed("t0ken"))]);
    let words = ["token", "example", "--scope", "b a", "--agent", "bot"];
    let output = ran(&daemon, &words);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!((stdout(&output), stderr(&output)), ("t0ken\n", ""));
    assert_eq!(
        daemon.asked(AUTHENTICATE),
        [
            json!({"provider": "example", "scopes": ["a", "b"], "agent_id": "bot",
                "check_only": true, "force_new": false, "try_now": true})
        ]
    );
}

#[test]
fn a_token_that_needs_a_person_ends_with_3_and_names_the_command() {
    let answer = json!({"status": "connection_required", "url": null, "auth_id": null});
    let daemon = Daemon::answering(&[(AUTHENTICATE, 200, answer)]);
    let output = ran(&daemon, &["token", "example", "--scope", "a"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(stdout(&output), "");
    assert!(stderr(&output).contains("agent-auth login example --scope a\n"));
}

#[test]
fn a_refusal_is_told_in_the_daemons_words() {
    let detail = json!({"detail": "there is no provider \u{1b}[2Jexample"});
    let daemon = Daemon::answering(&[(AUTHENTICATE, 404, detail)]);
    let output = ran(&daemon, &["token", "example"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "agent-auth: no token for example: there is no provider \\u{1b}[2Jexample\n"
    );
}

#[test]
fn tokens_are_listed_in_columns() {
    let token = json!({
        "id": FLOW, "provider_id": "example", "provider_account_label": null, "scopes": ["a", "b"],
        "expires_at": null, "is_default": true, "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z", "user_id": "me", "agent_id": null,
        "reconnect_reason": null,
    });
    let daemon = Daemon::answering(&[("GET /v2/auth/tokens", 200, json!([token]))]);
    assert_eq!(
        stdout(&ran(&daemon, &["tokens", "list"])),
        "PROVIDER  ACCOUNT  USER  AGENT  SCOPES  EXPIRES  REFRESH\n\
         example   -        me    -      a b     never             default\n"
    );
    let none = Daemon::answering(&[("GET /v2/auth/tokens", 200, json!([]))]);
    let output = ran(&none, &["tokens", "list"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), ""));
    assert!(stderr(&output).contains("There are no tokens yet"));
}

#[test]
fn a_dry_run_ends_in_what_would_be_done() {
    let daemon = Daemon::answering(&[]);
    for (word, end) in [
        ("install", "Would install"),
        ("uninstall", "Would uninstall"),
    ] {
        let output = ran(&daemon, &["service", word, "--dry-run"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let last = stdout(&output).lines().last().unwrap();
        assert!(last.starts_with(end), "{last}");
    }
}
