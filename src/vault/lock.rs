//! Allows one daemon per data folder: it locks the folder and a file in it, and
//! writes its process number into the file.
//!
//! The folder's lock also holds if the file is deleted or replaced. The vault's
//! file is never opened here: closing a second descriptor of it would drop
//! SQLite's locks.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::fcntl::OFlag;

use super::{Error, ownership};
use crate::lock_file::{HeldLock, LockHolder};

const NAME: &str = "agent-authd.lock";

/// Holds the locks of the data folder while it exists. The kernel releases them
/// when the process ends.
#[derive(Debug)]
pub(super) struct DataLock {
    _folder: File,
    /// `None` on a read-only disk.
    file: Option<HeldLock>,
}

impl DataLock {
    /// Locks the folder.
    ///
    /// # Errors
    /// [`Error::Held`] if another process has locked it; [`Error::Open`].
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
                        file: None,
                    });
                }
                Err(error) => return Err(open(error)),
            };
            lock(&file, folder, &path)?;
            // A file that was deleted after it was opened is not the lock.
            if !is_other(&file, &path) {
                break file;
            }
        };
        ownership::chown_to_parent(&file, folder).map_err(open)?;
        let file = Some(HeldLock::new(file).map_err(open)?);
        Ok(Self { _folder: own, file })
    }

    /// Writes into the lock file that this daemon is stopping.
    pub(super) fn announce_stop(&self) {
        if let Some(file) = &self.file {
            file.announce_stop();
        }
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

/// Whether `path` names another file than the open `file`.
fn is_other(file: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    file.metadata().ok().map(identity) != fs::symlink_metadata(path).ok().map(identity)
}

fn held(folder: &Path, path: &Path) -> Error {
    Error::Held {
        folder: folder.to_owned(),
        holder: LockHolder::read(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stays_locked_if_its_lock_file_is_deleted_or_replaced() {
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
