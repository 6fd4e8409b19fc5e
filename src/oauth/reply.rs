//! The reply of a token or revocation endpoint, as far as it can be read
//! without knowing whether it is a success.
//!
//! `normalize.rs` and `refusal.rs` both build on this file; it uses neither.

use serde_json::{Map, Value};
use url::form_urlencoded;

use super::redact::Redactor;
use crate::clock::Timestamp;
use crate::provider::quirks::Quirks;

/// What is needed to interpret a reply, besides the reply itself.
#[derive(Clone, Copy)]
pub(super) struct ReplyContext<'a> {
    /// How the provider deviates from the RFCs.
    pub(super) quirks: &'a Quirks,
    /// Removes the secrets of the request from text that is shown.
    pub(super) redactor: &'a Redactor,
    /// When the reply was received.
    pub(super) received_at: Timestamp,
}

/// The body of a reply.
pub(super) enum Body {
    /// The members of a JSON object, or of a form with an OAuth parameter.
    Members(Map<String, Value>),
    /// A web page, such as those of captive portals, firewalls and gateways.
    Html,
    /// Truncated JSON.
    Truncated,
    /// Anything else.
    Other,
}

impl Body {
    /// Parses a body by its first character, because the content types of many
    /// providers are wrong.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches('\u{feff}').trim();
        match text.bytes().next() {
            Some(b'{') => match serde_json::from_str(text) {
                Ok(members) => Self::Members(members),
                Err(error) if error.is_eof() => Self::Truncated,
                Err(_) => Self::Other,
            },
            Some(b'<') => Self::Html,
            _ => Self::parse_form(text),
        }
    }

    fn parse_form(text: &str) -> Self {
        let members: Map<_, _> = form_urlencoded::parse(text.as_bytes())
            .map(|(name, value)| (name.into_owned(), Value::from(value)))
            .collect();
        if members.contains_key("access_token") || members.contains_key("error") {
            Self::Members(members)
        } else {
            Self::Other
        }
    }
}

/// The value of a text member. An empty text counts as absent.
pub(super) fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.trim().is_empty())
}
