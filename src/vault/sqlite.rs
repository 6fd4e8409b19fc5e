//! Opens the vault's file: private from its first byte, no symbolic links,
//! and with the settings that durability and secrecy ask for.

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

/// How long a change waits for another program that is writing into the file.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Prepared statements kept per connection: more than the vault has.
const STATEMENTS: usize = 64;

/// Opens the file for reading and writing, making it if it is not there.
pub(super) fn open_writer(path: &Path) -> Result<Connection, Error> {
    make_private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // Every commit is on the disk before anyone is told of it.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Overwrites what is deleted, so that no old ciphertext stays behind.
    connection.pragma_update(None, "secure_delete", "ON")?;
    configure(&connection)?;
    Ok(connection)
}

/// Opens a file that [`open_writer`] has made, for reading alone.
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

/// Lets a connection read alone.
pub(super) fn configure_reader(connection: &Connection) -> Result<(), Error> {
    connection.pragma_update(None, "query_only", "ON")?;
    configure(connection)
}

/// Opens a copy that nobody else knows, without a write-ahead log.
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
    // A daemon that is confined to its folders can make no temporary file, so
    // what SQLite sorts or keeps for a statement stays in memory.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // A tampered schema cannot make SQLite call functions with side effects.
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    // Keeps a prepared statement's plan: without it, what SQLite is built with
    // here (STAT4) plans a statement anew for every value that is bound to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Makes the file at mode 0600 before SQLite writes into it; its WAL and
/// shared memory take their modes from it.
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
    fn every_connection_is_set_up_for_a_confined_daemon_and_a_hostile_file() {
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
