//! Opens the vault's file on a read-only disk, where SQLite cannot create the
//! shared memory that readers of a write-ahead log use.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags};

use super::companion;
use crate::vault::Error;

/// The characters that are escaped in the path of a URI.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_');

/// Whether the disk that holds a file or folder is read-only.
pub(in crate::vault) fn is_read_only(path: &Path) -> bool {
    access(path, AccessFlags::W_OK) == Err(Errno::EROFS)
}

/// Opens the file for reading.
///
/// # Errors
/// [`Error::Unwritable`] or [`Error::Corrupt`] if it cannot be read.
pub(super) fn connect(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    if companion(path, "-wal").exists() {
        // An exclusive connection keeps the index of the log in this process's
        // memory (sqlite.org/wal.html, section 6). It takes no file lock, because
        // a read-only disk refuses a lock for writing; the lock of the data folder
        // keeps other daemons out.
        let connection = Connection::open_with_flags_and_vfs(path, flags, c"unix-none")?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        return Ok(connection);
    }
    // Without a log, the file holds every commit.
    let name = percent_encode(path.as_os_str().as_bytes(), PATH);
    let uri = format!("file:{name}?immutable=1");
    let flags = flags | OpenFlags::SQLITE_OPEN_URI;
    Ok(Connection::open_with_flags(uri, flags)?)
}
