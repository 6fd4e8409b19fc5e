//! Which place keeps the vault's key.

use std::fmt;

use clap::ValueEnum;

/// A place for the vault's key, as the settings name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum KeyStore {
    /// systemd's credential where the service manager gives one, else the
    /// Keychain on macOS, else the file.
    #[default]
    Auto,
    /// `vault-key` in `$CREDENTIALS_DIRECTORY` (systemd.exec(5), `LoadCredentialEncrypted=`).
    Credential,
    /// The login keychain of macOS.
    Keychain,
    /// The key file.
    File,
    /// The desktop's Secret Service; only on request.
    SecretService,
}

impl fmt::Display for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Credential => "credential",
            Self::Keychain => "keychain",
            Self::File => "file",
            Self::SecretService => "secret-service",
        })
    }
}
