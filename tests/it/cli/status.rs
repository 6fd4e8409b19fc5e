//! `agent-auth status`: its output and exit codes.

use serde_json::{Value, json};

use super::daemon::Daemon;
use super::{FLOW, ran, stdout};

/// A healthy daemon that has tokens with these changes.
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
fn status_is_ok_only_if_every_token_is_usable() {
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
            "1 token must be renewed by a new login",
        ),
        (
            vec![ended.clone(), spent],
            3,
            "2 tokens must be renewed by a new login",
        ),
        (
            vec![well, failing.clone()],
            1,
            "1 token could not be refreshed",
        ),
        (
            vec![ended, failing],
            1,
            "1 token must be renewed by a new login; 1 token could not be refreshed",
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
fn status_shows_the_next_refresh_of_a_token() {
    let daemon = holding(&[json!({"next_refresh_at": "2998-12-31T23:00:00Z"})]);
    let output = ran(&daemon, &["status"]);
    let said = stdout(&output);
    assert!(said.contains("example: next refresh in "), "{said}");
}

#[test]
fn a_degraded_daemon_gives_exit_code_1_and_the_reason() {
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
