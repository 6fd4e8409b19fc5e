//! The failures that a test can configure.

use std::time::Duration;

/// What happens to one request instead of a normal reply.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The request is not executed; the reply has this status, headers and body.
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// The request is not executed, and the connection is closed without a reply.
    Ignored,
    /// The request is executed, and the connection is closed without a reply.
    LostAnswer,
    /// The request is executed, and the reply is truncated.
    HalfAnswer,
    /// The request is executed, and the reply is delayed.
    Late(Duration),
    /// The request is executed, and the reply is delayed and has no access token.
    LateAlone(Duration),
    /// The request is executed, and a member of the reply is replaced by this JSON, or
    /// removed for `None`.
    Member(&'static str, Option<&'static str>),
    /// The request is executed; the reply has this status, headers and body.
    Instead {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
}

impl Failure {
    /// A status with an OAuth error code.
    pub(crate) fn oauth(status: u16, error: &str) -> Self {
        Self::status(status, format!("{{\"error\": \"{error}\"}}"))
    }

    pub(crate) fn status(status: u16, body: impl Into<String>) -> Self {
        Self::Answer {
            status,
            headers: vec![("Content-Type", "application/json".to_owned())],
            body: body.into(),
        }
    }

    /// A status with `Retry-After`.
    pub(crate) fn retry_after(status: u16, seconds: u32) -> Self {
        Self::Answer {
            status,
            headers: vec![("Retry-After", seconds.to_string())],
            body: String::new(),
        }
    }

    /// The request is executed; the reply has this status and no body, as from a
    /// gateway.
    pub(crate) fn done_but(status: u16) -> Self {
        Self::Instead {
            status,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// A captive portal's page.
    pub(crate) fn html() -> Self {
        Self::Answer {
            status: 200,
            headers: vec![("Content-Type", "text/html".to_owned())],
            body: "<html><body>Welcome to the train's WiFi</body></html>".to_owned(),
        }
    }
}
