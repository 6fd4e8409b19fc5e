//! What a provider's refusal means for the caller (RFC 6749, section 5.2).
//!
//! Judged by the error's code first and by the HTTP status second: Atlassian
//! sends `invalid_grant` with 403, GitHub and Slack send errors with 200, and a
//! captive portal sends pages with any status at all.

use std::time::Duration;

use jiff::fmt::rfc2822;
use oauth2::http::response::Parts;
use oauth2::http::{StatusCode, header};
use serde_json::{Map, Value};

use super::Error;
use super::conform::{Body, Reading, text};
use crate::clock::Timestamp;

/// Codes of a refusal that passes by itself, whatever the status: RFC 6749,
/// section 4.1.2.1, RFC 8628, section 3.5, and the words of Slack, Google and
/// Salesforce for the same.
const PASSING: [&str; 11] = [
    "temporarily_unavailable",
    "server_error",
    "slow_down",
    "ratelimited",
    "rate_limited",
    "too_many_requests",
    "service_unavailable",
    "internal_error",
    "internal_failure",
    "fatal_error",
    "unknown_error",
];

/// Codes that refuse the client or its request, whatever the status: RFC 6749,
/// section 5.2, and RFC 8707, section 2.
const SETTINGS: [&str; 6] = [
    "invalid_client",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "unauthorized_client",
    "unsupported_grant_type",
];

/// Where providers put the words of an error, the RFC's own member first.
const DESCRIPTIONS: [&str; 7] = [
    "error_description",
    "error_message",
    "message",
    "reason",
    "detail",
    "errorSummary",
    "error_msg",
];

/// The code of an error that has none, or none that can be shown.
const UNNAMED: &str = "error";

/// The longest wait that a `Retry-After` is believed, in seconds: a day.
const RETRY_AFTER_LIMIT: u64 = 86_400;

/// The refusal in an answer, if it is one.
pub(super) fn of(parts: &Parts, body: &Body, reading: &Reading<'_>) -> Option<Error> {
    let status = parts.status;
    if let Body::Members(members) = body
        && let Some(code) = code(members, status, reading)
    {
        return Some(coded(&code, members, parts, reading));
    }
    if is_passing(status) || is_page_in_the_way(status, body) {
        return Some(unavailable(parts, reading));
    }
    let what = match (status, body) {
        (_, Body::Broken) if status.is_success() => return Some(Error::InDoubt),
        (_, Body::Other | Body::Members(_) | Body::Broken) if status.is_success() => return None,
        (StatusCode::UNAUTHORIZED, _) => return Some(unauthorized()),
        _ if status.is_redirection() => "a redirect",
        _ => "without an OAuth error",
    };
    Some(Error::Nonsense {
        what: format!("HTTP {}, {what}", status.as_u16()),
    })
}

/// The code of an error: `error` as a text or an object (Facebook, Google),
/// else the provider's own member, else Slack's `ok: false` alone.
fn code(members: &Map<String, Value>, status: StatusCode, reading: &Reading<'_>) -> Option<String> {
    if let Some(code) = text(members, "error") {
        return Some(code.to_owned());
    }
    if let Some(Value::Object(error)) = members.get("error") {
        let named = ["type", "status", "code"];
        let code = named.iter().find_map(|name| text(error, name));
        return Some(code.unwrap_or(UNNAMED).to_owned());
    }
    let own = reading.quirks.error_member.filter(|_| !status.is_success());
    let own = own.and_then(|name| text(members, name));
    let is_not_ok = members.get("ok") == Some(&Value::Bool(false));
    own.or(is_not_ok.then_some("not_ok")).map(str::to_owned)
}

fn coded(code: &str, members: &Map<String, Value>, parts: &Parts, reading: &Reading<'_>) -> Error {
    let said = description(members);
    let described = said.and_then(|text| reading.redactor.shown(text));
    let is = |known: &&str| known.eq_ignore_ascii_case(code);
    let ends_grant = reading
        .quirks
        .grant_ending_errors
        .iter()
        .any(|(known, words)| is(known) && said.unwrap_or_default().contains(words));
    if is(&"invalid_grant") || ends_grant {
        return Error::InvalidGrant {
            description: described,
        };
    }
    let is_settings = SETTINGS.iter().any(is);
    if PASSING.iter().any(is) || (is_passing(parts.status) && !is_settings) {
        return unavailable(parts, reading);
    }
    let shown = reading.redactor.shown(code);
    Error::Misconfigured {
        code: shown.unwrap_or_else(|| UNNAMED.to_owned()),
        description: described,
    }
}

fn description(members: &Map<String, Value>) -> Option<&str> {
    let in_error = members.get("error").and_then(Value::as_object);
    [Some(members), in_error]
        .into_iter()
        .flatten()
        .find_map(|members| DESCRIPTIONS.iter().find_map(|name| text(members, name)))
}

/// RFC 6749, section 5.2, gives 401 to a client that failed to authenticate.
fn unauthorized() -> Error {
    Error::Misconfigured {
        code: "invalid_client".to_owned(),
        description: Some("HTTP 401 without an OAuth error".to_owned()),
    }
}

fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

/// Whether a page stands where an answer of the token endpoint should: a
/// captive portal's (RFC 6585, section 6, or any success) or a firewall's.
fn is_page_in_the_way(status: StatusCode, body: &Body) -> bool {
    matches!(body, Body::Html) && (status.is_success() || status == StatusCode::FORBIDDEN)
}

fn unavailable(parts: &Parts, reading: &Reading<'_>) -> Error {
    let value = parts.headers.get(header::RETRY_AFTER);
    let value = value.and_then(|value| value.to_str().ok());
    Error::Unavailable {
        retry_after: value.and_then(|value| retry_after(value, reading.received_at)),
    }
}

/// The wait that a `Retry-After` asks for, in seconds or until a date (RFC
/// 9110, section 10.2.3).
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let seconds = value.trim().parse().ok().or_else(|| {
        let until = rfc2822::parse(value.trim()).ok()?.timestamp();
        let left = Timestamp::from_millis(until.as_millisecond()).millis_since(now);
        Some(u64::try_from(left).unwrap_or(0).div_ceil(1000))
    })?;
    Some(Duration::from_secs(seconds.min(RETRY_AFTER_LIMIT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_believed_for_a_day() {
        let now = Timestamp::from_millis(784_111_777_500); // half past the second
        for (value, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999", Some(RETRY_AFTER_LIMIT)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 2094 08:49:37 GMT", None),
            ("Sat, 06 Nov 2094 08:49:37 GMT", Some(RETRY_AFTER_LIMIT)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(retry_after(value, now), expected, "{value}");
        }
    }
}
