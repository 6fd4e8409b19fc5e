//! The command line as a person or a script uses it: the real program, its output
//! streams and exit codes, with a fake daemon.

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

/// The program, with this socket.
fn agent_auth(socket: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-auth"));
    command
        .env("AGENT_AUTH_SOCK", socket)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the program with these arguments to its end.
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
fn every_command_reports_a_missing_daemon_and_how_to_start_it() {
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
fn invalid_arguments_give_exit_code_2() {
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
fn only_the_token_is_printed() {
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
fn a_missing_login_gives_exit_code_3_and_names_the_command() {
    let answer = json!({"status": "connection_required", "url": null, "auth_id": null});
    let daemon = Daemon::answering(&[(AUTHENTICATE, 200, answer)]);
    let output = ran(&daemon, &["token", "example", "--scope", "a"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(stdout(&output), "");
    assert!(stderr(&output).contains("agent-auth login example --scope a\n"));
}

#[test]
fn the_daemons_error_message_is_printed() {
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
    assert!(stderr(&output).contains("No tokens are stored"));
}

#[test]
fn a_dry_run_ends_with_a_summary() {
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
