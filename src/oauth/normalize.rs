//! The one place that makes odd token replies conform to RFC 6749, section 5,
//! before the protocol's crate sees them.
//!
//! Providers answer in forms or in JSON under any content type, leave out the
//! token type, write numbers as text and scopes as lists, nest the token, and
//! put errors into HTTP 200. What comes out of here is a reply of section 5.1
//! with status 200, or a typed error (`oauth/refusal.rs`); nothing else.

use oauth2::http::{Response, header};
use oauth2::{HttpResponse, http::response::Parts};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::redact::Redactor;
use super::request::JSON;
use super::{Error, refusal};
use crate::clock::Timestamp;
use crate::identity::Scopes;
use crate::provider::quirks::Quirks;
use crate::secret::RefreshToken;

/// What a provider's answer is read with.
#[derive(Clone, Copy)]
pub(super) struct ReplyContext<'a> {
    /// What the provider does differently.
    pub(super) quirks: &'a Quirks,
    /// Hides the secrets of the request.
    pub(super) redactor: &'a Redactor,
    /// When the answer came.
    pub(super) received_at: Timestamp,
}

/// The body of an answer, as far as it can be read.
pub(super) enum Body {
    /// A JSON object or a form with a member of OAuth's.
    Members(Map<String, Value>),
    /// A page for people: a captive portal's, a firewall's, a gateway's.
    Html,
    /// JSON that breaks off.
    Broken,
    /// Anything else.
    Other,
}

/// Why a reply is of no use, and what it held all the same.
#[derive(Debug)]
pub(super) struct Unusable {
    /// Why.
    pub(super) error: Error,
    /// A refresh token without an access token beside it.
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

/// The reply as RFC 6749, section 5.1, has it.
pub(super) fn normalize(
    reply: HttpResponse,
    context: &ReplyContext<'_>,
) -> Result<HttpResponse, Unusable> {
    let (parts, body) = reply.into_parts();
    // A success that cannot be understood leaves open whether it is one.
    let in_doubt = || Error::OutcomeUnknown {
        what: format!("HTTP {} without an access token", parts.status.as_u16()),
        retry_after: None,
    };
    let mut members = accepted(&parts, &body, context)?.ok_or_else(in_doubt)?;
    lift_nested(&mut members, context.quirks);
    if text(&members, "access_token").is_none() {
        return Err(Unusable {
            error: in_doubt(),
            refresh_token: text(&members, "refresh_token").map(RefreshToken::new),
        });
    }
    canonical(&mut members, context.quirks);
    let mut reply = Response::new(Value::Object(members).to_string().into_bytes());
    reply.headers_mut().insert(header::CONTENT_TYPE, JSON);
    Ok(reply)
}

/// The members of an answer that refuses nothing; `None` where it has none,
/// which answers a revocation but no token request.
pub(super) fn accepted(
    parts: &Parts,
    body: &[u8],
    context: &ReplyContext<'_>,
) -> Result<Option<Map<String, Value>>, Error> {
    let body = read(body);
    match refusal::of(parts, &body, context) {
        Some(error) => Err(error),
        None => Ok(match body {
            Body::Members(members) => Some(members),
            _ => None,
        }),
    }
}

/// Reads a body by its looks: content types are wrong too often.
fn read(body: &[u8]) -> Body {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    match text.bytes().next() {
        Some(b'{') => match serde_json::from_str(text) {
            Ok(members) => Body::Members(members),
            Err(error) if error.is_eof() => Body::Broken,
            Err(_) => Body::Other,
        },
        Some(b'<') => Body::Html,
        _ => read_form(text),
    }
}

fn read_form(text: &str) -> Body {
    let members: Map<_, _> = form_urlencoded::parse(text.as_bytes())
        .map(|(name, value)| (name.into_owned(), Value::from(value)))
        .collect();
    if members.contains_key("access_token") || members.contains_key("error") {
        Body::Members(members)
    } else {
        Body::Other
    }
}

/// Lifts a nested grant (Slack's user token) to the top, if there is none.
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

/// Brings every member of section 5.1 into its form there, or takes it away.
fn canonical(members: &mut Map<String, Value>, quirks: &Quirks) {
    let token_type = token_type(members).to_owned();
    let default = quirks.default_expires_in.map(u64::from);
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

/// A member's text, unless it is empty, which says as little as its absence.
pub(super) fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.trim().is_empty())
}

/// The token type: bearer where none is named. Slack names the kind of account
/// instead, and means bearer (RFC 6750).
fn token_type(members: &Map<String, Value>) -> &str {
    match text(members, "token_type") {
        None | Some("bot" | "user") => "bearer",
        Some(named) => named,
    }
}

/// A lifetime in whole seconds, from a number or a text that holds one.
///
/// Zero, less, and what is no number say nothing: providers write 0 or -1 for
/// tokens that do not expire, and a token dead on arrival helps nobody.
fn lifetime(value: Option<&Value>) -> Option<u64> {
    let seconds = match value? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        _ => return None,
    };
    // Less than a second says nothing: no token could ever be used. A cast from
    // a float stops at the integer's ends.
    (seconds.is_finite() && seconds >= 1.0).then_some(seconds as u64)
}

/// Scopes from a text or a list of texts, with blanks or commas between them;
/// `None` when none is named, which says nothing (GitHub Apps always leave it empty).
fn scopes(value: &Value) -> Option<Scopes> {
    let between = [',', ' ', '\t', '\n', '\r'];
    let texts = match value {
        Value::Array(list) => list.as_slice(),
        text => std::slice::from_ref(text),
    };
    let texts = texts.iter().filter_map(Value::as_str);
    let scopes = Scopes::new(texts.flat_map(|text| text.split(between)));
    (!scopes.is_empty()).then_some(scopes)
}

#[cfg(test)]
mod tests;
