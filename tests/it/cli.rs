//! The command line as a person or a script meets it: the real binary, its two
//! streams and its exit codes, before a stand-in for the daemon.

mod daemon;
mod mistakes;
mod run;

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::sys::stat::Mode;
use serde_json::{Value, json};

use daemon::Daemon;

const AUTHENTICATE: &str = "POST /v2/auth/authenticate";
const PROVIDERS: &str = "POST /v2/auth/providers";
const FLOW: &str = "11111111-2222-4333-8444-555555555555";
const LINK: &str = "POST /v2/auth/flows/11111111-2222-4333-8444-555555555555/browser-link";
const WAIT: &str = "GET /v2/auth/wait/11111111-2222-4333-8444-555555555555?timeout=60";

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

/// A `pending` answer for [`FLOW`].
fn pending() -> Value {
    let url = "https://example.com/authorize?state=s";
    json!({"status": "pending", "url": url, "auth_id": FLOW})
}

fn provider() -> Value {
    json!({
        "id": FLOW, "organization_id": FLOW, "provider_id": "example", "name": "Example\u{1b}[31m",
        "client_id": "c", "auth_url": "https://example.com/a", "token_url": "https://example.com/t",
        "uses_pkce": true, "code_challenge_method": "S256", "provider_type": null,
        "mcp_server_url": null, "token_endpoint_auth_method": "client_secret_post",
        "authorization_params": {}, "is_dynamic_client": false, "allowed_redirect_uris": [],
        "default_redirect_uri": "http://127.0.0.1:8252/host-oauth-callback/example",
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
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
fn a_login_waits_until_the_person_is_done() {
    let daemon = Daemon::answering(&[(AUTHENTICATE, 200, pending()), (WAIT, 200, completed("t0"))]);
    let output = ran(&daemon, &["login", "example", "--no-browser"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output), "https://example.com/authorize?state=s\n");
    let said = stderr(&output);
    assert!(
        said.contains("Connected to example as me@example.com, for me."),
        "{said}"
    );
    assert!(said.contains("Not granted: x"), "{said}");
    assert!(!said.contains("t0"), "{said}");
}

/// A browser that writes down what it is started on, beside the daemon's socket.
fn browser(daemon: &Daemon) -> (PathBuf, PathBuf) {
    let seen = daemon.socket().with_file_name("seen");
    nix::unistd::mkfifo(&seen, Mode::S_IRWXU).unwrap();
    let browser = daemon.socket().with_file_name("browser");
    let script = format!("#!/bin/sh\necho \"$1\" > {}\n", seen.display());
    std::fs::write(&browser, script).unwrap();
    std::fs::set_permissions(&browser, Permissions::from_mode(0o700)).unwrap();
    (browser, seen)
}

#[test]
fn a_login_starts_the_browser_on_an_address_that_holds_no_state() {
    let link = json!({
        "url": "http://127.0.0.1:8252/go/x", "expires_at": "2026-01-01T00:00:00Z",
    });
    let daemon = Daemon::answering(&[
        (AUTHENTICATE, 200, pending()),
        (LINK, 200, link),
        (WAIT, 200, completed("t0")),
    ]);
    let (browser, seen) = browser(&daemon);
    let output = agent_auth(&daemon.socket())
        .args(["login", "example"])
        .env("BROWSER", &browser)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let opened = std::fs::read_to_string(&seen).unwrap();
    assert_eq!(opened, "http://127.0.0.1:8252/go/x\n");
    // What is printed is for the person alone, who may be at another machine.
    assert_eq!(stdout(&output), "https://example.com/authorize?state=s\n");
}

#[test]
fn a_daemon_that_gives_no_local_address_has_no_browser_started() {
    let daemon = Daemon::answering(&[(AUTHENTICATE, 200, pending()), (WAIT, 200, completed("t0"))]);
    let (browser, _) = browser(&daemon);
    let output = agent_auth(&daemon.socket())
        .args(["login", "example"])
        .env("BROWSER", &browser)
        .output()
        .unwrap();
    // The browser would have waited for a reader.
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("upgrade and restart it"), "{said}");
    assert!(said.contains("Open this address in a browser:"), "{said}");
}

#[test]
fn a_login_that_another_program_began_is_not_opened_twice() {
    let mut begun = pending();
    begun["metadata"] = json!({"is_new": false});
    let daemon = Daemon::answering(&[(AUTHENTICATE, 200, begun), (WAIT, 200, completed("t0"))]);
    let browser = daemon.socket().with_file_name("browser");
    let opened = daemon.socket().with_file_name("opened");
    let script = format!("#!/bin/sh\ntouch {}\n", opened.display());
    std::fs::write(&browser, script).unwrap();
    std::fs::set_permissions(&browser, Permissions::from_mode(0o700)).unwrap();
    let output = agent_auth(&daemon.socket())
        .args(["login", "example"])
        .env("BROWSER", &browser)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output), "https://example.com/authorize?state=s\n");
    assert!(stderr(&output).contains("waits for this login already"));
    assert!(!opened.exists());
}

