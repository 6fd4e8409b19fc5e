//! `agent-auth login`: the browser, the wait, and how it ends.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use nix::sys::stat::Mode;
use serde_json::{Value, json};

use super::daemon::Daemon;
use super::{AUTHENTICATE, FLOW, agent_auth, completed, ran, stderr, stdout};

const LINK: &str = "POST /v2/auth/flows/11111111-2222-4333-8444-555555555555/browser-link";
const WAIT: &str = "GET /v2/auth/wait/11111111-2222-4333-8444-555555555555?timeout=60";

/// A `pending` answer for [`FLOW`].
fn pending() -> Value {
    let url = "https://example.com/authorize?state=s";
    json!({"status": "pending", "url": url, "auth_id": FLOW})
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

/// A browser that writes its address to a file beside the daemon's socket.
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
fn a_login_opens_the_browser_with_an_address_that_has_no_state() {
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
    // The printed address has the state: only the person sees it, who may be at another
    // machine.
    assert_eq!(stdout(&output), "https://example.com/authorize?state=s\n");
}

#[test]
fn without_a_browser_link_no_browser_is_opened() {
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
    assert!(said.contains("Upgrade and restart it"), "{said}");
    assert!(said.contains("Open this address in a browser:"), "{said}");
}

#[test]
fn a_login_that_another_program_started_is_not_opened_twice() {
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
    assert!(stderr(&output).contains("has started this login already"));
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
    assert!(stderr(&output).contains("no login is needed"));
}
