//! Whose the vault's files are: his to whom their folder belongs.
//!
//! The machine's daemon runs as an account of its own, and the commands that
//! open its vault without it are run by root. What root makes there would be
//! root's, and the daemon's next start could not read it.
//!
//! Goes by open files, never by names: the account could put a link to
//! anybody's file in the place of a name, and root would give that away.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::geteuid;

/// Gives a file to the owner of the folder that it was made in; `made` may be
/// a folder, too. Only root has anything to give.
pub(super) fn chown_to_parent(made: &File, folder: &Path) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let (file, folder) = (made.metadata()?, fs::metadata(folder)?);
    let has_owner = (file.uid(), file.gid()) == (folder.uid(), folder.gid());
    // A second name is one that somebody else may have given it.
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
