//! Values that the API rejects: labels that look like others, URLs that hide their
//! host, and identifiers that would conflict with a path.

use serde_json::{Value, json};

use crate::support::stage::{Answer, Stage};

/// Labels that look like `claude`, or have invisible characters.
const LOOKALIKES: [&str; 8] = [
    "claude\u{200b}",
    "claude\u{61c}",
    "\u{feff}claude",
    "clau\u{ad}de",
    "claude\u{2028}",
    "claude\u{e0041}",
    "edualc\u{202e}",
    "claude\n",
];

/// The locations of the errors of a 422 reply.
#[track_caller]
fn faults(answer: Answer) -> Vec<Value> {
    let json = answer.with(422);
    let faults = json["detail"].as_array().unwrap();
    faults.iter().map(|fault| fault["loc"].clone()).collect()
}

fn provider(changes: Value) -> Value {
    let mut body = json!({
        "provider_id": "other", "name": "Other", "client_id": "c",
        "auth_url": "https://example.com/a", "token_url": "https://example.com/t",
    });
    let members = body.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn a_label_that_looks_like_another_is_rejected_in_every_field() {
    let stage = Stage::new().await;
    let token = stage.import(json!({})).await;
    for label in LOOKALIKES {
        for field in ["user_id", "ls_user_id", "agent_id"] {
            let body = json!({"provider": "acme", "scopes": [], field: label});
            let answer = stage.post("/authenticate", body).await;
            assert_eq!(faults(answer), [json!(["body", field])], "{label:?}");
        }
        let body = json!({"provider_account_label": label});
        let answer = stage
            .patch(&format!("/tokens/{token}/metadata"), body)
            .await;
        let place = json!(["body", "provider_account_label"]);
        assert_eq!(faults(answer), [place], "{label:?}");
        let answer = stage
            .post("/providers", provider(json!({"name": label})))
            .await;
        assert_eq!(faults(answer), [json!(["body", "name"])], "{label:?}");
        let body = json!({"provider_id": "x", "access_token": "canary", "user_id": label});
        let answer = stage.post("/tokens/import", body).await;
        assert_eq!(faults(answer), [json!(["body", "user_id"])], "{label:?}");
    }
}

#[tokio::test]
async fn an_agent_in_a_path_has_no_invisible_characters() {
    let stage = Stage::new().await;
    let answer = stage.get("/agents/claude%E2%80%8B/connections").await;
    assert_eq!(faults(answer), [json!(["path", "agent_id"])]);
    stage.get("/agents/claude/connections").await.with(200);
}

#[tokio::test]
async fn only_the_usual_spelling_of_loopback_is_accepted_as_a_redirect_uri() {
    let stage = Stage::new().await;
    for redirect_uri in [
        "http://me@127.0.0.1/back",
        "http://127.0.0.1\\@evil.example/",
        "http://0x7f.1/back",
        "http://127。0。0。1/back",
        "http://local\thost/back",
        "http://127.0.0.1/\u{200b}",
    ] {
        let body = json!({"provider": crate::support::provider::PROVIDER_ID, "scopes": [],
            "redirect_uri": redirect_uri});
        let answer = stage.post("/authenticate", body).await;
        let place = json!(["body", "redirect_uri"]);
        assert_eq!(faults(answer), [place], "{redirect_uri:?}");
        let body = provider(json!({"allowed_redirect_uris": [redirect_uri]}));
        let answer = stage.post("/providers", body).await;
        let place = json!(["body", "allowed_redirect_uris", 0]);
        assert_eq!(faults(answer), [place], "{redirect_uri:?}");
    }
    let plain = json!({"redirect_uri": "http://127.0.0.1:3000/back"});
    assert_eq!(stage.authenticate(plain).await["status"], "pending");
}

#[tokio::test]
async fn no_fixed_parameter_changes_the_destination_or_form_of_the_response() {
    let stage = Stage::new().await;
    for name in [
        "request",
        "request_uri",
        "response_mode",
        "Response_Mode",
        "redirect.uri",
        "nonce",
        "registration",
        "id_token_hint",
        "code_challenge",
        "redirect_uri[]",
        " state",
    ] {
        let body = provider(json!({"authorization_params": {name: "x"}}));
        let answer = stage.post("/providers", body).await;
        let place = json!(["body", "authorization_params", name]);
        assert_eq!(faults(answer), [place], "{name:?}");
    }
}

#[tokio::test]
async fn a_provider_identifier_cannot_be_a_path_segment_of_the_api() {
    let stage = Stage::new().await;
    let body = provider(json!({"provider_id": "mcp-discover"}));
    let answer = stage.post("/providers", body).await.with(409);
    let told = answer["detail"].as_str().unwrap();
    assert!(
        told.contains("reserved") && told.contains("choose another"),
        "{told}"
    );
    let body = json!({"provider_id": "mcp-discover", "name": "M",
        "mcp_server_url": "http://127.0.0.1:9/mcp"});
    stage.post("/providers/mcp-discover", body).await.with(409);
}

#[tokio::test]
async fn a_client_identifier_is_visible_ascii_of_limited_length() {
    let stage = Stage::new().await;
    for client_id in [String::new(), "a\nb".to_owned(), "x".repeat(2049)] {
        let answer = stage
            .post("/providers", provider(json!({"client_id": client_id})))
            .await;
        assert_eq!(faults(answer), [json!(["body", "client_id"])]);
    }
}

#[tokio::test]
async fn stored_values_have_a_limited_length() {
    let stage = Stage::new().await;
    let long = |length: usize| "x".repeat(length);
    let address = |length: usize| format!("https://example.com/{}", long(length - 20));
    let scopes = |count: usize| (0..count).map(|n| format!("{n:063}")).collect::<Vec<_>>();
    let addresses = vec![address(30); 101];
    for (field, ok, too_long) in [
        ("name", json!(long(256)), json!(long(257))),
        ("auth_url", json!(address(2048)), json!(address(2049))),
        ("token_url", json!(address(2048)), json!(address(2049))),
        (
            "authorization_params",
            json!({"a": long(8191)}),
            json!({"a": long(8192)}),
        ),
        (
            "allowed_redirect_uris",
            json!(addresses[1..]),
            json!(addresses),
        ),
    ] {
        let answer = stage
            .post("/providers", provider(json!({field: too_long})))
            .await;
        assert_eq!(faults(answer), [json!(["body", field])]);
        let id = format!("p-{}", field.replace('_', "-"));
        let body = provider(json!({field: ok, "provider_id": id}));
        stage.post("/providers", body).await.with(200);
    }
    let import = |field: &str, value: &Value| json!({"provider_id": "strict", "access_token": "canary-a", field: value});
    for (field, ok, too_long) in [
        ("scopes", json!(scopes(128)), json!(scopes(129))),
        (
            "metadata",
            json!({"a": long(16_376)}),
            json!({"a": long(16_377)}),
        ),
        ("user_id", json!(long(256)), json!(long(257))),
    ] {
        let answer = stage.post("/tokens/import", import(field, &too_long)).await;
        assert_eq!(faults(answer), [json!(["body", field])]);
        stage
            .post("/tokens/import", import(field, &ok))
            .await
            .with(200);
    }
    for field in ["user_id", "agent_id", "redirect_uri"] {
        let body = json!({"provider": "strict", "scopes": [], field: long(2049)});
        let answer = stage.post("/authenticate", body).await;
        assert_eq!(faults(answer), [json!(["body", field])]);
    }
    let agent = stage
        .get(&format!("/agents/{}/connections", long(257)))
        .await;
    assert_eq!(faults(agent), [json!(["path", "agent_id"])]);
}