#[test]
fn a_login_that_was_refused_says_why() {
    let refused = json!({"status": "not_found", "error": "access_denied"});
    let daemon = Daemon::answering(&[(AUTHENTICATE, 200, pending()), (WAIT, 200, refused)]);
    let output = ran(&daemon, &["login", "example", "--no-browser"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).ends_with("agent-auth: the login failed: access_denied\n"));
}

#[test]
fn an_account_that_is_connected_already_needs_no_login() {
    let daemon = Daemon::answering(&[(AUTHENTICATE, 200, completed("t0"))]);
    let output = ran(&daemon, &["login", "example"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), ""));
    assert!(stderr(&output).contains("nobody needs to log in"));
}

#[test]
fn a_provider_is_added_with_the_secret_from_standard_input() {
    let daemon = Daemon::answering(&[(PROVIDERS, 200, provider())]);
    let mut child = agent_auth(&daemon.socket())
        .args([
            "provider",
            "add",
            "example",
            "--client-id",
            "c",
            "--client-secret-file",
            "-",
        ])
        .args([
            "--auth-url",
            "https://example.com/a",
            "--token-url",
            "https://example.com/t",
        ])
        .args(["--param", "prompt=consent", "--type", "slack"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"s3cret\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "http://127.0.0.1:8252/host-oauth-callback/example\n"
    );
    assert_eq!(
        daemon.asked(PROVIDERS),
        [json!({
            "provider_id": "example", "name": "example", "client_id": "c",
            "client_secret": "s3cret", "auth_url": "https://example.com/a",
            "token_url": "https://example.com/t", "provider_type": "slack",
            "authorization_params": {"prompt": "consent"}, "allowed_redirect_uris": [],
        })]
    );
}

const PLATFORM: &str = "GET /v2/auth/platform-providers";

#[test]
fn providers_are_listed_with_the_machines_and_nothing_steers_the_terminal() {
    let mut offered = provider();
    offered["provider_id"] = json!("work");
    offered["name"] = json!("Work");
    let daemon = Daemon::answering(&[
        ("GET /v2/auth/providers", 200, json!([provider()])),
        (PLATFORM, 200, json!([offered])),
    ]);
    let output = ran(&daemon, &["provider", "list"]);
    assert_eq!(
        stdout(&output),
        "PROVIDER  NAME               LOGIN AT\n\
         example   Example\\u{1b}[31m  https://example.com/a\n\
         work      Work               https://example.com/a  of the machine\n"
    );
    let output = ran(&daemon, &["provider", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (mut own, mut machines) = (provider(), offered);
    own["is_platform"] = json!(false);
    machines["is_platform"] = json!(true);
    assert_eq!(listed, json!([own, machines]));
}

#[test]
fn tokens_of_a_provider_that_is_not_there_are_a_failure_that_says_so() {
    let unknown = json!({"detail": "no such provider \"typo\""});
    let mut offered = provider();
    offered["provider_id"] = json!("work");
    let daemon = Daemon::answering(&[
        ("GET /v2/auth/tokens?provider_id=typo", 200, json!([])),
        ("GET /v2/auth/providers/typo", 404, unknown.clone()),
        ("GET /v2/auth/tokens?provider_id=work", 200, json!([])),
        ("GET /v2/auth/providers/work", 404, unknown),
        (PLATFORM, 200, json!([offered])),
        ("GET /v2/auth/tokens?provider_id=example", 200, json!([])),
        ("GET /v2/auth/providers/example", 200, provider()),
    ]);
    let output = ran(&daemon, &["tokens", "list", "--provider", "typo"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "agent-auth: no such provider \"typo\"\n");
    for known in ["example", "work"] {
        let output = ran(&daemon, &["tokens", "list", "--provider", known]);
        assert_eq!(output.status.code(), Some(0), "{known}");
        let said = stderr(&output);
        assert!(
            said.contains(&format!("agent-auth login {known}")),
            "{said}"
        );
    }
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

/// A daemon that is well and has tokens with these changes.
fn holding(changes: &[Value]) -> Daemon {
    let info = json!({
        "version": "0.1.0", "status": "ok", "degraded_reason": null, "flows_pending": 0,
        "redirect_base": "http://127.0.0.1:8252", "providers": 1, "tokens": changes.len(),
    });
    let tokens: Vec<_> = changes
        .iter()
        .map(|changes| {
            let mut token = json!({
                "id": FLOW, "provider_id": "example", "provider_account_label": null,
                "scopes": [], "expires_at": "2999-01-01T00:00:00Z", "is_default": true,
                "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
                "user_id": "me", "agent_id": null, "reconnect_reason": null,
            });
            let members = token.as_object_mut().unwrap();
            members.extend(changes.as_object().unwrap().clone());
            token
        })
        .collect();
    Daemon::answering(&[
        ("GET /info", 200, info),
        ("GET /v2/auth/tokens", 200, json!(tokens)),
    ])
}

#[test]
fn status_is_ok_only_while_every_token_is() {
    let well = json!({});
    let ended = json!({"reconnect_reason": "invalid_grant"});
    let spent = json!({"expires_at": "2020-01-01T00:00:00Z"});
    let failing = json!({
        "last_error": "unreachable", "last_error_at": "2026-01-01T00:00:00Z",
        "next_refresh_at": "2026-01-01T00:01:00Z",
    });
    for (tokens, code, told) in [
        (vec![well.clone()], 0, "ok"),
        (
            vec![well.clone(), ended.clone()],
            3,
            "1 token must be logged in again by a person",
        ),
        (
            vec![ended.clone(), spent],
            3,
            "2 tokens must be logged in again by a person",
        ),
        (
            vec![well, failing.clone()],
            1,
            "1 token could not be refreshed",
        ),
        (
            vec![ended, failing],
            1,
            "1 token must be logged in again by a person; 1 token could not be refreshed",
        ),
    ] {
        let daemon = holding(&tokens);
        let output = ran(&daemon, &["status"]);
        assert_eq!(output.status.code(), Some(code), "{told}");
        let second = stdout(&output).lines().nth(1).unwrap();
        assert_eq!(second, format!("  status     {told}"));
        let output = ran(&daemon, &["status", "--json"]);
        assert_eq!(output.status.code(), Some(code), "{told}");
    }
}

#[test]
fn status_says_what_comes_next_for_a_token() {
    let daemon = holding(&[json!({"next_refresh_at": "2998-12-31T23:00:00Z"})]);
    let output = ran(&daemon, &["status"]);
    let said = stdout(&output);
    assert!(said.contains("example: next refresh in "), "{said}");
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

#[test]
fn a_degraded_daemon_is_a_failure_that_says_why() {
    let info = json!({
        "version": "0.1.0", "status": "degraded", "degraded_reason": "the disk is full",
        "redirect_base": "http://127.0.0.1:8252", "providers": 1, "tokens": 0, "flows_pending": 2,
    });
    let daemon = Daemon::answering(&[
        ("GET /info", 200, info),
        ("GET /v2/auth/tokens", 200, json!([])),
    ]);
    let output = ran(&daemon, &["status"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output);
    assert!(
        said.contains("1 provider, no tokens, 2 logins under way"),
        "{said}"
    );
    assert!(said.contains("degraded: the disk is full"), "{said}");
}

#[test]
fn a_well_known_provider_is_added_without_its_addresses() {
    let daemon = Daemon::answering(&[(PROVIDERS, 200, provider())]);
    let words = [
        "provider",
        "add",
        "work",
        "--preset",
        "github",
        "--client-id",
        "c",
    ];
    let output = ran(&daemon, &words);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let asked = &daemon.asked(PROVIDERS)[0];
    assert_eq!(
        asked["token_url"],
        "https://github.com/login/oauth/access_token"
    );
    assert_eq!(asked["name"], "GitHub");
}

#[test]
fn an_unknown_provider_needs_its_addresses() {
    let daemon = Daemon::answering(&[]);
    let output = ran(
        &daemon,
        &["provider", "add", "intranet", "--client-id", "c"],
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("--auth-url"),
        "{}",
        stderr(&output)
    );
}
