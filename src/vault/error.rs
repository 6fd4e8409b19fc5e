//! The errors of the vault. `vault/remedy.rs` has what a person can do about
//! them.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::lock_file::LockHolder;
use crate::quota::Exceeded;

/// An error of the vault.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The row does not exist, or was deleted.
    #[error("there is no such row")]
    NotFound,
    /// A row with this name exists.
    #[error("there is one of that name already")]
    AlreadyExists,
    /// A quota of the owner is used up.
    #[error(transparent)]
    QuotaExceeded(#[from] Exceeded),
    /// Changes cannot be stored now. Stored data can still be read.
    #[error("the vault cannot be written: {why}")]
    Unwritable {
        /// The reason, from the system.
        why: String,
    },
    /// A value or the file is damaged.
    #[error("the vault is damaged: {what}")]
    Corrupt {
        /// Which part.
        what: String,
    },
    /// The file was found to be damaged when it was opened.
    #[error("the vault is damaged: {what}; the file was left as it is{}", without_backup(data_dir, backup.as_deref()))]
    Damaged {
        /// Which part.
        what: String,
        /// The folder of the vault.
        data_dir: PathBuf,
        /// The file of its key.
        key_file: PathBuf,
        /// The newest backup.
        backup: Option<PathBuf>,
    },
    /// One row is damaged or was tampered with. Other rows are not affected.
    #[error(
        "row {row} of {table} cannot be read: {why}; it is not used and can be deleted by its id"
    )]
    UnreadableRow {
        /// Its table.
        table: &'static str,
        /// Its name in the table.
        row: String,
        /// The reason.
        why: String,
    },
    /// The file cannot be opened.
    #[error("{} cannot be opened: {why}", path.display())]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// The reason, from the system.
        why: String,
    },
    /// The folder is on a network file system.
    #[error(
        "{} cannot be opened: it is on a network file system ({kind}), where neither locks nor the write-ahead log are reliable",
        folder.display()
    )]
    OnNetwork {
        /// The folder.
        folder: PathBuf,
        /// The kind of file system.
        kind: String,
    },
    /// The disk is read-only, so nothing can be changed.
    #[error(
        "{} is on a read-only disk; make the disk writable first (mount -o remount,rw)",
        path.display()
    )]
    ReadOnlyDisk {
        /// The vault's file.
        path: PathBuf,
    },
    /// Another daemon has locked the data folder.
    #[error(
        "another agent-authd{holder} holds the data in {}",
        folder.display()
    )]
    Held {
        /// The folder.
        folder: PathBuf,
        /// The process that has locked it.
        holder: LockHolder,
    },
    /// The file to restore from is not a backup, or is damaged.
    #[error("{} is not a backup that can be restored: {why}", path.display())]
    UnusableBackup {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// A newer version wrote the file.
    #[error(
        "the vault was written by a newer agent-authd (its schema is {found}, this version knows {known})"
    )]
    NewerSchema {
        /// The schema version of the file.
        found: i64,
        /// The newest schema version that this version knows.
        known: i64,
        /// A backup with a known schema version.
        backup: Option<PathBuf>,
    },
    /// A backup whose rows are not authenticated.
    #[error(
        "{} was made before addresses were authenticated, so changes to them cannot be detected",
        path.display()
    )]
    Unauthenticated {
        /// The backup.
        path: PathBuf,
    },
    /// No vault exists where one is required.
    #[error("there is no vault in {}", folder.display())]
    NoVault {
        /// The folder.
        folder: PathBuf,
    },
    /// The key's place cannot be reached, or its content cannot be used.
    #[error("the key in {place} cannot be used: {why}")]
    KeyUnusable {
        /// The place in a person's words.
        place: String,
        /// The reason.
        why: String,
    },
    /// The key's file is in the vault's folder.
    #[error(
        "the key in {} cannot be used: it is in the vault's folder, so a copy of the folder contains both",
        path.display()
    )]
    KeyBesideVault {
        /// The key's file.
        path: PathBuf,
    },
    /// A rotation that opening the vault should have finished is not finished.
    #[error("the key in {place} cannot be used: an earlier rotation could not be finished")]
    RotationStuck {
        /// The place in a person's words.
        place: String,
    },
    /// The key is to be moved to the place where it already is.
    #[error("the key is in {place} already")]
    KeyThereAlready {
        /// The place in a person's words.
        place: String,
    },
    /// The vault has sealed rows, but its key is missing.
    #[error(
        "the key of this vault is missing: {place} does not have it; put it back from where you keep a copy (a new key would open nothing)"
    )]
    KeyMissing {
        /// The place that should have the key.
        place: String,
    },
    /// The key belongs to another vault.
    #[error("the key in {place} is not the key of this vault; put back the one that belongs to it")]
    WrongKey {
        /// The place of the key.
        place: String,
    },
    /// A rotation was interrupted after the new key was stored.
    #[error(
        "the vault has a new key beside the old one, and not every row is sealed with it yet: {why}; agent-authd's next start, or another rotation, continues"
    )]
    RotationUnfinished {
        /// The reason for the interruption.
        why: String,
    },
    /// The key is not a Fernet key.
    #[error("the key is not a Fernet key: 32 bytes as 44 characters of URL-safe base64")]
    MalformedKey,
}

/// A clause if there is no backup.
fn without_backup(data_dir: &Path, backup: Option<&Path>) -> String {
    if backup.is_some() {
        return String::new();
    }
    format!(", and there is no backup of it in {}", data_dir.display())
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) | None => Self::Corrupt {
                what: error.to_string(),
            },
            Some(_) => Self::Unwritable {
                why: error.to_string(),
            },
        }
    }
}
