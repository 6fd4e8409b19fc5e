//! What can be wrong with the settings, each told with its place.

use std::io;
use std::path::PathBuf;

use crate::paths;
use crate::redirect::address::RedirectAddressError;
use crate::trusted::Untrusted;

/// Why there is no valid configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A path cannot be named or used.
    #[error("{error}{}", flags_for(error))]
    Paths {
        /// Why.
        error: paths::Error,
    },
    /// A check was asked for that this system has no means for.
    #[error(
        "redirect_check_uid = true cannot be done here: only Linux tells whose program is at the other end of a connection; leave it out"
    )]
    CannotCheckUid,
    /// The file named by `--config` does not exist.
    #[error("there is no configuration file {}", .path.display())]
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
    /// Others could have written the file.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// The file cannot be changed.
    #[error("the configuration file {} cannot be written", .path.display())]
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
        /// What the parser said.
        what: String,
    },
    /// The file has a key that means nothing.
    #[error("{}, line {line}: unknown key `{}`; {hint}", .path.display(), .key.escape_debug())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key.
        key: String,
        /// The nearest known key, or all of them.
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
        /// What was expected.
        expected: String,
    },
    /// A file of the platform's providers is none.
    #[error("{}: {what}", .path.display())]
    Provider {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; never a secret.
        what: String,
    },
    /// The redirect listener's address is none.
    #[error("{place} cannot be used: {fault}")]
    Address {
        /// Where it was given.
        place: String,
        /// What is wrong with it.
        fault: RedirectAddressError,
    },
    /// The key lies in the vault's folder.
    #[error(
        "the key file {} lies in the vault's folder {}: whoever copies the folder has both; choose another place with --key-file or --data-dir",
        .key_file.display(), .data_dir.display()
    )]
    KeyBesideVault {
        /// The key's file.
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
