//! Replies, and the one place that maps errors to HTTP statuses.

use std::time::Duration;

use http_body_util::{Either, Full};
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::{Reply, ReplyBody};
use crate::api::replies::ErrorBody;
use crate::api::requests::field_of_rule;
use crate::api::validate::FieldErrors;
use crate::api::{ALSO_ENDED_HEADER, MAX_ALSO_ENDED};
use crate::broker::Broker;
use crate::clock::Env;
use crate::identity::TokenId;
use crate::log_limit::log_limited;
use crate::oauth::discovery;
use crate::server::body;
use crate::{advice, broker, redirect, vault};

/// The result of a handler.
pub(super) type Answer = Result<Reply, Error>;

/// The message of [`Error::TooMuchUnread`].
const TOO_MUCH_UNREAD: &str =
    "the replies that this user's programs have not read yet use too much memory; read them first";

/// Why a call failed.
#[derive(Debug)]
pub(super) enum Error {
    /// The request does not have the documented form.
    FieldErrors(FieldErrors),
    /// The use case failed.
    Broker(broker::Error),
    /// The path does not support the method.
    MethodNotAllowed { allow: String },
    /// The replies that the owner has not read use too much memory.
    TooMuchUnread,
    /// Any other HTTP error.
    Status { status: StatusCode, detail: String },
}

impl Error {
    pub(super) fn status(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::Status {
            status,
            detail: detail.into(),
        }
    }
}

impl From<FieldErrors> for Error {
    fn from(faults: FieldErrors) -> Self {
        Self::FieldErrors(faults)
    }
}

impl From<broker::Error> for Error {
    fn from(error: broker::Error) -> Self {
        Self::Broker(error)
    }
}

impl From<redirect::CallbackError> for Error {
    fn from(error: redirect::CallbackError) -> Self {
        match error {
            redirect::CallbackError::FieldErrors(faults) => faults.into(),
            redirect::CallbackError::Broker(error) => error.into(),
        }
    }
}

impl From<body::Error> for Error {
    fn from(error: body::Error) -> Self {
        Self::status(error.status(), error.to_string())
    }
}

/// 200 with a JSON body.
pub(super) fn ok(body: &impl Serialize) -> Answer {
    json(StatusCode::OK, body)
}

/// A JSON body with any status.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    let bytes = serde_json::to_vec(body).map_err(|_| unwritable())?;
    let mut reply = json_bytes(bytes);
    *reply.status_mut() = status;
    Ok(reply)
}

/// The error for a reply that cannot be serialized.
pub(super) fn unwritable() -> Error {
    let detail = "the reply could not be serialized";
    Error::status(StatusCode::INTERNAL_SERVER_ERROR, detail)
}

/// 200 with a body that is serialized JSON.
pub(super) fn json_bytes(bytes: Vec<u8>) -> Reply {
    // The capacity of the buffer may be twice the length of the reply.
    json_body(whole(bytes.into_boxed_slice()))
}

