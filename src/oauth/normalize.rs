//! Rewrites token replies to the form of RFC 6749, section 5.1, before the
//! `oauth2` crate parses them.
//!
//! Providers reply with forms or with JSON under any content type, omit the
//! token type, write numbers as text and scopes as lists, nest the token, and
//! send errors with HTTP 200. [`normalize`] returns either a reply of section
//! 5.1 with status 200 or a typed error (`oauth/refusal.rs`).

use oauth2::http::{Response, header};
use oauth2::{HttpResponse, http::response::Parts};
use serde_json::{Map, Value};

use super::reply::{Body, ReplyContext, text};
use super::request::JSON;
use super::{Error, refusal};
use crate::identity::Scopes;
use crate::provider::quirks::Quirks;
use crate::secret::RefreshToken;

/// A reply without an access token.
#[derive(Debug)]
pub(super) struct Unusable {
    /// Why the reply cannot be used.
    pub(super) error: Error,
    /// The refresh token that the reply held without an access token.
    pub(super) refresh_token: Option<RefreshToken>,
}

impl From<Error> for Unusable {
    fn from(error: Error) -> Self {
        Self {
            error,
            refresh_token: None,
        }
    }
}

/// Rewrites a reply to the form of RFC 6749, section 5.1.
///
/// # Errors
/// [`Unusable`] if the reply is an error or has no access token.
pub(super) fn normalize(
    reply: HttpResponse,
    context: &ReplyContext<'_>,
) -> Result<HttpResponse, Unusable> {
    let (parts, body) = reply.into_parts();
    // A 2xx without an access token does not say whether the grant was renewed.
    let outcome_unknown = || Error::OutcomeUnknown {
        what: format!("HTTP {} without an access token", parts.status.as_u16()),
        retry_after: None,
    };
    let mut members = accepted(&parts, &body, context)?.ok_or_else(outcome_unknown)?;
    lift_nested(&mut members, context.quirks);
    if text(&members, "access_token").is_none() {
        return Err(Unusable {
            error: outcome_unknown(),
            refresh_token: text(&members, "refresh_token").map(RefreshToken::new),
        });
    }
    canonical(&mut members, context.quirks);
    let mut reply = Response::new(Value::Object(members).to_string().into_bytes());
    reply.headers_mut().insert(header::CONTENT_TYPE, JSON);
    Ok(reply)
}

/// The members of a reply that is not an error; `None` if it has none, which is
/// a valid reply to a revocation but not to a token request.
///
/// # Errors
/// The error that the reply reports.
pub(super) fn accepted(
    parts: &Parts,
    body: &[u8],
    context: &ReplyContext<'_>,
) -> Result<Option<Map<String, Value>>, Error> {
    let body = Body::parse(body);
    match refusal::of(parts, &body, context) {
        Some(error) => Err(error),
        None => Ok(match body {
            Body::Members(members) => Some(members),
            _ => None,
        }),
    }
}

/// Moves a nested grant (Slack's user token) to the top level, unless there is
/// an access token already.
fn lift_nested(members: &mut Map<String, Value>, quirks: &Quirks) {
    if text(members, "access_token").is_some() {
        return;
    }
    let nested = quirks.nested_grant.and_then(|name| members.get_mut(name));
    let Some(Value::Object(nested)) = nested else {
        return;
    };
    let lifted: Vec<_> = MEMBERS
        .iter()
        .filter_map(|name| nested.remove_entry(*name))
        .collect();
    members.extend(lifted);
}

/// The members of a token reply (RFC 6749, section 5.1).
const MEMBERS: [&str; 5] = [
    "access_token",
    "token_type",
    "expires_in",
    "refresh_token",
    "scope",
];

/// Converts every member of section 5.1 to its standard form, or removes it.
fn canonical(members: &mut Map<String, Value>, quirks: &Quirks) {
    let token_type = token_type(members).to_owned();
    let default = quirks.default_expires_in.map(|life| life.as_secs());
    let expires_in = lifetime(members.get("expires_in")).or(default);
    let scopes = members.get("scope").and_then(scopes);
    let refresh_token = text(members, "refresh_token").map(str::to_owned);
    members.insert("token_type".to_owned(), Value::from(token_type));
    set(members, "expires_in", expires_in.map(Value::from));
    set(members, "refresh_token", refresh_token.map(Value::from));
    let scope = scopes.map(|scopes| Value::from(scopes.join(" ")));
    set(members, "scope", scope);
}

fn set(members: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    match value {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.remove(name),
    };
}

/// The token type; bearer (RFC 6750) if the reply names none. Slack sends the
/// kind of account instead, and the token is a bearer token.
fn token_type(members: &Map<String, Value>) -> &str {
    match text(members, "token_type") {
        None | Some("bot" | "user") => "bearer",
        Some(named) => named,
    }
}

/// A lifetime in whole seconds, from a number or a text that contains one.
///
/// Values below one second and values that are not numbers are ignored:
/// providers send 0 or -1 for tokens that do not expire, and a token that
/// expires on arrival is of no use.
fn lifetime(value: Option<&Value>) -> Option<u64> {
    let seconds = match value? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        _ => return None,
    };
    // A cast from a float saturates at the bounds of the integer.
    (seconds.is_finite() && seconds >= 1.0).then_some(seconds as u64)
}

/// Scopes from a text or a list of texts, separated by white space or commas;
/// `None` if there are none, as in the replies of GitHub Apps.
fn scopes(value: &Value) -> Option<Scopes> {
    let separators = [',', ' ', '\t', '\n', '\r'];
    let texts = match value {
        Value::Array(list) => list.as_slice(),
        text => std::slice::from_ref(text),
    };
    let texts = texts.iter().filter_map(Value::as_str);
    let scopes = Scopes::new(texts.flat_map(|text| text.split(separators)));
    (!scopes.is_empty()).then_some(scopes)
}

#[cfg(test)]
mod tests;
