//! A vault on a disk that is read-only: opened to hand out the tokens that are
//! alive, from a copy in memory.
//!
//! Nothing can be stored, so nothing is spent. The daemon says so and is
//! restarted once the disk can be written. The copy holds what the write-ahead
//! log holds: a crash may have left commits there that are not in the file yet.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::cipher::Cipher;
use super::lock::DataLock;
use super::placement::{Placement, companion};
use super::{Error, FILE, Opened, Options, Vault, folder, key, opening, schema, sqlite, unlock};
use crate::trusted::Owners;

/// What stays as it is in the path of a URI.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_');

/// Whether the disk that a file or folder lies on is read-only.
pub(super) fn is_read_only(path: &Path) -> bool {
    access(path, AccessFlags::W_OK) == Err(Errno::EROFS)
}

/// Why nothing can be stored in a folder whose disk was read-only when the
/// vault was opened, and what to do.
pub(super) fn reason(data_dir: &Path) -> String {
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

/// Opens a vault's file on a read-only disk, where SQLite cannot make the
/// shared memory that readers of a write-ahead log use.
///
/// # Errors
/// [`Error::Unwritable`] or [`Error::Corrupt`] if it cannot be read.
pub(super) fn connect(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    if companion(path, "-wal").exists() {
        // The index of the log is kept in this process's memory instead: an
        // exclusive connection (sqlite.org/wal.html, section 6), which takes no
        // lock, since a lock for writing is refused on such a disk. The lock of
        // the data folder keeps other daemons away.
        let connection = Connection::open_with_flags_and_vfs(path, flags, c"unix-none")?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        return Ok(connection);
    }
    // Without a log the file is all there is.
    let name = percent_encode(path.as_os_str().as_bytes(), PATH);
    let uri = format!("file:{name}?immutable=1");
    let flags = flags | OpenFlags::SQLITE_OPEN_URI;
    Ok(Connection::open_with_flags(uri, flags)?)
}

/// A copy in memory of the vault at `path`, for reading alone.
fn copy_in_memory(path: &Path) -> Result<Connection, Error> {
    let source = sqlite::open_reader(path)?;
    let mut copy = Connection::open_in_memory()?;
    if Backup::new(&source, &mut copy)?.step(-1)? != StepResult::Done {
        return Err(Error::Unwritable {
            why: "another program is writing into it".to_owned(),
        });
    }
    sqlite::configure_reader(&copy)?;
    Ok(copy)
}

/// Refuses a vault that would have to be changed before it can be used.
fn require_up_to_date(connection: &Connection, path: &Path) -> Result<(), Error> {
    if !schema::is_outdated(connection)? {
        return Ok(());
    }
    let (found, known) = (schema::version(connection)?, schema::known_version());
    Err(Error::Open {
        path: path.to_owned(),
        why: format!(
            "it must be brought up to date (its schema is {found}, this version has {known}), and its disk is read-only; make the disk writable (mount -o remount,rw) and start agent-authd again, or start the version that wrote it"
        ),
    })
}

/// Refuses a vault whose rows are not all authenticated yet.
fn require_authenticated(
    connection: &Connection,
    cipher: &Cipher,
    path: &Path,
) -> Result<(), Error> {
    if unlock::is_authenticated(connection, cipher)? {
        return Ok(());
    }
    Err(Error::Open {
        path: path.to_owned(),
        why: "an upgrade of it was cut off, and its disk is read-only; make the disk writable (mount -o remount,rw) and start agent-authd again".to_owned(),
    })
}

impl Vault {
    /// Opens a vault whose disk is read-only. It can be read, and refuses every
    /// change.
    ///
    /// # Errors
    /// As [`Self::open`]; [`Error::Open`] if there is no vault, or one that must
    /// be brought up to date first.
    pub(super) fn open_read_only(options: &Options) -> Result<Self, Error> {
        let options = Options {
            data_dir: folder::private(&options.data_dir, &Owners::of_this_process())?,
            ..options.clone()
        };
        let lock = DataLock::take(&options.data_dir)?;
        let path = options.data_dir.join(FILE);
        if !path.exists() {
            return Err(Error::Open {
                path,
                why: "there is no vault yet, and none can be made on a read-only disk".to_owned(),
            });
        }
        let copy = || {
            let copy = copy_in_memory(&path)?;
            opening::require_soundness(&copy)?;
            require_up_to_date(&copy, &path)?;
            Ok(copy)
        };
        let reading = copy().map_err(|error| opening::with_remedy(error, &options))?;
        let (cipher, _) = unlock::load_verified(&reading, &*key::store(&options)?)?;
        require_authenticated(&reading, &cipher, &path)?;
        // Every change is refused before it comes to this connection.
        let writing = Connection::open_in_memory()?;
        sqlite::configure_reader(&writing)?;
        Self::new(Opened {
            id: cipher.vault_id(),
            cipher,
            placement: Placement::on_read_only_disk(&options.data_dir),
            options,
            lock,
            writing,
            reading,
        })
    }
}