/// 200 with a streamed or complete JSON body.
pub(super) fn json_body(body: ReplyBody) -> Reply {
    let mut reply = Response::new(body);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

fn whole(bytes: impl Into<Bytes>) -> ReplyBody {
    Either::Left(Full::new(bytes.into()))
}

/// 200 with a text body.
pub(super) fn text(content_type: &'static str, text: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(whole(text));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// 204 without a body.
pub(super) fn no_content() -> Reply {
    let mut reply = Response::new(Either::Left(Full::default()));
    *reply.status_mut() = StatusCode::NO_CONTENT;
    let headers = reply.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// 204 for a deleted token, with [`ALSO_ENDED_HEADER`] if its revocation may end
/// other stored tokens.
pub(super) fn deleted(also_ended: &[TokenId]) -> Reply {
    let mut reply = no_content();
    let ids = also_ended.iter().take(MAX_ALSO_ENDED);
    let ids: Vec<_> = ids.map(ToString::to_string).collect();
    if let (false, Ok(ids)) = (ids.is_empty(), HeaderValue::try_from(ids.join(", "))) {
        reply.headers_mut().insert(ALSO_ENDED_HEADER, ids);
    }
    reply
}

/// The reply to a call that failed.
pub(super) fn from_error(error: Error, broker: &Broker, env: &Env) -> Reply {
    let answer = match error {
        Error::FieldErrors(faults) => json(StatusCode::UNPROCESSABLE_ENTITY, &faults),
        Error::Status { status, detail } => detailed(status, detail),
        Error::MethodNotAllowed { allow } => {
            let reply = detailed(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
            reply.map(|reply| with(reply, ALLOW, &allow))
        }
        Error::TooMuchUnread => detailed(StatusCode::TOO_MANY_REQUESTS, TOO_MUCH_UNREAD)
            .map(|reply| with(reply, RETRY_AFTER, "1")),
        Error::Broker(error) => from_broker(&error, broker, env),
    };
    answer.unwrap_or_else(|_| {
        let mut reply = Response::new(Either::Left(Full::default()));
        *reply.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        reply
    })
}

fn from_broker(error: &broker::Error, broker: &Broker, env: &Env) -> Answer {
    use broker::Error as E;
    let text = error.to_string();
    match error {
        E::NotFound(missing) => {
            let advice = advice::for_missing(missing);
            detailed(StatusCode::NOT_FOUND, text + advice)
        }
        E::Vault(vault::Error::NotFound) => detailed(StatusCode::NOT_FOUND, text),
        E::AlreadyExists { .. } | E::Reserved { .. } | E::NotAsked => {
            detailed(StatusCode::CONFLICT, text)
        }
        E::RedirectNotAllowed => json(
            StatusCode::UNPROCESSABLE_ENTITY,
            &FieldErrors::of_rule("redirect_uri", &text),
        ),
        E::Rule(rule) => json(
            StatusCode::UNPROCESSABLE_ENTITY,
            &FieldErrors::of_rule(field_of_rule(*rule), &text),
        ),
        E::UnknownState | E::AlreadyEnded { .. } | E::FlowFailed { .. } => {
            detailed(StatusCode::BAD_REQUEST, text)
        }
        E::Discovery(error) => from_discovery(error, text),
        E::ProviderUnavailable { retry_after, .. }
        | E::ClientRefused { retry_after, .. }
        | E::RefreshRefused { retry_after, .. } => unavailable(text, *retry_after),
        E::TooManyWaiters => detailed(StatusCode::TOO_MANY_REQUESTS, text),
        E::Vault(vault::Error::QuotaExceeded(exceeded)) => {
            let detail = text + &advice::for_quota(exceeded.quota);
            detailed(StatusCode::TOO_MANY_REQUESTS, detail)
        }
        E::Stopping | E::RefreshUnderWay => unavailable(text, Duration::from_secs(1)),
        E::Vault(vault::Error::Unwritable { .. }) => {
            log_limited!(1, error, error = %text, "cannot store a change");
            let detail = text + &advice::for_unwritable(broker.maintenance());
            unavailable(detail, Duration::from_secs(5))
        }
        E::Vault(_) => {
            let request_id = env.uuid();
            log_limited!(20, error, request.id = %request_id, error = %text, "a call failed");
            let detail = format!(
                "Internal Server Error; see request id {request_id} in the log of agent-authd"
            );
            detailed(StatusCode::INTERNAL_SERVER_ERROR, detail)
        }
    }
}

fn from_discovery(error: &discovery::Error, text: String) -> Answer {
    use discovery::Error as E;
    match error {
        E::Unsupported { .. } => json(
            StatusCode::UNPROCESSABLE_ENTITY,
            &FieldErrors::of_rule("mcp_server_url", &text),
        ),
        E::MalformedResponse { .. } | E::HttpClient { .. } => {
            detailed(StatusCode::BAD_GATEWAY, text)
        }
        E::Unreachable { .. } => unavailable(text, Duration::from_secs(5)),
    }
}

/// 503 with `Retry-After` in whole seconds, rounded up so that a retry is not early.
fn unavailable(detail: String, retry_after: Duration) -> Answer {
    let reply = detailed(StatusCode::SERVICE_UNAVAILABLE, detail)?;
    let millis = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
    let seconds = millis.div_ceil(1000).max(1);
    Ok(with(reply, RETRY_AFTER, &seconds.to_string()))
}

fn detailed(status: StatusCode, detail: impl Into<String>) -> Answer {
    json(
        status,
        &ErrorBody {
            detail: detail.into(),
        },
    )
}

fn with(mut reply: Reply, name: HeaderName, value: &str) -> Reply {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
    reply
}
