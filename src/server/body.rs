//! Reading a request's body: bounded in size and in time.
//!
//! hyper's own timeout covers the headers only; a body that never comes would
//! hold its connection for ever. What a handler leaves unread is read after it,
//! bounded too, or the bytes would be taken for the next request.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::EXPECT;
use hyper::{Request, StatusCode};

/// The longest body, in bytes: the largest token reply that providers send
/// fits many times.
pub const MAX_BYTES: usize = 64 * 1024;

/// How long a body may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest rest of a body that is read for nothing, in bytes. A new
/// connection is cheaper than a longer one.
const MAX_REST_BYTES: usize = 256 * 1024;

/// How long such a rest may take.
const REST_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is longer than it may be.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// How long it may be.
        limit: usize,
    },
    /// It did not come in time.
    #[error("the body did not arrive in time")]
    TimedOut,
    /// The connection broke, or the framing is wrong.
    #[error("the body could not be read")]
    Broken,
}

impl Error {
    /// The status that says so.
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

/// A request's body. What is left of it when it is dropped can still be read.
#[derive(Debug)]
pub struct RequestBody {
    body: Option<Incoming>,
    left: Arc<Mutex<Left>>,
    /// Whether the client waits for a 100 before it sends the body.
    is_held_back: bool,
}

/// What a handler has left of a request's body.
#[derive(Debug)]
pub(super) struct Rest(Arc<Mutex<Left>>);

#[derive(Debug, Default)]
enum Left {
    #[default]
    Nothing,
    /// It may be on its way.
    Unread(Incoming),
    /// The client has not been told to send it.
    NotSent,
}

impl RequestBody {
    /// The request with a body whose rest is looked after.
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
        // Asking for it has the client send it (RFC 9110, section 10.1.1).
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
    /// Reads what the handler left; `false` if it is too long, late or broken,
    /// so that the connection cannot be used again.
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
