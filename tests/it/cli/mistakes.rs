//! Mistyped commands: the error names the flag and what to do, and the exit code is 2
//! if the arguments are invalid.

use serde_json::json;

use super::{Daemon, FLOW, agent_auth, ran, stderr, stdout};

const ADDRESSES: [&str; 4] = [
    "--auth-url",
    "https://example.com/a",
    "--token-url",
    "https://example.com/t",
];

#[test]
fn an_invalid_property_of_a_provider_names_its_flag() {
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
fn a_similar_preset_is_suggested() {
    let daemon = Daemon::answering(&[]);
    let words = ["provider", "add", "githb", "--client-id", "c"];
    let output = ran(&daemon, &words);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("for the similar preset \"github\""), "{said}");
    assert!(said.contains("agent-auth provider add"), "{said}");
}

#[test]
fn usage_lines_do_not_show_the_socket() {
    let daemon = Daemon::answering(&[]);
    let output = ran(&daemon, &["provider", "show"]);
    let said = stderr(&output);
    assert!(
        said.contains("agent-auth provider show") && !said.contains("--socket"),
        "{said}"
    );
}

#[test]
fn a_file_that_is_not_a_socket_is_reported() {
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
fn an_unknown_token_is_reported_with_the_command_that_lists_tokens() {
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
