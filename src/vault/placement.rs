//! Checks whether the open files are still those that the vault's path names.
//! Anything written to a file that was deleted, replaced or moved is lost at
//! the next start.
//!
//! Only calls stat on the names. To open and close the file again would drop
//! SQLite's locks on it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Error;
use super::sqlite::{companion, is_read_only};

/// The suffixes of the files that SQLite keeps open beside the vault's file.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// The files that were opened.
#[derive(Debug)]
pub(super) struct Placement {
    /// The data folder, if its disk was read-only when the vault was opened.
    /// The vault is then a copy in memory.
    read_only: Option<PathBuf>,
    /// Each file with its device and inode.
    files: Vec<(PathBuf, (u64, u64))>,
    /// The largest known size of the vault's file in bytes. The file never
    /// shrinks.
    size: AtomicU64,
}

impl Placement {
    /// Records the files that a connection to `path` has open.
    ///
    /// # Errors
    /// [`Error::Open`] if one of them cannot be found.
    pub(super) fn of(path: &Path) -> Result<Self, Error> {
        let companions = COMPANIONS.map(|suffix| companion(path, suffix));
        let names = [path.to_owned()].into_iter().chain(companions);
        let files = names.map(|name| match identity(&name) {
            Ok((identity, _)) => Ok((name, identity)),
            Err(why) => Err(Error::Open { path: name, why }),
        });
        let placement = Self {
            read_only: None,
            files: files.collect::<Result<_, _>>()?,
            size: AtomicU64::new(0),
        };
        placement.note_size();
        Ok(placement)
    }

    /// The placement of a vault that was opened on a read-only disk.
    pub(super) fn on_read_only_disk(data_dir: &Path) -> Self {
        Self {
            read_only: Some(data_dir.to_owned()),
            files: Vec::new(),
            size: AtomicU64::new(0),
        }
    }

    /// Whether the disk was read-only when the vault was opened.
    pub(super) fn is_read_only(&self) -> bool {
        self.read_only.is_some()
    }

    /// Records the size of the vault's file after a checkpoint.
    pub(super) fn note_size(&self) {
        if let Some((path, own)) = self.files.first()
            && let Ok((found, size)) = identity(path)
            && found == *own
        {
            self.size.fetch_max(size, Ordering::Relaxed);
        }
    }

    /// Checks the names again.
    ///
    /// # Errors
    /// Why nothing can be written, or would be lost.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(data_dir) = &self.read_only {
            return Err(read_only_reason(data_dir));
        }
        for (index, (path, own)) in self.files.iter().enumerate() {
            let name = path.display();
            let Ok((found, size)) = identity(path) else {
                return Err(format!("{name} was deleted or moved"));
            };
            if found != *own {
                return Err(format!("another file is in the place of {name}"));
            }
            if index == 0 && size < self.size.load(Ordering::Relaxed) {
                return Err(format!("{name} was truncated to {size} bytes"));
            }
        }
        Ok(())
    }
}

/// Why nothing can be stored in a folder whose disk was read-only when the
/// vault was opened, and what to do.
fn read_only_reason(data_dir: &Path) -> String {
    let folder = data_dir.display();
    if is_read_only(data_dir) {
        format!(
            "{folder} is on a read-only disk; make the disk writable (mount -o remount,rw), then restart agent-authd"
        )
    } else {
        format!(
            "{folder} was on a read-only disk when agent-authd started, and is writable now: restart agent-authd"
        )
    }
}

/// The device and inode of the file with this name, and its size in bytes.
fn identity(path: &Path) -> Result<((u64, u64), u64), String> {
    let found = fs::symlink_metadata(path).map_err(|error| error.to_string())?;
    Ok(((found.dev(), found.ino()), found.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deleted_replaced_moved_and_truncated_files_are_detected() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let (path, log) = (data.join("vault.db"), data.join("vault.db-wal"));
        for file in [&path, &log, &data.join("vault.db-shm")] {
            fs::write(file, "content").unwrap();
        }
        let placement = Placement::of(&path).unwrap();
        let says = |words: &str| {
            let why = placement.check().unwrap_err();
            assert!(why.contains(words), "{why}");
        };
        placement.check().unwrap();

        let aside = folder.path().join("aside");
        fs::rename(&log, &aside).unwrap();
        says("vault.db-wal was deleted");
        fs::rename(&aside, &log).unwrap();
        placement.check().unwrap();

        fs::rename(&path, &aside).unwrap();
        fs::write(&path, "content").unwrap();
        says("another file");
        fs::rename(&aside, &path).unwrap();
        placement.check().unwrap();

        let elsewhere = folder.path().join("elsewhere");
        fs::rename(&data, &elsewhere).unwrap();
        says("deleted or moved");
        fs::rename(&elsewhere, &data).unwrap();
        placement.check().unwrap();

        fs::write(&path, "short").unwrap();
        says("truncated to 5 bytes");
    }
}
