//! Reads the bodies of requests, with limits on size and time.
//!
//! hyper's timeout covers only the headers; a client that never sends the body
//! would occupy its connection for ever. What a handler leaves unread is read
//! after it, with limits too: otherwise it would be parsed as the next request.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::EXPECT;
use hyper::{Request, StatusCode};

/// The longest body, in bytes. The largest token replies of providers are much
/// shorter.
pub const MAX_BYTES: usize = 64 * 1024;

/// The time limit for a body.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest unread rest of a body that is read and discarded, in bytes. A new
/// connection is cheaper than reading more.
const MAX_REST_BYTES: usize = 256 * 1024;

/// The time limit for reading such a rest.
const REST_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is longer than the limit.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// It did not arrive within the time limit.
    #[error("the body did not arrive in time")]
    TimedOut,
    /// The connection was closed, or the framing is invalid.
    #[error("the body could not be read")]
    Broken,
}

impl Error {
    /// The HTTP status for this error.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads a body of at most [`MAX_BYTES`] to its end.
///
/// # Errors
/// [`Error`] says why it was not read.
pub async fn read(body: RequestBody) -> Result<Bytes, Error> {
    read_at_most(body, MAX_BYTES).await
}

/// Reads a body of at most `limit` bytes to its end.
///
/// # Errors
/// As [`read`].
pub async fn read_at_most(body: RequestBody, limit: usize) -> Result<Bytes, Error> {
    if body.size_hint().lower() > limit as u64 {
        return Err(Error::TooLarge { limit });
    }
    let reading = Limited::new(body, limit).collect();
    match tokio::time::timeout(TIMEOUT, reading).await {
        Err(_) => Err(Error::TimedOut),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Error::TooLarge { limit }),
        Ok(Err(_)) => Err(Error::Broken),
    }
}

/// The body of a request. What is left of it when it is dropped can still be read.
#[derive(Debug)]
pub struct RequestBody {
    body: Option<Incoming>,
    left: Arc<Mutex<Left>>,
    /// Whether the client waits for a 100 (Continue) before it sends the body.
    is_held_back: bool,
}

/// The part of a body that the handler did not read.
#[derive(Debug)]
pub(super) struct Rest(Arc<Mutex<Left>>);

#[derive(Debug, Default)]
enum Left {
    #[default]
    Nothing,
    /// The client has sent it, or may have.
    Unread(Incoming),
    /// The client has not sent it, because it got no 100 (Continue).
    NotSent,
}

impl RequestBody {
    /// Converts a request. The rest of its body can be read through [`Rest`].
    pub(super) fn of(request: Request<Incoming>) -> (Request<Self>, Rest) {
        let left = Arc::default();
        let rest = Rest(Arc::clone(&left));
        let is_held_back = request.headers().contains_key(EXPECT);
        let request = request.map(|body| Self {
            body: Some(body),
            left,
            is_held_back,
        });
        (request, rest)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // Reading makes hyper send the 100 (RFC 9110, section 10.1.1).
        self.is_held_back = false;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|body| !body.is_end_stream());
        let left = match unread {
            None => Left::Nothing,
            Some(_) if self.is_held_back => Left::NotSent,
            Some(body) => Left::Unread(body),
        };
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = left;
    }
}

impl Rest {
    /// Reads and discards the rest. Returns `false` if it is too long, late or
    /// invalid, so that the connection cannot be reused.
    pub(super) async fn read_to_end(self) -> bool {
        let left = {
            let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *left)
        };
        let body = match left {
            Left::Nothing => return true,
            Left::NotSent => return false,
            Left::Unread(body) => body,
        };
        if body.size_hint().lower() > MAX_REST_BYTES as u64 {
            return false;
        }
        let mut body = Limited::new(body, MAX_REST_BYTES);
        let reading = async {
            while let Some(frame) = body.frame().await {
                if frame.is_err() {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(REST_TIMEOUT, reading)
            .await
            .unwrap_or(false)
    }
}
