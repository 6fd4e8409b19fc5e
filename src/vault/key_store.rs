//! The choice of the place that stores the vault's key.

use strum::{Display, IntoStaticStr, VariantArray};

/// A place for the vault's key.
#[derive(Clone, Copy, Debug, Default, Display, IntoStaticStr, PartialEq, Eq, VariantArray)]
#[strum(serialize_all = "kebab-case")]
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
    /// Its name in the settings and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
