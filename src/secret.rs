//! Types for secrets. They are redacted in `Debug` and wiped when dropped.
//!
//! None of these types has `Display`, `Serialize` or `PartialEq`.
//! [`ExposeSecret::expose_secret`] is the only access to the text, and
//! `clippy.toml` disallows it. Each permitted caller has the attribute
//! `#[expect(clippy::disallowed_methods, reason = …)]`; a search for it lists
//! all of them.

pub mod names;

use std::fmt;

pub use secrecy::ExposeSecret;
use secrecy::SecretString;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

macro_rules! secret_text {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// Wraps the text. The caller must not keep a copy.
            #[must_use]
            pub fn new(text: impl Into<String>) -> Self {
                Self(SecretString::from(text.into()))
            }
        }

        impl ExposeSecret<str> for $name {
            #[expect(clippy::disallowed_methods, reason = "returns the text of its only field")]
            fn expose_secret(&self) -> &str {
                self.0.expose_secret()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "([redacted])"))
            }
        }
    )+};
}

secret_text! {
    /// An access token (RFC 6749, section 1.4).
    AccessToken;
    /// A refresh token (RFC 6749, section 1.5).
    RefreshToken;
    /// A client secret (RFC 6749, section 2.3.1).
    ClientSecret;
    /// An authorization code on its way to the token endpoint (RFC 6749, section 4.1.2).
    AuthorizationCode;
    /// A PKCE code verifier (RFC 7636, section 4.1).
    CodeVerifier;
    /// The `state` of an authorization request (RFC 6749, section 4.1.1).
    State;
    /// The key that a bridged program must send as `x-api-key`.
    BridgeKey;
    /// The single-use token in the form of a page.
    FormToken;
    /// A secret of the vault while it is resealed.
    Opened;
}

impl AccessToken {
    /// A placeholder for the access token of a grant without one.
    #[must_use]
    pub fn missing() -> Self {
        Self::new("")
    }

    /// Whether this is the placeholder of [`Self::missing`].
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "only its length is used")]
    pub fn is_missing(&self) -> bool {
        self.expose_secret().is_empty()
    }
}

impl State {
    /// Compares the states in constant time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "compared here, not returned")]
    pub fn matches(&self, presented: &State) -> bool {
        let (own, presented) = (self.expose_secret(), presented.expose_secret());
        own.as_bytes().ct_eq(presented.as_bytes()).into()
    }
}

impl BridgeKey {
    /// Compares the key with the raw bytes of a header, in constant time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "compared here, not returned")]
    pub fn matches(&self, presented: &[u8]) -> bool {
        self.expose_secret().as_bytes().ct_eq(presented).into()
    }
}

/// A vault key in Fernet's form: 32 bytes as URL-safe base64, 44 characters.
#[derive(Clone)]
pub struct VaultKey(Zeroizing<String>);

impl VaultKey {
    /// Wraps the encoded key. [`VaultKey`] does not check that it is a Fernet
    /// key; the cipher does.
    #[must_use]
    pub fn new(encoded: Zeroizing<String>) -> Self {
        Self(encoded)
    }
}

impl ExposeSecret<str> for VaultKey {
    fn expose_secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!(
            "{:?} {:?}",
            AccessToken::new("canary"),
            VaultKey::new(Zeroizing::new("canary".into()))
        );
        assert_eq!(shown, "AccessToken([redacted]) VaultKey([redacted])");
    }

    #[test]
    fn a_state_matches_only_itself() {
        let state = State::new("abc");
        assert!(state.matches(&State::new("abc")));
        assert!(!state.matches(&State::new("abd")));
        assert!(!state.matches(&State::new("abcd")));
    }
}
