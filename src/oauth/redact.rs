//! Makes a provider's text safe to show, log and store: removes the secrets of the
//! request and of the reply, removes control characters, and limits the length.

use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::provider::Provider;
use crate::secret::ExposeSecret;
use crate::visible::is_invisible;

/// The longest text of a provider that is kept, in characters: error descriptions
/// have one or two sentences.
const TEXT_LIMIT: usize = 300;

/// The shortest secret that is searched for, in bytes. A shorter one protects
/// nothing and would be found in ordinary text.
const SECRET_MINIMUM: usize = 4;

/// Replaces a secret.
const REDACTED: &str = "[redacted]";

/// The secrets of one request and of its reply.
#[derive(Default)]
pub(super) struct Redactor(Vec<Zeroizing<String>>);

impl Redactor {
    /// A redactor with the client secret of `provider`.
    pub(super) fn of_client(provider: &Provider) -> Self {
        let mut redactor = Self::default();
        if let Some(secret) = &provider.client.client_secret {
            redactor.hide(secret);
        }
        redactor
    }

    /// Adds a secret, in plain and in form-encoded spelling.
    #[expect(
        clippy::disallowed_methods,
        reason = "needed to search for the secret and remove it"
    )]
    pub(super) fn hide(&mut self, secret: &impl ExposeSecret<str>) {
        let plain = secret.expose_secret();
        if plain.len() < SECRET_MINIMUM {
            return;
        }
        let encoded: String = form_urlencoded::byte_serialize(plain.as_bytes()).collect();
        self.0.push(Zeroizing::new(plain.to_owned()));
        self.0.push(Zeroizing::new(encoded));
    }

    /// Whether `text` contains one of the secrets.
    pub(super) fn finds_secret_in(&self, text: &str) -> bool {
        self.0.iter().any(|secret| text.contains(secret.as_str()))
    }

    /// `text` in a form that is safe to show; `None` if nothing is left of it.
    pub(super) fn shown(&self, text: &str) -> Option<String> {
        // Redacted before it is cut, so that no part of a secret remains.
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
    fn a_secret_is_removed_however_the_text_is_cut_or_encoded() {
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
    fn control_characters_are_removed_and_empty_text_is_none() {
        let redactor = Redactor::default();
        assert_eq!(
            redactor.shown("a\u{1b}[31m\r\nb\u{202e}").unwrap(),
            "a[31mb"
        );
        assert_eq!(redactor.shown(" \u{7f} "), None);
    }
}
