//! Parses requests: the checks that all operations share, then the operation, the
//! parameters of its path, its query and its body.

use std::sync::Arc;

use hyper::body::{Body, Bytes};
use hyper::header::{CONTENT_TYPE, HeaderMap, ORIGIN, REFERER};
use hyper::{Method, Request, StatusCode};

use super::call::Call;
use super::reply::Error;
use super::router::{Handler, Match};
use super::{Api, Peer};
use crate::server::body::{self, RequestBody};

/// Reads a request to its end and finds its operation.
///
/// # Errors
/// The request comes from a web page, has no operation, or its body is invalid.
pub(super) async fn read(
    api: &Api,
    peer: Peer,
    request: Request<RequestBody>,
) -> Result<(&Handler, Call), Error> {
    reject_browsers(request.headers())?;
    let (head, body) = request.into_parts();
    let Match {
        handler,
        parameters,
    } = api.0.routes.find(&head.method, head.uri.path())?;
    let body = if takes_body(&head.method) && !body.is_end_stream() {
        require_json(&head.headers)?;
        body::read(body).await.map_err(Error::from)?
    } else {
        Bytes::new()
    };
    let query = head.uri.query().unwrap_or_default().to_owned();
    Ok((
        handler,
        Call {
            broker: api.0.broker.clone(),
            budget: Arc::clone(&api.0.budget),
            peer,
            query,
            body,
            parameters,
        },
    ))
}

/// Rejects requests of web pages, which could reach the socket through a proxy.
/// Browsers mark them with these headers.
fn reject_browsers(headers: &HeaderMap) -> Result<(), Error> {
    if headers.contains_key(ORIGIN) || headers.contains_key(REFERER) {
        let detail =
            "requests of web pages are rejected (this one has an Origin or Referer header)";
        return Err(Error::status(StatusCode::FORBIDDEN, detail));
    }
    Ok(())
}

fn takes_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PATCH | Method::PUT)
}

/// Requires `application/json`, with or without parameters.
fn require_json(headers: &HeaderMap) -> Result<(), Error> {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = "the body must be JSON, sent with Content-Type: application/json";
    Err(Error::status(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}
