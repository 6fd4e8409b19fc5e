//! Tests of create and update requests.

use serde_json::{Value, json};

use super::*;
use crate::provider::Pkce;

fn create(changes: &Value) -> Result<Definition, FieldErrors> {
    let mut body = json!({
        "provider_id": "github",
        "name": "GitHub",
        "client_id": "c",
        "auth_url": "https://example.com/authorize",
        "token_url": "https://example.com/token",
    });
    let members = body.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    ProviderCreateRequest::from_json(body.to_string().as_bytes()).map(|request| request.definition)
}

fn refusal(changes: &Value) -> Value {
    serde_json::to_value(create(changes).unwrap_err()).unwrap()["detail"].clone()
}

#[test]
fn a_client_without_a_secret_is_public_and_uses_pkce() {
    let request = create(&json!({"client_secret": ""})).unwrap();
    assert!(request.client_secret.is_none());
    assert_eq!(request.auth_method(), AuthMethod::None);
    assert_eq!(request.pkce(), Pkce::S256);
}

#[test]
fn a_secret_at_fault_is_one_fault() {
    let faults = refusal(&json!({
        "client_secret": 7,
        "token_endpoint_auth_method": "client_secret_basic",
        "uses_pkce": false,
    }));
    assert_eq!(faults.as_array().unwrap().len(), 1, "{faults}");
}

#[test]
fn only_a_confidential_client_may_do_without_pkce() {
    let confidential = create(&json!({"client_secret": "s", "uses_pkce": false})).unwrap();
    assert_eq!(confidential.auth_method(), AuthMethod::ClientSecretPost);
    assert_eq!(confidential.pkce(), Pkce::Off);
    for public in [
        json!({"uses_pkce": false}),
        json!({"uses_pkce": false, "client_secret": "s", "token_endpoint_auth_method": "none"}),
    ] {
        assert_eq!(
            refusal(&public),
            json!([{
                "loc": ["body", "uses_pkce"],
                "msg": "Value error, PKCE cannot be turned off for a public client",
                "type": "value_error",
                "input": false,
                "ctx": {"error": "PKCE cannot be turned off for a public client"},
            }])
        );
    }
}

#[test]
fn a_method_that_needs_a_secret_is_refused_without_one() {
    assert_eq!(
        create(&json!({"token_endpoint_auth_method": "client_secret_basic"}))
            .unwrap_err()
            .to_string(),
        "body.token_endpoint_auth_method: Value error, this method needs a client_secret"
    );
}

#[test]
fn names_outside_the_contract_are_refused_with_those_inside() {
    for (field, expected) in [
        ("provider_type", "'microsoft', 'salesforce', 'slack' or 'x'"),
        (
            "token_endpoint_auth_method",
            "'none', 'client_secret_basic' or 'client_secret_post'",
        ),
        ("code_challenge_method", "'S256' or 'plain'"),
    ] {
        assert_eq!(
            refusal(&json!({field: "other"})),
            json!([{
                "loc": ["body", field],
                "msg": format!("Input should be {expected}"),
                "type": "enum",
                "input": "other",
                "ctx": {"expected": expected},
            }])
        );
    }
}

#[test]
fn addresses_that_cannot_be_endpoints_are_refused_with_the_reason() {
    let parsing = "url_parsing";
    for (url, kind, msg) in [
        (
            json!("nowhere"),
            parsing,
            "Input should be a valid URL, relative URL without a base",
        ),
        (
            json!(""),
            parsing,
            "Input should be a valid URL, input is empty",
        ),
        (
            json!("https://e.com/#f"),
            parsing,
            "Input should be a valid URL, it must not have a fragment",
        ),
        (json!(1), "url_type", "URL input should be a string or URL"),
        (
            json!("http://example.com"),
            "url_scheme",
            "URL scheme should be 'https' ('http' for a loopback address only)",
        ),
    ] {
        let fault = &refusal(&json!({"token_url": url}))[0];
        assert_eq!((&fault["type"], &fault["msg"]), (&json!(kind), &json!(msg)));
        assert_eq!(fault["input"], url);
    }
}

#[test]
fn a_password_in_an_address_is_not_shown() {
    let fault = &refusal(&json!({"auth_url": "https://me:canary@example.com/"}))[0];
    assert_eq!(fault["input"], "[redacted]");
}

#[test]
fn fixed_parameters_are_texts_and_not_reserved() {
    assert_eq!(
        refusal(&json!({"authorization_params": {"prompt": 1, "state": "canary"}})),
        json!([
            {
                "loc": ["body", "authorization_params", "prompt"],
                "msg": "Input should be a valid string",
                "type": "string_type",
                "input": 1,
            },
            {
                "loc": ["body", "authorization_params", "state"],
                "msg": "Value error, this parameter is set by each flow and cannot be fixed",
                "type": "value_error",
                "input": "[redacted]",
                "ctx": {"error": "this parameter is set by each flow and cannot be fixed"},
            },
        ])
    );
    assert_eq!(
        refusal(&json!({"authorization_params": []}))[0]["type"],
        "dict_type"
    );
}

#[test]
fn a_new_provider_has_an_identifier_of_the_contracts_pattern() {
    let pattern = ProviderId::PATTERN;
    assert_eq!(
        refusal(&json!({"provider_id": "a/b"})),
        json!([{
            "loc": ["body", "provider_id"],
            "msg": format!("String should match pattern '{pattern}'"),
            "type": "string_pattern_mismatch",
            "input": "a/b",
            "ctx": {"pattern": pattern},
        }])
    );
}

#[test]
fn redirect_addresses_are_absolute_and_kept_as_written() {
    let uris = json!({"allowed_redirect_uris": ["https://e.com", "app:/cb"]});
    let kept = create(&uris).unwrap().allowed_redirect_uris;
    assert_eq!(kept, ["https://e.com", "app:/cb"]);
    let faults = create(&json!({"allowed_redirect_uris": ["/cb", "https://e.com/#"]}));
    assert_eq!(faults.unwrap_err().detail.len(), 2);
}

#[test]
fn an_mcp_server_is_named_by_an_endpoint() {
    let body = br#"{"provider_id": "mcp", "name": "M", "mcp_server_url": "ftp://e.com"}"#;
    let faults = McpProviderCreateRequest::from_json(body).unwrap_err();
    assert_eq!(faults.detail[0].kind, "url_scheme");
}
