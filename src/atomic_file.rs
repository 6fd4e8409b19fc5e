//! Replaces a text file as a whole: the new text is written to a file beside it,
//! which is then renamed. A crash leaves the old file or the new one, never a part.
//!
//! For files without secrets. The key file and the backups have stricter rules and
//! are written by the vault.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

/// The mode of a file that did not exist: everybody can read it and only its owner
/// can write it, whatever the umask allows. A settings file that a group can write
/// is refused.
const NEW_FILE_MODE: u32 = 0o644;

/// Replaces the file at `path`, or creates it and its folder. An existing file keeps
/// its mode and owner. If `path` is a symbolic link, the file it points to is
/// replaced.
///
/// # Errors
/// The file cannot be written. The old file is then unchanged.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let unfinished = unfinished(&path);
    // An interrupted replacement leaves this file. Creating it anew also keeps the
    // text from being written through a symbolic link.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = write(&unfinished, &path, text)
        .and_then(|()| fs::rename(&unfinished, &path))
        .and_then(|()| fs::File::open(folder)?.sync_all());
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// The name of the new file until it is complete.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// Writes `text` to a new file at `unfinished`, with the mode and owner of `path`.
fn write(unfinished: &Path, path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(NEW_FILE_MODE)
        .open(unfinished)?;
    if let Ok(old) = fs::metadata(path) {
        file.set_permissions(old.permissions())?;
        fchown(&file, Some(old.uid()), Some(old.gid()))?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_replaced_file_keeps_its_mode_and_the_link_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["real.toml", "config.toml"].map(|name| folder.path().join(name));
        fs::write(&file, "max_events = 7\n").unwrap();
        // As an interrupted replacement leaves it.
        fs::write(folder.path().join("real.toml.new"), "key").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, "max_events = 8\n").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "max_events = 8\n");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_new_file_gets_its_folder_and_is_not_writable_by_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/config.toml");
        replace(&path, "x").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o022, 0);
        assert_eq!(fs::read_to_string(&path).unwrap(), "x");
    }
}
