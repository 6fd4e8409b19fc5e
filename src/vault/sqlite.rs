//! Opens the vault's file: with a private mode from its creation, without
//! following symbolic links, and with settings for durability and secrecy.

mod read_only_disk;

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{Error, schema};

pub(super) use self::read_only_disk::is_read_only;

/// How long a change waits while another program writes to the file.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Prepared statements cached per connection; the vault has fewer.
const STATEMENTS: usize = 64;

/// Opens the file for reading and writing. Creates it if it is missing.
pub(super) fn open_writer(path: &Path) -> Result<Connection, Error> {
    make_private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A commit is on the disk before its caller gets the result.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Overwrites deleted content, so that no old ciphertext remains.
    connection.pragma_update(None, "secure_delete", "ON")?;
    configure(&connection)?;
    Ok(connection)
}

/// Opens a file that [`open_writer`] created, for reading only.
pub(super) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(path, flags)?;
    // With a log and its shared memory, SQLite can read on a read-only disk.
    if is_read_only(path) && schema::version(&connection).is_err() {
        connection = read_only_disk::connect(path)?;
    }
    configure_reader(&connection)?;
    Ok(connection)
}

/// Makes a connection refuse writes.
pub(super) fn configure_reader(connection: &Connection) -> Result<(), Error> {
    connection.pragma_update(None, "query_only", "ON")?;
    configure(connection)
}

/// Opens a copy that no other process uses, without a write-ahead log.
pub(super) fn open_copy(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    configure(&connection)?;
    Ok(connection)
}

/// The name of a file that SQLite keeps beside the one at `path`.
pub(super) fn companion(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn configure(connection: &Connection) -> Result<(), Error> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    // A daemon that is confined to its folders cannot create temporary files,
    // so temporary tables and sorted rows stay in memory.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // A tampered schema must not make SQLite call functions with side effects.
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    // Keeps the plan of a prepared statement. Without this, SQLite as built
    // here (STAT4) plans a statement again for each bound value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Creates the file with mode 0600 before SQLite writes to it. SQLite gives the
/// log and the shared memory the same mode.
fn make_private(path: &Path) -> Result<(), Error> {
    let open = |error: io::Error| match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => Error::ReadOnlyDisk {
            path: path.to_owned(),
        },
        _ => Error::Open {
            path: path.to_owned(),
            why: error.to_string(),
        },
    };
    let file: File = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(path)
        .map_err(open)?;
    let mode = file.metadata().map_err(open)?.permissions().mode();
    if mode & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))
            .map_err(open)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_the_settings_for_a_confined_daemon_and_a_hostile_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.db");
        let writer = open_writer(&path).unwrap();
        let others = [open_reader(&path).unwrap(), open_copy(&path).unwrap()];
        let setting = |connection: &Connection, name: &str| -> i64 {
            let read = connection.pragma_query_value(None, name, |row| row.get(0));
            read.unwrap()
        };
        for connection in others.iter().chain([&writer]) {
            let memory = 2;
            assert_eq!(setting(connection, "temp_store"), memory);
            assert_eq!(setting(connection, "trusted_schema"), 0);
            assert_eq!(setting(connection, "foreign_keys"), 1);
        }
        let full = 2;
        assert_eq!(setting(&writer, "synchronous"), full);
        assert_eq!(setting(&writer, "secure_delete"), 1);
    }
}
