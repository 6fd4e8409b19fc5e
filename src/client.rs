//! A typed client of the daemon's socket, for the command line and the tests.
//!
//! One method per operation, one connection per request. It refuses to talk to
//! a server that is neither this user's nor root's. It starts nothing: a daemon
//! that is not running is an error that says how to start it.

mod connection;
mod operations;
mod requests;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use crate::api::replies;
pub use connection::send;
pub use requests::{Authenticate, NewMcpProvider, NewProvider, ProviderChanges, TokenImport};

/// The largest answer that is read, in bytes: lists of thousands of tokens
/// stay far below it.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// Why there is no answer, or a bad one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No one listens at the socket.
    #[error(
        "agent-authd is not running (no one listens at {})",
        .socket.display()
    )]
    NotRunning {
        /// The socket.
        socket: PathBuf,
    },
    /// The file of that name is not a socket.
    #[error("{} is not a socket", .socket.display())]
    NotASocket {
        /// The name.
        socket: PathBuf,
    },
    /// The socket is not for this user.
    #[error("this user may not use the socket {}", .socket.display())]
    Closed {
        /// The socket.
        socket: PathBuf,
    },
    /// Another user's program listens at the socket.
    #[error(
        "the server at {} runs as uid {uid}, not as this user, root or the system's agent-authd: nothing was sent to it",
        .socket.display()
    )]
    ForeignServer {
        /// The socket.
        socket: PathBuf,
        /// Whose it is.
        uid: u32,
    },
    /// The connection ended before the answer did.
    #[error("the connection to agent-authd broke before it had answered")]
    Broken(#[source] io::Error),
    /// The daemon refused the request.
    #[error("{detail}")]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// Why, in the daemon's words.
        detail: String,
        /// When to try again, if the daemon said so.
        retry_after: Option<Duration>,
    },
    /// The answer is not what this client knows.
    #[error("agent-authd answered {path} in a way that this version does not understand")]
    NotUnderstood {
        /// The operation's path.
        path: String,
    },
}

/// A client of the daemon at one socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the daemon at `socket`; connects when it is used.
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// The daemon's socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Sends one request and reads its answer.
    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, Error> {
        let (_, answer) = self.call_with_headers(method, path, body).await?;
        Ok(answer)
    }

    /// The same, with the answer's headers.
    async fn call_with_headers<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<(HeaderMap, T), Error> {
        let not_understood = || Error::NotUnderstood {
            path: path.to_owned(),
        };
        let body = body.map(serde_json::to_vec).transpose();
        let body = Bytes::from(body.map_err(|_| not_understood())?.unwrap_or_default());
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|_| not_understood())?;
        let answer = send(&self.socket, request).await?;
        let (status, retry_after) = (answer.status(), retry_after(&answer));
        let (head, body) = answer.into_parts();
        let bytes = Limited::new(body, LARGEST_ANSWER)
            .collect()
            .await
            .map_err(|error| Error::Broken(io::Error::other(error)))?
            .to_bytes();
        if status.is_success() {
            // 204 has no body, which says as much as null.
            let bytes = if bytes.is_empty() {
                &b"null"[..]
            } else {
                &bytes
            };
            let answer = serde_json::from_slice(bytes).map_err(|_| not_understood())?;
            return Ok((head.headers, answer));
        }
        Err(Error::Refused {
            status,
            detail: detail(&bytes).unwrap_or_else(|| format!("agent-authd answered {status}")),
            retry_after,
        })
    }

    async fn fetch<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.call(Method::GET, path, None::<&()>).await
    }

    async fn remove<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.call(Method::DELETE, path, None::<&()>).await
    }
}

/// `Retry-After` in its form of seconds (RFC 9110, section 10.2.3), the only
/// one that the daemon sends.
fn retry_after(answer: &Response<Incoming>) -> Option<Duration> {
    let text = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.parse().ok().map(Duration::from_secs)
}

/// The text of an error's `detail`: a sentence, or a list of faults, each with
/// its place.
fn detail(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    match body.get("detail")? {
        Value::String(sentence) => Some(sentence.clone()),
        Value::Array(faults) => {
            let faults: Vec<_> = faults.iter().filter_map(fault).collect();
            Some(faults.join("; "))
        }
        _ => None,
    }
}

/// One fault of a 422 answer, such as `body.scopes.0: Input should be a valid string`.
fn fault(fault: &Value) -> Option<String> {
    let place = fault.get("loc")?.as_array()?.iter().map(|step| {
        step.as_str()
            .map_or_else(|| step.to_string(), str::to_owned)
    });
    let place = place.collect::<Vec<_>>().join(".");
    Some(format!("{place}: {}", fault.get("msg")?.as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_daemons_words() {
        let text = detail(br#"{"detail": "no such provider"}"#);
        assert_eq!(text.as_deref(), Some("no such provider"));
        let text = detail(
            br#"{"detail": [{"loc": ["body", "scopes", 0], "msg": "Input should be a valid string"},
                            {"loc": ["body", "provider"], "msg": "Field required"}]}"#,
        );
        assert_eq!(
            text.as_deref(),
            Some("body.scopes.0: Input should be a valid string; body.provider: Field required")
        );
        assert_eq!(detail(b"<html>"), None);
    }

    #[tokio::test]
    async fn a_daemon_that_is_not_running_is_an_error_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let client = Client::new(folder.path().join("none.sock"));
        let error = client.ok().await.unwrap_err();
        assert!(matches!(error, Error::NotRunning { .. }));
    }
}
