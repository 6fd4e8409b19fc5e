//! Commands that are typed wrong: each is told in the words of the command line,
//! with what to do, and ends with 2 where the command line itself is at fault.

use serde_json::json;

use super::{Daemon, FLOW, agent_auth, ran, stderr, stdout};

const ADDRESSES: [&str; 4] = [
    "--auth-url",
    "https://example.com/a",
    "--token-url",
    "https://example.com/t",
];

#[test]
fn what_a_provider_cannot_have_is_told_by_the_flags_name() {
    let daemon = Daemon::answering(&[]);
    for (more, flag, why) in [
        (
            &["--auth-url", "example.com"][..],
            "--auth-url",
            "not a URL",
        ),
        (
            &["--token-url", "http://example.com"],
            "--token-url",
            "must be https",
        ),
        (
            &["--client-id", "a\nb"],
            "--client-id",
            "visible ASCII characters",
        ),
        (
            &["--allow-redirect", "back"],
            "--allow-redirect",
            "not a URL",
        ),
        (
            &["--param", "state=1"],
            "--param",
            "sets this parameter itself",
        ),
        (&["--param", "=1"], "--param", "must be KEY=VALUE"),
        (&["--no-pkce"], "--client-secret-file", "required arguments"),
        (
            &["--auth-method", "client_secret_basic"],
            "--client-secret-file",
            "required arguments",
        ),
    ] {
        // Each flag with its value, without the one that is given otherwise.
        let flags = ["--client-id", "c"].into_iter().chain(ADDRESSES);
        let flags: Vec<_> = flags.collect();
        let kept = flags.chunks(2).filter(|pair| pair[0] != more[0]);
        let words = [
            &["provider", "add", "x"],
            kept.collect::<Vec<_>>().concat().as_slice(),
            more,
        ]
        .concat();
        let output = ran(&daemon, &words);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(flag) && said.contains(why), "{said}");
    }
    let words = ["provider", "discover", "x", "mcp.example.com"];
    let output = ran(&daemon, &words);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("not a URL"), "{}", stderr(&output));
}

#[test]
fn a_mistyped_preset_is_guessed() {
    let daemon = Daemon::answering(&[]);
    let words = ["provider", "add", "githb", "--client-id", "c"];
    let output = ran(&daemon, &words);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("a similar one is \"github\""), "{said}");
    assert!(said.contains("agent-auth provider add"), "{said}");
}

#[test]
fn a_usage_line_shows_no_socket_that_was_not_typed() {
    let daemon = Daemon::answering(&[]);
    let output = ran(&daemon, &["provider", "show"]);
    let said = stderr(&output);
    assert!(
        said.contains("agent-auth provider show") && !said.contains("--socket"),
        "{said}"
    );
}

#[test]
fn what_has_the_sockets_name_and_is_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = agent_auth(&file).arg("status").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("is not a socket") && said.contains("--socket"),
        "{said}"
    );
}

#[test]
fn a_token_that_is_not_there_is_told_with_where_to_look() {
    let line = "DELETE /v2/auth/tokens/11111111-2222-4333-8444-555555555555";
    let daemon = Daemon::answering(&[(line, 404, json!({"detail": "no such token"}))]);
    let output = ran(&daemon, &["tokens", "remove", FLOW]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("no such token") && said.contains("agent-auth tokens list --json"),
        "{said}"
    );
    let output = ran(&daemon, &["tokens", "remove", ""]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn a_removed_provider_says_what_became_of_its_tokens() {
    let message = "Deleted the provider x and its tokens (2, 1 of them revoked at the provider)";
    let line = "DELETE /v2/auth/providers/x";
    let daemon = Daemon::answering(&[(line, 200, json!({"message": message}))]);
    let output = ran(&daemon, &["provider", "remove", "x"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), ""));
    assert_eq!(stderr(&output), format!("{message}.\n"));
}
