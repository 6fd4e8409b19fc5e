//! The ways in which the provider fails.

use std::time::Duration;

/// What happens to one request instead of a plain answer.
#[derive(Clone, Debug)]
pub(crate) enum FieldError {
    /// Nothing is done; this status, headers and body are answered.
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// Nothing is done, and the connection closed without a byte.
    Ignored,
    /// It is done, and the connection closed without a byte.
    LostAnswer,
    /// It is done, and the answer breaks off in its middle.
    HalfAnswer,
    /// It is done, and answered this much later.
    Late(Duration),
    /// It is done, and answered this much later without an access token.
    LateAlone(Duration),
    /// It is done; a member of the answer is replaced: taken away for `None`,
    /// else written as this JSON.
    Member(&'static str, Option<&'static str>),
    /// It is done; this status, headers and body are answered.
    Instead {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
}

impl FieldError {
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

    /// A status that asks to be left alone for a time.
    pub(crate) fn retry_after(status: u16, seconds: u32) -> Self {
        Self::Answer {
            status,
            headers: vec![("Retry-After", seconds.to_string())],
            body: String::new(),
        }
    }

    /// It is done, and a gateway answers with this status and no body.
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
            body: "<html><body>AllowedPeers to the train's WiFi</body></html>".to_owned(),
        }
    }
}
