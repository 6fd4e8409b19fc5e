//! Classifies the error replies of providers (RFC 6749, section 5.2).
//!
//! The error code is considered first and the HTTP status second: Atlassian
//! sends `invalid_grant` with 403, GitHub and Slack send errors with 200, and
//! captive portals send pages with any status.

use std::time::Duration;

use jiff::fmt::rfc2822;
use oauth2::http::response::Parts;
use oauth2::http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use super::Error;
use super::reply::{Body, ReplyContext, text};
use crate::clock::Timestamp;

/// Codes of transient errors, with any status: RFC 6749, section 4.1.2.1, RFC
/// 8628, section 3.5, and the codes that Slack, Google and Salesforce use for
/// the same.
const TRANSIENT: [&str; 11] = [
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

/// Codes that reject the client, and so all of its grants (RFC 6749, section
/// 5.2). Every other code is about one grant.
const CLIENT: [&str; 2] = ["invalid_client", "unauthorized_client"];

/// Codes that reject one request, with any status: RFC 6749, section 5.2, and
/// RFC 8707, section 2.
const REQUEST: [&str; 4] = [
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "unsupported_grant_type",
];

/// The members that may contain the description of an error, the RFC's first.
const DESCRIPTIONS: [&str; 7] = [
    "error_description",
    "error_message",
    "message",
    "reason",
    "detail",
    "errorSummary",
    "error_msg",
];

/// Stands for an error code that is missing or cannot be shown.
const UNNAMED: &str = "error";

/// The longest wait that a `Retry-After` can ask for. Tokens expire during a
/// longer one, which may be a mistake of the server.
const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(3600);

/// The error that a reply reports; `None` for a success.
pub(super) fn of(parts: &Parts, body: &Body, context: &ReplyContext<'_>) -> Option<Error> {
    let status = parts.status;
    if let Body::Members(members) = body
        && let Some(code) = code(members, status, context)
    {
        return Some(coded(&code, members, parts, context));
    }
    let retry_after = retry_after(parts, body, context.received_at);
    if is_gateway_failure(status) {
        return Some(outcome_unknown(status, "", retry_after));
    }
    if is_transient(status) || is_firewall_page(status, body) {
        return Some(Error::Unavailable { retry_after });
    }
    let what = match (status, body) {
        (_, Body::Truncated) if status.is_success() => {
            return Some(outcome_unknown(status, ", truncated JSON", None));
        }
        (_, Body::Html) if status.is_success() => {
            return Some(outcome_unknown(status, ", a web page", None));
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
/// else the member that this provider uses instead, else Slack's `ok: false`.
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
    if TRANSIENT.iter().any(is) || (is_transient(parts.status) && !is_of_request) {
        let value = parts.headers.get(header::RETRY_AFTER);
        let retry_after = wait_until(value, context.received_at);
        if is_gateway_failure(parts.status) {
            return outcome_unknown(parts.status, "", retry_after);
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

/// A 401 without an error code. RFC 6749, section 5.2, sends 401 with a code to
/// a client that failed to authenticate; without a code the reply may be about
/// the grant alone, so the client is not treated as rejected.
fn unauthorized() -> Error {
    Error::Refused {
        code: "unauthorized".to_owned(),
        description: Some("HTTP 401 without an OAuth error".to_owned()),
    }
}

fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

/// Whether a gateway forwarded the request and got no valid response to it
/// (RFC 9110, sections 15.6.3 and 15.6.5).
fn is_gateway_failure(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT
    )
}

fn outcome_unknown(status: StatusCode, more: &str, retry_after: Option<Duration>) -> Error {
    Error::OutcomeUnknown {
        what: format!("HTTP {}{more}", status.as_u16()),
        retry_after,
    }
}

/// Whether a firewall replied in place of the token endpoint.
fn is_firewall_page(status: StatusCode, body: &Body) -> bool {
    matches!(body, Body::Html) && status == StatusCode::FORBIDDEN
}

/// The wait that a reply asks for. A web page is not the token endpoint's reply,
/// so its header is ignored.
fn retry_after(parts: &Parts, body: &Body, now: Timestamp) -> Option<Duration> {
    if matches!(body, Body::Html) {
        return None;
    }
    wait_until(parts.headers.get(header::RETRY_AFTER), now)
}

/// The wait that a `Retry-After` header asks for, as a number of seconds or as a
/// date (RFC 9110, section 10.2.3), limited to [`RETRY_AFTER_LIMIT`].
fn wait_until(value: Option<&HeaderValue>, now: Timestamp) -> Option<Duration> {
    let value = value?.to_str().ok()?;
    let seconds = value.trim().parse().ok().or_else(|| {
        let until = rfc2822::parse(value.trim()).ok()?.timestamp();
        let left = Timestamp::from_millis(until.as_millisecond()).millis_since(now);
        Some(u64::try_from(left).unwrap_or(0).div_ceil(1000))
    })?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_LIMIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_an_hour_at_most() {
        let now = Timestamp::from_millis(784_111_777_500); // half past the second
        for (value, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999", Some(RETRY_AFTER_LIMIT.as_secs())),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 2094 08:49:37 GMT", None),
            (
                "Sat, 06 Nov 2094 08:49:37 GMT",
                Some(RETRY_AFTER_LIMIT.as_secs()),
            ),
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
