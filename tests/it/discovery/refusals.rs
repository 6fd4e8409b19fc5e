//! Discoveries that fail: the error arrives in time, and nothing is stored.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use agent_authd::client::Error;
use agent_authd::clock::Env;
use serde_json::{Value, json};

use super::discover;
use super::server::{Answer, METADATA, TestServer};
use crate::support::daemon::{Home, InProcess};

/// The time within which the caller must get an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The status and the message of a failed discovery. Checks that the answer came
/// in time, that nothing was stored, and that no reply was quoted.
async fn refusal(url: &str) -> (u16, String) {
    let home = Home::new();
    let daemon = InProcess::start(&home, Env::system()).await;
    let client = daemon.client();
    let asked_at = Instant::now();
    let refused = discover(client, url).await;
    assert!(
        asked_at.elapsed() < ANSWER_TIMEOUT,
        "{:?}",
        asked_at.elapsed()
    );
    let Err(Error::Refused { status, detail, .. }) = refused else {
        panic!("{url} was not refused: {refused:?}");
    };
    assert!(client.providers().await.unwrap().is_empty());
    assert!(!detail.contains("canary"), "{detail}");
    daemon.stop().await;
    (status.as_u16(), detail)
}

/// The failure of a discovery at a server with one changed answer. Checks that no
/// client was registered.
async fn refusal_for(path: &str, answer: Answer) -> (u16, String) {
    let server = TestServer::working();
    server.answer(path, answer);
    let refused = refusal(&server.url("/mcp")).await;
    let lines = server.lines();
    assert!(
        !lines.contains(&"POST /as/register".to_owned()),
        "{lines:?}"
    );
    refused
}

/// The failure of a discovery at an authorization server with changed metadata.
async fn refusal_of_metadata(changes: Value) -> (u16, String) {
    let server = TestServer::working();
    let mut metadata = server.metadata();
    let members = metadata.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    server.answer_json(METADATA, metadata);
    let refused = refusal(&server.url("/mcp")).await;
    let lines = server.lines();
    assert!(
        !lines.contains(&"POST /as/register".to_owned()),
        "{lines:?}"
    );
    refused
}

fn assert_says((status, detail): &(u16, String), expected: u16, words: &str) {
    assert_eq!(*status, expected, "{detail}");
    assert!(detail.contains(words), "{detail}");
}

#[tokio::test]
async fn a_redirect_loop_is_not_followed() {
    for path in ["/mcp", "/meta", METADATA] {
        let refused = refusal_for(path, Answer::redirect(path)).await;
        assert_says(&refused, 422, "more than 5 redirects");
    }
}

#[tokio::test]
async fn no_step_leads_to_a_private_address() {
    for address in [
        "https://10.0.0.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00:ec2::254]/",
        "https://[::ffff:c0a8:1]/",
        "https://100.64.0.1/",
    ] {
        assert_says(&refusal(address).await, 422, "is not a public address");
        let refused = refusal_for("/mcp", Answer::redirect(address)).await;
        assert_says(&refused, 422, "the MCP server: ");
        assert_says(&refused, 422, "is not a public address");
        let challenge = format!("Bearer resource_metadata=\"{address}\"");
        let answer = Answer::Plain(401, ("WWW-Authenticate", challenge), Vec::new());
        assert_says(&refusal_for("/mcp", answer).await, 422, "RFC 9728");
        let answer = Answer::redirect(address);
        assert_says(&refusal_for(METADATA, answer).await, 422, "RFC 8414");
        for member in [
            "token_endpoint",
            "registration_endpoint",
            "revocation_endpoint",
        ] {
            let refused = refusal_of_metadata(json!({ member: address })).await;
            assert_says(&refused, 422, "is not a public address");
        }
    }
}

#[tokio::test]
async fn no_request_is_sent_to_a_private_authorization_server() {
    let server = TestServer::working();
    let servers = json!({
        "resource": server.url("/mcp"), "authorization_servers": ["https://192.168.1.1"],
    });
    server.answer_json("/meta", servers);
    let refused = refusal(&server.url("/mcp")).await;
    assert_says(&refused, 422, "192.168.1.1 is not a public address");
}

#[tokio::test]
async fn requests_without_tls_are_sent_only_to_loopback() {
    let refused = refusal_for("/mcp", Answer::redirect("http://example.com/")).await;
    assert_says(&refused, 422, "it must be https");
    let refused = refusal_of_metadata(json!({"token_endpoint": "http://example.com/"})).await;
    assert_says(
        &refused,
        422,
        "its token_endpoint cannot be used: it must be https",
    );
}

