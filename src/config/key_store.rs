//! The place of the vault's key, as the settings and the command line name it.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use strum::VariantArray as _;

use crate::vault::KeyStore;

impl ValueEnum for KeyStore {
    fn value_variants<'a>() -> &'a [Self] {
        Self::VARIANTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Auto => {
                "systemd's credential where the service manager gives one, else the Keychain on \
                 macOS, else the file"
            }
            Self::Credential => {
                "`vault-key` in `$CREDENTIALS_DIRECTORY` (systemd.exec(5), \
                 `LoadCredentialEncrypted=`)"
            }
            Self::Keychain => "The login keychain of macOS",
            Self::File => "The key file",
            Self::SecretService => "The desktop's Secret Service; only on request",
        };
        Some(PossibleValue::new(self.as_str()).help(help))
    }
}
