//! Errors in the settings, each with its place.

use std::io;
use std::path::PathBuf;

use crate::paths;
use crate::redirect::address::RedirectAddressError;
use crate::trusted::Untrusted;
use crate::visible::shown;

/// Why there is no valid configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A path cannot be named or used.
    #[error("{error}{}", flags_for(error))]
    Paths {
        /// Why.
        error: paths::Error,
    },
    /// This system cannot do the check that the setting asks for.
    #[error(
        "redirect_check_uid = true is not supported on this system: only Linux reports which user is at the other end of a connection; remove the setting"
    )]
    CannotCheckUid,
    /// The file named by `--config` does not exist.
    #[error("the settings file {} does not exist", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file or folder exists and cannot be read.
    #[error("{} cannot be read: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Other users could have written the file.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// The file cannot be changed.
    #[error("the settings file {} cannot be written", .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{}, line {line}: {what}", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The parser's message.
        what: String,
    },
    /// The file has an unknown key.
    #[error("{}, line {line}: unknown key `{}`; {hint}", .path.display(), shown(.key))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key.
        key: String,
        /// The nearest known key, or a list of all of them.
        hint: String,
    },
    /// A value is of the wrong type or out of range.
    #[error("{}, line {line}: `{key}` must be {expected}", .path.display())]
    WrongValue {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key.
        key: String,
        /// The type or range of the setting.
        expected: String,
    },
    /// A provider file is invalid.
    #[error("{}: {what}", .path.display())]
    Provider {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; never a secret.
        what: String,
    },
    /// The address of the redirect listener is invalid.
    #[error("{place} cannot be used: {why}")]
    Address {
        /// The file, line and key of the setting.
        place: String,
        /// What is wrong with it.
        why: RedirectAddressError,
    },
    /// The key file is in the vault's folder.
    #[error(
        "the key file {} is in the vault's folder {}, so a copy of the folder would contain both; choose another place with --key-file or --data-dir",
        .key_file.display(), .data_dir.display()
    )]
    KeyBesideVault {
        /// The key file.
        key_file: PathBuf,
        /// The vault's folder.
        data_dir: PathBuf,
    },
    /// A relative path was given and the current folder is gone.
    #[error("the path {} cannot be made absolute", .path.display())]
    NoCurrentDir {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl From<paths::Error> for Error {
    fn from(error: paths::Error) -> Self {
        Self::Paths { error }
    }
}

/// The flags that do something about an error of paths, to follow its text.
fn flags_for(error: &paths::Error) -> &'static str {
    match error {
        paths::Error::NoHome => " (--data-dir, --key-file, --socket)",
        paths::Error::SocketPathTooLong { .. } => {
            "; choose a shorter one with --socket or AGENT_AUTH_SOCK"
        }
    }
}
