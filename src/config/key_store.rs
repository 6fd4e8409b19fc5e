//! The values of the setting `key_store`, with their help texts.

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
                "The credential if systemd passes one, else the Keychain on macOS, else the key \
                 file"
            }
            Self::Credential => {
                "`vault-key` in `$CREDENTIALS_DIRECTORY` (systemd.exec(5), \
                 `LoadCredentialEncrypted=`)"
            }
            Self::Keychain => "The login keychain of macOS",
            Self::File => "The key file",
            Self::SecretService => "The desktop's Secret Service",
        };
        Some(PossibleValue::new(self.as_str()).help(help))
    }
}
