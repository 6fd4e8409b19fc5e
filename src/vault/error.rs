//! What can go wrong with the vault. What is done about it by the command line is in
//! `vault/remedy.rs`.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::lock_file::LockHolder;
use crate::quota::Exceeded;

/// What can go wrong with the vault.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// There is no such row, or no longer.
    #[error("there is no such row")]
    NotFound,
    /// There is one of that name already.
    #[error("there is one of that name already")]
    AlreadyExists,
    /// The owner has no room for something new.
    #[error(transparent)]
    QuotaExceeded(#[from] Exceeded),
    /// The store cannot take a change now; what it holds can still be read.
    #[error("the vault cannot be written: {why}")]
    Unwritable {
        /// The system's words.
        why: String,
    },
    /// A value or the file itself is damaged.
    #[error("the vault is damaged: {what}")]
    Corrupt {
        /// Which part.
        what: String,
    },
    /// The file is damaged, which shows when it is opened.
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
    /// One row is damaged or was tampered with; the others are well.
    #[error(
        "row {row} of {table} cannot be read: {why}; it is not used, and can be deleted by its id"
    )]
    UnreadableRow {
        /// Its table.
        table: &'static str,
        /// Its name in it.
        row: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file cannot be opened.
    #[error("{} cannot be opened: {why}", path.display())]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// The folder is not on a disk of this machine.
    #[error(
        "{} cannot be opened: it is on a network file system ({kind}), where neither locks nor the write-ahead log can be relied on",
        folder.display()
    )]
    OnNetwork {
        /// The folder.
        folder: PathBuf,
        /// The kind of file system.
        kind: String,
    },
    /// The disk is read-only, so that nothing can be changed.
    #[error(
        "{} is on a read-only disk; make the disk writable first (mount -o remount,rw)",
        path.display()
    )]
    ReadOnlyDisk {
        /// The vault's file.
        path: PathBuf,
    },
    /// Another daemon holds the data folder.
    #[error(
        "another agent-authd{holder} holds the data in {}",
        folder.display()
    )]
    Held {
        /// The folder.
        folder: PathBuf,
        /// The process that holds it.
        holder: LockHolder,
    },
    /// The file that a vault is to be restored from is none, or a damaged one.
    #[error("{} is not a backup that can be restored: {why}", path.display())]
    UnusableBackup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A newer daemon wrote the file.
    #[error(
        "the vault was written by a newer agent-authd (its schema is {found}, this one knows {known})"
    )]
    NewerSchema {
        /// The file's version.
        found: i64,
        /// The newest version known here.
        known: i64,
        /// A backup of a version that is known here.
        backup: Option<PathBuf>,
    },
    /// A backup whose rows nobody has authenticated.
    #[error(
        "{} was made before addresses were authenticated, so that it cannot be told whether they were changed",
        path.display()
    )]
    Unauthenticated {
        /// The backup.
        path: PathBuf,
    },
    /// There is no vault where one must be.
    #[error("there is no vault in {}", folder.display())]
    NoVault {
        /// The folder.
        folder: PathBuf,
    },
    /// The key's place cannot be reached, or what is there cannot be used.
    #[error("the key in {place} cannot be used: {why}")]
    KeyUnusable {
        /// The place, as a person calls it.
        place: String,
        /// Why.
        why: String,
    },
    /// The key's file lies in the folder of the vault.
    #[error(
        "the key in {} cannot be used: it lies in the vault's own folder, so that whoever copies one has both",
        path.display()
    )]
    KeyBesideVault {
        /// The key's file.
        path: PathBuf,
    },
    /// A rotation that opening the vault should have finished is not finished.
    #[error("the key in {place} cannot be used: an earlier rotation could not be finished")]
    RotationStuck {
        /// The place, as a person calls it.
        place: String,
    },
    /// The key is to be moved to the place that keeps it.
    #[error("{place} keeps the key already")]
    KeyThereAlready {
        /// The place, as a person calls it.
        place: String,
    },
    /// The vault has sealed rows and its key is gone.
    #[error(
        "the key of this vault is missing: {place} does not have it; put it back from where you keep a copy (a new key would open nothing)"
    )]
    KeyMissing {
        /// Where it should be.
        place: String,
    },
    /// The key is one, but not this vault's.
    #[error("the key in {place} is not the key of this vault; put back the one that belongs to it")]
    WrongKey {
        /// Where it is.
        place: String,
    },
    /// A rotation was cut off after the new key was kept.
    #[error(
        "the vault has a new key beside the old one, and not every row is sealed with it yet: {why}; agent-authd's next start, or another rotation, goes on with it"
    )]
    RotationUnfinished {
        /// What cut it off.
        why: String,
    },
    /// The key is not a Fernet key.
    #[error("the key is not a Fernet key: 32 bytes as 44 characters of URL-safe base64")]
    MalformedKey,
}

/// The clause that says that there is no backup.
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
