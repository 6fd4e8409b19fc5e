//! The choice of the place that stores the vault's key.

use std::fmt;

/// A place for the vault's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyStore {
    /// systemd's credential if the service manager provides one, otherwise the
    /// Keychain on macOS, otherwise the file.
    #[default]
    Auto,
    /// `vault-key` in `$CREDENTIALS_DIRECTORY` (systemd.exec(5), `LoadCredentialEncrypted=`).
    Credential,
    /// The login keychain of macOS.
    Keychain,
    /// The key file.
    File,
    /// The desktop's Secret Service. Used only if it is chosen.
    SecretService,
}

impl KeyStore {
    /// Every place.
    pub const ALL: [Self; 5] = [
        Self::Auto,
        Self::Credential,
        Self::Keychain,
        Self::File,
        Self::SecretService,
    ];

    /// Its name in the settings and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Credential => "credential",
            Self::Keychain => "keychain",
            Self::File => "file",
            Self::SecretService => "secret-service",
        }
    }
}

impl fmt::Display for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
