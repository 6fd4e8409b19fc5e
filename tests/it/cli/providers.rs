//! `agent-auth provider`, and what depends on which providers there are.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::daemon::Daemon;
use super::{FLOW, agent_auth, ran, stderr, stdout};

const PROVIDERS: &str = "POST /v2/auth/providers";
const PLATFORM: &str = "GET /v2/auth/platform-providers";

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

#[test]
fn platform_providers_are_listed_too_and_control_characters_are_escaped() {
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
         work      Work               https://example.com/a  provided by this machine\n"
    );
    let output = ran(&daemon, &["provider", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (mut own, mut machines) = (provider(), offered);
    own["is_platform"] = json!(false);
    machines["is_platform"] = json!(true);
    assert_eq!(listed, json!([own, machines]));
}

#[test]
fn listing_the_tokens_of_an_unknown_provider_fails() {
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
