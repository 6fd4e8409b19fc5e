//! Dynamic client registration (RFC 7591).

use serde_json::{Map, Value, json};

use super::client::DiscoveryClient;
use super::server::Server;
use super::{Error, Step};
use crate::oauth::reply::text;
use crate::provider::{AuthMethod, Client, is_client_id};
use crate::secret::ClientSecret;

const STEP: Step = Step::Registration;

/// The error codes of a registration (RFC 7591, section 3.2.2).
const ERROR_CODES: [&str; 4] = [
    "invalid_client_metadata",
    "invalid_redirect_uri",
    "invalid_software_statement",
    "unapproved_software_statement",
];

/// Registers a client with the redirect URI `redirect_uri`. The request is sent
/// once.
pub(super) async fn register(
    client: &DiscoveryClient,
    server: &Server,
    redirect_uri: &str,
) -> Result<Client, Error> {
    let mut grant_types = vec!["authorization_code"];
    grant_types.extend(server.refreshes.then_some("refresh_token"));
    let wanted = json!({
        "client_name": "agent-authd",
        "application_type": "native",
        "redirect_uris": [redirect_uri],
        "grant_types": grant_types,
        "response_types": ["code"],
        "token_endpoint_auth_method": server.auth_method.as_str(),
    });
    let (status, reply) = client.post(STEP, &server.registration, &wanted).await?;
    if !matches!(status, 200 | 201) {
        return Err(Error::malformed(STEP, refusal(status, reply.as_ref())));
    }
    let reply = reply.ok_or_else(|| Error::malformed(STEP, "the response is not a JSON object"))?;
    registered(&reply, server.auth_method)
}

/// The client that the server registered. It may differ from the requested one
/// (RFC 7591, section 3.2.1).
fn registered(reply: &Map<String, Value>, wanted: AuthMethod) -> Result<Client, Error> {
    let client_id = text(reply, "client_id")
        .ok_or_else(|| Error::malformed(STEP, "the response has no client_id"))?;
    if !is_client_id(client_id) {
        let what = "the client_id in the response is too long or contains invalid characters";
        return Err(Error::malformed(STEP, what));
    }
    let auth_method = match text(reply, "token_endpoint_auth_method") {
        None => wanted,
        Some(name) => name.parse().map_err(|_| {
            let what = "the server requires a token_endpoint_auth_method that agent-authd does not support";
            Error::malformed(STEP, what)
        })?,
    };
    let client_secret = text(reply, "client_secret").filter(|_| auth_method != AuthMethod::None);
    // Secrets have the same syntax as identifiers (RFC 6749, appendix A.2).
    if client_secret.is_some_and(|secret| !is_client_id(secret)) {
        let what = "the client_secret in the response is too long or contains invalid characters";
        return Err(Error::malformed(STEP, what));
    }
    let client_secret = client_secret.map(ClientSecret::new);
    if auth_method != AuthMethod::None && client_secret.is_none() {
        let what = "the server requires a client secret and the response has no client_secret";
        return Err(Error::malformed(STEP, what));
    }
    Ok(Client {
        client_id: client_id.to_owned(),
        client_secret,
        auth_method,
        is_dynamic: true,
    })
}

fn refusal(status: u16, reply: Option<&Map<String, Value>>) -> String {
    let code = reply.and_then(|reply| text(reply, "error"));
    match code.filter(|code| ERROR_CODES.contains(code)) {
        Some(code) => format!("the server rejected the registration ({code})"),
        None if matches!(status, 401 | 403) => {
            format!("the server does not register unknown clients (HTTP {status})")
        }
        None => format!("the server responds with HTTP {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reply: &Value) -> Result<Client, Error> {
        registered(reply.as_object().unwrap(), AuthMethod::None)
    }

    #[test]
    fn the_client_is_the_one_that_the_server_registered() {
        let client = read(&json!({"client_id": "c", "client_secret": "unused"})).unwrap();
        assert!(client.client_secret.is_none() && client.is_dynamic);
        assert_eq!(client.auth_method, AuthMethod::None);
        let client = read(&json!({
            "client_id": "c", "client_secret": "s",
            "token_endpoint_auth_method": "client_secret_basic",
        }));
        assert!(client.unwrap().is_confidential());
    }

    #[test]
    fn a_client_that_cannot_be_used_is_rejected() {
        for reply in [
            json!({}),
            json!({"client_id": 7}),
            json!({"client_id": "c\r\nd"}),
            json!({"client_id": "c\u{200b}"}),
            json!({"client_id": "c".repeat(60_000)}),
            json!({
                "client_id": "c", "client_secret": "s".repeat(60_000),
                "token_endpoint_auth_method": "client_secret_post",
            }),
            json!({"client_id": "c", "token_endpoint_auth_method": "client_secret_post"}),
            json!({"client_id": "c", "token_endpoint_auth_method": "private_key_jwt"}),
        ] {
            assert!(
                matches!(read(&reply), Err(Error::MalformedResponse { .. })),
                "{reply}"
            );
        }
    }

    #[test]
    fn only_known_error_codes_are_quoted() {
        let message = |status, reply: Value| refusal(status, reply.as_object());
        let known = message(400, json!({"error": "invalid_redirect_uri"}));
        assert_eq!(
            known,
            "the server rejected the registration (invalid_redirect_uri)"
        );
        let other = message(400, json!({"error": "<script>"}));
        assert_eq!(other, "the server responds with HTTP 400");
    }
}
