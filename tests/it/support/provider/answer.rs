//! The replies and failures of the token endpoint.

use std::io::Write as _;
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{CLIENT_ID, CLIENT_SECRET, Failure, Request, Shared};

/// Answers one request to the token endpoint.
pub(super) fn token(
    shared: &Shared,
    stream: &mut TcpStream,
    request: Request,
) -> std::io::Result<()> {
    let fault = {
        let mut state = shared.state();
        state.requests.push(request.clone());
        let given = request.form.get("refresh_token");
        let refused = given.and_then(|token| state.refused.get(token).cloned());
        refused
            .or_else(|| state.faults.pop_front())
            .or(state.lasting_fault.clone())
    };
    match &fault {
        Some(Failure::Answer {
            status,
            headers,
            body,
        }) => return write_reply(stream, *status, headers, body, body.len()),
        Some(Failure::Ignored) => return Ok(()),
        _ => {}
    }
    let (status, mut reply) = done(shared, &request);
    shared.wait_while(|state| state.is_held);
    if let Some(Failure::Member(name, written)) = &fault {
        let members = reply.as_object_mut().unwrap();
        members.remove(*name);
        if let Some(written) = written {
            let value: Value = serde_json::from_str(written).unwrap();
            members.insert((*name).to_owned(), value);
        }
    }
    if let Some(Failure::LateAlone(wait)) = &fault {
        reply.as_object_mut().unwrap().remove("access_token");
        std::thread::sleep(*wait);
    }
    let reply = reply.to_string();
    let json = [("Content-Type", "application/json".to_owned())];
    match fault {
        Some(Failure::LostAnswer) => Ok(()),
        Some(Failure::Instead {
            status,
            headers,
            body,
        }) => write_reply(stream, status, &headers, &body, body.len()),
        Some(Failure::HalfAnswer) => {
            let half = &reply[..reply.len() / 2];
            write_reply(stream, status, &json, half, reply.len())
        }
        Some(Failure::Late(wait)) => {
            std::thread::sleep(wait);
            write_reply(stream, status, &json, &reply, reply.len())
        }
        _ => write_reply(stream, status, &json, &reply, reply.len()),
    }
}

/// Sends the metadata with the revocation endpoint (RFC 8414, section 2).
pub(super) fn metadata(issuer: &str, stream: &mut TcpStream) -> std::io::Result<()> {
    let metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "revocation_endpoint": format!("{issuer}/revoke"),
    });
    let body = metadata.to_string();
    let json = [("Content-Type", "application/json".to_owned())];
    write_reply(stream, 200, &json, &body, body.len())
}

/// Revokes only the given token, as RFC 7009, section 2.1, allows.
pub(super) fn revocation(
    shared: &Shared,
    stream: &mut TcpStream,
    body: &[u8],
) -> std::io::Result<()> {
    let time = {
        let mut state = shared.state();
        state.revocations += 1;
        state.revocation_time
    };
    shared.wait_while(|state| state.revocations_are_held);
    std::thread::sleep(time);
    let mut form = form_urlencoded::parse(body);
    if let Some((_, token)) = form.find(|(name, _)| name == "token") {
        shared.state().grants.revoke(&token);
    }
    write_reply(stream, 200, &[], "", 0)
}

/// Executes a token request.
fn done(shared: &Shared, request: &Request) -> (u16, Value) {
    if !is_authenticated(request) {
        return (401, json!({"error": "invalid_client"}));
    }
    let field = |name: &str| {
        request
            .form
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    };
    let mut state = shared.state();
    let granted = match field("grant_type") {
        "authorization_code" => {
            state
                .grants
                .exchange(field("code"), field("redirect_uri"), field("code_verifier"))
        }
        "refresh_token" => state.grants.refresh(field("refresh_token")),
        _ => return (400, json!({"error": "unsupported_grant_type"})),
    };
    match granted {
        Some(reply) => (200, reply),
        None => (400, json!({"error": "invalid_grant"})),
    }
}

/// Checks the client secret in the body or in the header (RFC 6749, section 2.3.1).
fn is_authenticated(request: &Request) -> bool {
    let basic = format!(
        "Basic {}",
        STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"))
    );
    let is = |name: &str, value: &str| request.form.get(name).is_some_and(|given| given == value);
    match &request.authorization {
        Some(given) => *given == basic && !request.form.contains_key("client_secret"),
        None => is("client_id", CLIENT_ID) && is("client_secret", CLIENT_SECRET),
    }
}

fn write_reply(
    stream: &mut TcpStream,
    status: u16,
    headers: &[(&'static str, String)],
    body: &str,
    length: usize,
) -> std::io::Result<()> {
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    write!(
        stream,
        "HTTP/1.1 {status} Status\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