#[tokio::test]
async fn a_document_of_ten_megabytes_is_rejected() {
    for has_length in [true, false] {
        for path in ["/meta", METADATA] {
            let refused = refusal_for(path, Answer::Huge { has_length }).await;
            assert_says(&refused, 502, "more than 1048576 bytes");
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_respond_fails_within_ten_seconds() {
    let (one, two, three) = tokio::join!(
        refusal_for("/mcp", Answer::Silence),
        refusal_for("/meta", Answer::Silence),
        refusal_for(METADATA, Answer::Silence),
    );
    for (refused, step) in [(one, "MCP server"), (two, "RFC 9728"), (three, "RFC 8414")] {
        assert_says(&refused, 502, "does not respond in time");
        assert_says(&refused, 502, step);
    }
}

#[tokio::test]
async fn an_unreachable_server_is_503() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    drop(listener);
    let refused = refusal(&url).await;
    assert_says(
        &refused,
        503,
        "the MCP server: 127.0.0.1 cannot be reached now",
    );
}

#[tokio::test]
async fn metadata_of_another_resource_is_rejected() {
    for resource in [
        json!({"resource": "https://other.example/mcp"}),
        json!({"resource": 7}),
        json!({}),
    ] {
        let refused = refusal_for("/meta", Answer::Json(200, resource)).await;
        assert_says(&refused, 422, "the MCP server's metadata (RFC 9728): it");
    }
}

#[tokio::test]
async fn metadata_that_a_challenge_names_must_exist() {
    let refused = refusal_for("/meta", Answer::Json(404, json!({}))).await;
    assert_says(&refused, 422, "/meta responds with HTTP 404");
    for answer in [Answer::html(), Answer::Json(200, json!([]))] {
        let refused = refusal_for("/meta", answer).await;
        assert_says(&refused, 502, "not a JSON object");
    }
    let refused = refusal_for("/meta", Answer::Json(500, json!("canary"))).await;
    assert_says(&refused, 502, "HTTP 500");
}

#[tokio::test]
async fn metadata_of_another_issuer_is_rejected() {
    let server = TestServer::start();
    for issuer in [server.url("/as"), String::new()] {
        let refused = refusal_of_metadata(json!({ "issuer": issuer })).await;
        assert_says(&refused, 422, "its issuer is ");
    }
    let refused = refusal_of_metadata(json!({"issuer": null})).await;
    assert_says(&refused, 422, "its issuer is \"\"");
}

#[tokio::test]
async fn an_authorization_server_without_a_required_feature_is_rejected() {
    for (changes, words) in [
        (
            json!({"code_challenge_methods_supported": ["plain"]}),
            "PKCE with S256",
        ),
        (
            json!({"registration_endpoint": null}),
            "does not support client registration",
        ),
        (json!({"token_endpoint": null}), "has no token_endpoint"),
        (
            json!({"authorization_endpoint": 1}),
            "has no authorization_endpoint",
        ),
        (
            json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}),
            "supports no authentication method that agent-authd supports",
        ),
    ] {
        assert_says(&refusal_of_metadata(changes).await, 422, words);
    }
    let refused = refusal_for(METADATA, Answer::Json(404, json!({}))).await;
    assert_says(&refused, 422, "responds with HTTP 404");
}

#[tokio::test]
async fn a_registration_that_is_rejected_or_malformed_stores_nothing() {
    for (answer, words) in [
        (
            Answer::Json(400, json!({"error": "invalid_redirect_uri"})),
            "(invalid_redirect_uri)",
        ),
        (Answer::Json(400, json!({"error": "canary"})), "HTTP 400"),
        (
            Answer::Json(401, json!({})),
            "does not register unknown clients",
        ),
        (Answer::Json(201, json!({})), "no client_id"),
        (Answer::html(), "not a JSON object"),
        (Answer::redirect("/elsewhere"), "HTTP 302"),
        (Answer::Huge { has_length: true }, "more than 1048576 bytes"),
    ] {
        let server = TestServer::working();
        server.answer("/as/register", answer);
        let refused = refusal(&server.url("/mcp")).await;
        assert_says(&refused, 502, "the client's registration (RFC 7591): ");
        assert_says(&refused, 502, words);
        let lines = server.lines();
        assert_eq!(
            lines.iter().filter(|line| line.starts_with("POST")).count(),
            1
        );
    }
}
