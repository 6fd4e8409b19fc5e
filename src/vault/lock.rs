//! One daemon per data folder: the folder and a file in it are locked, and the
//! file says which process has them.
//!
//! The folder's own lock holds where the file is deleted or replaced. Never
//! opens the vault's file: closing a second descriptor of it would drop
//! SQLite's locks.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::fcntl::OFlag;

use super::{Error, ownership};

const NAME: &str = "agent-authd.lock";

/// Holds the data folder for as long as it lives. The kernel lets go of it
/// when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DataLock {
    _folder: File,
    /// None on a disk that is read-only and has no such file.
    _file: Option<File>,
}

impl DataLock {
    /// Takes the folder.
    ///
    /// # Errors
    /// [`Error::Held`] if another process has it; [`Error::Open`].
    pub(super) fn take(folder: &Path) -> Result<Self, Error> {
        let open = |error: io::Error| Error::Open {
            path: folder.to_owned(),
            why: error.to_string(),
        };
        let path = folder.join(NAME);
        let own = File::open(folder).map_err(open)?;
        lock(&own, folder, &path)?;
        if is_other(&own, folder) {
            return Err(held(folder, &path));
        }
        let file = loop {
            let file = match open_file(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                    return Ok(Self {
                        _folder: own,
                        _file: File::open(&path).ok(),
                    });
                }
                Err(error) => return Err(open(error)),
            };
            lock(&file, folder, &path)?;
            // Deleted between the opening and the locking, it locks nothing.
            if !is_other(&file, &path) {
                break file;
            }
        };
        ownership::settle(&file, folder).map_err(open)?;
        write_holder(&file).map_err(open)?;
        Ok(Self {
            _folder: own,
            _file: Some(file),
        })
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)
}

/// Locks an open file or folder without waiting.
fn lock(file: &File, folder: &Path, path: &Path) -> Result<(), Error> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(held(folder, path)),
        Err(TryLockError::Error(error)) => Err(Error::Open {
            path: folder.to_owned(),
            why: error.to_string(),
        }),
    }
}

/// Whether `path` does not name the open `file` (any more).
fn is_other(file: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    file.metadata().ok().map(identity) != fs::symlink_metadata(path).ok().map(identity)
}

/// The holder's process number only serves the message; a full disk must not
/// keep the daemon from starting.
fn write_holder(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    match writeln!(file, "{}", std::process::id()) {
        Err(error) if error.kind() != io::ErrorKind::StorageFull => Err(error),
        _ => Ok(()),
    }
}

fn held(folder: &Path, path: &Path) -> Error {
    let mut holder = String::new();
    if let Ok(file) = File::open(path) {
        // Who it is only serves the message.
        let _ = file.take(32).read_to_string(&mut holder);
    }
    Error::Held {
        folder: folder.to_owned(),
        pid: holder.trim().parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_whose_lock_file_is_deleted_or_replaced_stays_held() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let lock = DataLock::take(folder.path()).unwrap();
        let is_held = || matches!(DataLock::take(folder.path()), Err(Error::Held { .. }));
        assert!(is_held());
        fs::remove_file(&path).unwrap();
        assert!(is_held(), "the lock file was deleted");
        fs::write(&path, "").unwrap();
        assert!(is_held(), "the lock file was replaced");
        drop(lock);
        DataLock::take(folder.path()).unwrap();
    }
}
