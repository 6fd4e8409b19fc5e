//! What a provider's refusal means for the caller (RFC 6749, section 5.2).
//!
//! Judged by the error's code first and by the HTTP status second: Atlassian
//! sends `invalid_grant` with 403, GitHub and Slack send errors with 200, and a
//! captive portal sends pages with any status at all.

use std::time::Duration;

use jiff::fmt::rfc2822;
use oauth2::http::response::Parts;
use oauth2::http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use super::Error;
use super::normalize::{Body, ReplyContext, text};
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

/// Codes that refuse the client itself, and so every grant of it (RFC 6749,
/// section 5.2). Any other code speaks of one grant.
const CLIENT: [&str; 2] = ["invalid_client", "unauthorized_client"];

/// Codes that refuse one request, whatever the status: RFC 6749, section 5.2,
/// and RFC 8707, section 2.
const REQUEST: [&str; 4] = [
    "invalid_request",
    "invalid_scope",
    "invalid_target",
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

/// The longest wait that a `Retry-After` is believed, in seconds: an hour. A
/// mistaken one would otherwise cost the tokens that die meanwhile.
const RETRY_AFTER_LIMIT: u64 = 3600;

/// The refusal in an answer, if it is one.
pub(super) fn of(parts: &Parts, body: &Body, context: &ReplyContext<'_>) -> Option<Error> {
    let status = parts.status;
    if let Body::Members(members) = body
        && let Some(code) = code(members, status, context)
    {
        return Some(coded(&code, members, parts, context));
    }
    let retry_after = retry_after(parts, body, context.received_at);
    if leaves_doubt(status) {
        return Some(in_doubt(status, "", retry_after));
    }
    if is_passing(status) || is_firewalls_page(status, body) {
        return Some(Error::Unavailable { retry_after });
    }
    let what = match (status, body) {
        (_, Body::Broken) if status.is_success() => {
            return Some(in_doubt(status, ", JSON that breaks off", None));
        }
        (_, Body::Html) if status.is_success() => {
            return Some(in_doubt(status, ", a web page", None));
        }
        _ if status.is_success() => return None,
        (StatusCode::UNAUTHORIZED, _) => return Some(unauthorized()),
        _ if status.is_redirection() => "a redirect",
        _ => "without an OAuth error",
    };
    Some(Error::MalformedResponse {
        what: format!("HTTP {}, {what}", status.as_u16()),
    })
}

/// The code of an error: `error` as a text or an object (Facebook, Google),
/// else the provider's own member, else Slack's `ok: false` alone.
fn code(
    members: &Map<String, Value>,
    status: StatusCode,
    context: &ReplyContext<'_>,
) -> Option<String> {
    if let Some(code) = text(members, "error") {
        return Some(code.to_owned());
    }
    if let Some(Value::Object(error)) = members.get("error") {
        let named = ["type", "status", "code"];
        let code = named.iter().find_map(|name| text(error, name));
        return Some(code.unwrap_or(UNNAMED).to_owned());
    }
    let own = context.quirks.error_member.filter(|_| !status.is_success());
    let own = own.and_then(|name| text(members, name));
    let is_not_ok = members.get("ok") == Some(&Value::Bool(false));
    own.or(is_not_ok.then_some("not_ok")).map(str::to_owned)
}

fn coded(
    code: &str,
    members: &Map<String, Value>,
    parts: &Parts,
    context: &ReplyContext<'_>,
) -> Error {
    let said = description(members);
    let described = said.and_then(|text| context.redactor.shown(text));
    let is = |known: &&str| known.eq_ignore_ascii_case(code);
    let ends_grant = context
        .quirks
        .grant_ending_errors
        .iter()
        .any(|(known, words)| is(known) && said.unwrap_or_default().contains(words));
    if is(&"invalid_grant") || ends_grant {
        return Error::InvalidGrant {
            description: described,
        };
    }
    let shown = context.redactor.shown(code);
    let shown = shown.unwrap_or_else(|| UNNAMED.to_owned());
    if CLIENT.iter().any(is) {
        return Error::ClientRejected {
            code: shown,
            description: described,
        };
    }
    let is_of_request = REQUEST.iter().any(is);
    if PASSING.iter().any(is) || (is_passing(parts.status) && !is_of_request) {
        let value = parts.headers.get(header::RETRY_AFTER);
        let retry_after = wait_until(value, context.received_at);
        if leaves_doubt(parts.status) {
            return in_doubt(parts.status, "", retry_after);
        }
        return Error::Unavailable { retry_after };
    }
    Error::Refused {
        code: shown,
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

/// RFC 6749, section 5.2, gives 401 to a client that failed to authenticate, but
/// with a code. Without one it may speak of the grant alone, and is taken so.
fn unauthorized() -> Error {
    Error::Refused {
        code: "unauthorized".to_owned(),
        description: Some("HTTP 401 without an OAuth error".to_owned()),
    }
}

fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

/// Whether a status is a gateway's that passed the request on and got no
/// answer to it (RFC 9110, sections 15.6.3 and 15.6.5).
fn leaves_doubt(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT
    )
}

fn in_doubt(status: StatusCode, more: &str, retry_after: Option<Duration>) -> Error {
    Error::OutcomeUnknown {
        what: format!("HTTP {}{more}", status.as_u16()),
        retry_after,
    }
}

/// Whether a firewall's page stands where the token endpoint's answer should.
fn is_firewalls_page(status: StatusCode, body: &Body) -> bool {
    matches!(body, Body::Html) && status == StatusCode::FORBIDDEN
}

/// The wait that an answer asks for. A page is not the token endpoint's, and
/// neither is the wait that comes with it.
fn retry_after(parts: &Parts, body: &Body, now: Timestamp) -> Option<Duration> {
    if matches!(body, Body::Html) {
        return None;
    }
    wait_until(parts.headers.get(header::RETRY_AFTER), now)
}

/// The wait of a `Retry-After`, in seconds or until a date (RFC 9110, section
/// 10.2.3).
fn wait_until(value: Option<&HeaderValue>, now: Timestamp) -> Option<Duration> {
    let value = value?.to_str().ok()?;
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
    fn retry_after_is_seconds_or_a_date_and_believed_for_an_hour() {
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
            let header = HeaderValue::from_str(value).unwrap();
            assert_eq!(wait_until(Some(&header), now), expected, "{value}");
        }
    }
}
