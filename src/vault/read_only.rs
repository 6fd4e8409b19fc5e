//! Opens a vault on a read-only disk, as a copy in memory, so that valid tokens
//! can still be issued.
//!
//! Nothing can be stored, so no refresh token is used. The daemon reports this
//! and must be restarted when the disk is writable. The copy includes the
//! write-ahead log, which may hold commits that a crash kept out of the file.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::cipher::Cipher;
use super::lock::DataLock;
use super::placement::Placement;
use super::{Error, FILE, Opened, Options, Vault, folder, key, opening, schema, sqlite, unlock};
use crate::trusted::Owners;

/// A copy in memory of the vault at `path`, for reading only.
fn copy_in_memory(path: &Path) -> Result<Connection, Error> {
    let source = sqlite::open_reader(path)?;
    let mut copy = Connection::open_in_memory()?;
    if Backup::new(&source, &mut copy)?.step(-1)? != StepResult::Done {
        return Err(Error::Unwritable {
            why: "another program is writing to it".to_owned(),
        });
    }
    sqlite::configure_reader(&copy)?;
    Ok(copy)
}

/// Refuses a vault that needs a migration.
fn require_up_to_date(connection: &Connection, path: &Path) -> Result<(), Error> {
    if !schema::is_outdated(connection)? {
        return Ok(());
    }
    let (found, known) = (schema::version(connection)?, schema::known_version());
    Err(Error::Open {
        path: path.to_owned(),
        why: format!(
            "its schema (version {found}) must be upgraded to version {known}, and its disk is read-only; make the disk writable (mount -o remount,rw) and start agent-authd again, or start the version that wrote it"
        ),
    })
}

/// Refuses a vault with rows that are not authenticated yet.
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
        why: "an upgrade of it was interrupted, and its disk is read-only; make the disk writable (mount -o remount,rw) and start agent-authd again".to_owned(),
    })
}

impl Vault {
    /// Opens a vault on a read-only disk. It refuses every change.
    ///
    /// # Errors
    /// As [`Self::open`]; [`Error::Open`] if there is no vault, or it needs a
    /// migration.
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
                why: "there is no vault yet, and none can be created on a read-only disk"
                    .to_owned(),
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
        // The writer refuses every change before this connection is used.
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
