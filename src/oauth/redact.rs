//! What a provider says, made safe to show, log and store: without the secrets
//! that are known to the request or the reply, without control characters, and
//! bounded.

use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::provider::Provider;
use crate::secret::ExposeSecret;
use crate::visible::is_invisible;

/// The longest text of a provider's that is kept, in characters: a sentence or
/// two, as error descriptions are.
const TEXT_LIMIT: usize = 300;

/// The shortest secret that is looked for, in bytes: a shorter one protects
/// nothing, and would be found in every text.
const SECRET_MINIMUM: usize = 4;

/// Stands where a secret was.
const REDACTED: &str = "[redacted]";

/// Knows the secrets of one request, and of its reply.
#[derive(Default)]
pub(super) struct Redactor(Vec<Zeroizing<String>>);

impl Redactor {
    /// Knows the secret of `provider`'s client.
    pub(super) fn of_client(provider: &Provider) -> Self {
        let mut redactor = Self::default();
        if let Some(secret) = &provider.client.client_secret {
            redactor.hide(secret);
        }
        redactor
    }

    /// Hides `secret` too, as it is and as a form writes it.
    #[expect(clippy::disallowed_methods, reason = "known here only to be hidden")]
    pub(super) fn hide(&mut self, secret: &impl ExposeSecret<str>) {
        let plain = secret.expose_secret();
        if plain.len() < SECRET_MINIMUM {
            return;
        }
        let encoded: String = form_urlencoded::byte_serialize(plain.as_bytes()).collect();
        self.0.push(Zeroizing::new(plain.to_owned()));
        self.0.push(Zeroizing::new(encoded));
    }

    /// Whether `text` holds a known secret.
    pub(super) fn finds_secret_in(&self, text: &str) -> bool {
        self.0.iter().any(|secret| text.contains(secret.as_str()))
    }

    /// `text` as it may be shown; `None` when nothing is left of it.
    pub(super) fn shown(&self, text: &str) -> Option<String> {
        // Redacted before it is cut, so that no half of a secret stays.
        let mut text: String = text.chars().filter(|c| !is_invisible(*c)).collect();
        for secret in &self.0 {
            text = text.replace(secret.as_str(), REDACTED);
        }
        let text: String = text.trim().chars().take(TEXT_LIMIT).collect();
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::RefreshToken;

    #[test]
    fn a_secret_is_hidden_however_the_text_is_cut_or_encoded() {
        let mut redactor = Redactor::default();
        redactor.hide(&RefreshToken::new("can/ary"));
        let long = format!("{}can/ary", "x".repeat(TEXT_LIMIT - 3));
        assert!(!redactor.shown(&long).unwrap().contains("can"));
        assert_eq!(
            redactor.shown("can%2Fary can\u{0}/ary").unwrap(),
            "[redacted] [redacted]"
        );
    }

    #[test]
    fn control_characters_go_and_nothing_is_no_text() {
        let redactor = Redactor::default();
        assert_eq!(
            redactor.shown("a\u{1b}[31m\r\nb\u{202e}").unwrap(),
            "a[31mb"
        );
        assert_eq!(redactor.shown(" \u{7f} "), None);
    }
}
