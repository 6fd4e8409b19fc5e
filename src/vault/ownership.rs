//! Gives new files of the vault to the owner of their folder.
//!
//! The system's daemon has its own account, and root runs the commands that
//! open its vault without it. The daemon could not read files that belong to
//! root.
//!
//! Works with open files, never with names: that account could replace a name
//! with a link to any file, and root would give that file away.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::geteuid;

/// Gives a new file or folder to the owner of the folder that it was created
/// in. Does nothing unless the process runs as root.
pub(super) fn chown_to_parent(made: &File, folder: &Path) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let (file, folder) = (made.metadata()?, fs::metadata(folder)?);
    let has_owner = (file.uid(), file.gid()) == (folder.uid(), folder.gid());
    // Another user may have made the second link.
    let has_two_names = file.is_file() && file.nlink() != 1;
    if has_owner || has_two_names {
        return Ok(());
    }
    fchown(made, Some(folder.uid()), Some(folder.gid()))
}

/// As [`chown_to_parent`], for the folder at `path`.
pub(super) fn chown_folder_to_parent(path: &Path, above: &Path) -> io::Result<()> {
    let made = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits())
        .open(path)?;
    chown_to_parent(&made, above)
}
