//! Reading a request's body: bounded in size and in time.
//!
//! hyper's own timeout covers the headers only; a body that never comes would
//! hold its connection for ever.

use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Body as _, Bytes, Incoming};

/// The longest body, in bytes: the largest token reply that providers send
/// fits many times.
pub const MAX_BYTES: usize = 64 * 1024;

/// How long a body may take.
const TIMEOUT: Duration = Duration::from_secs(10);

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
pub async fn read(body: Incoming) -> Result<Bytes, Error> {
    read_at_most(body, MAX_BYTES).await
}

/// Reads a body of at most `limit` bytes to its end.
///
/// # Errors
/// As [`read`].
pub async fn read_at_most(body: Incoming, limit: usize) -> Result<Bytes, Error> {
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
