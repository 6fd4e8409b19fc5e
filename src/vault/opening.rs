//! Opens the vault: the folder, its lock, the file, its tables and the key, in
//! this order. If a step fails, everything is left as it was.

use std::path::Path;

use rusqlite::Connection;
use uuid::Uuid;

use super::cipher::Cipher;
use super::key::{self, KeyRing};
use super::lock::DataLock;
use super::{
    Error, FILE, Options, backup, fingerprints, folder, resealing, row_authentication, schema,
    sqlite, totals, unlock, writer,
};
use crate::clock::Env;
use crate::failpoint;
use crate::trusted::Owners;

/// Free space that rewriting every row needs besides three times the vault's
/// size, in bytes.
const SPARE: u64 = 1024 * 1024;

/// A vault that is locked for this process, with its key.
pub(super) struct Unlocked {
    pub(super) id: Uuid,
    pub(super) connection: Connection,
    pub(super) cipher: Cipher,
    pub(super) ring: KeyRing,
    /// With the resolved path of [`Options::data_dir`].
    pub(super) options: Options,
    /// The last field, so that it is released last.
    pub(super) lock: DataLock,
}

impl Unlocked {
    /// Opens the vault. Creates the vault and its key if they are missing. The
    /// folder must belong to one of the `owners`.
    pub(super) fn open(options: &Options, env: &Env, owners: &Owners) -> Result<Self, Error> {
        let options = Options {
            data_dir: folder::private(&options.data_dir, owners)?,
            ..options.clone()
        };
        let store = key::store(&options)?;
        let lock = DataLock::take(&options.data_dir)?;
        // An unreachable place must be reported before a vault is created.
        let kept = store.load()?;
        backup::remove_unfinished(&options.data_dir);
        let mut connection = open_file(&options, env)?;
        let id = unlock::vault_id(&connection, env)?;
        let (mut cipher, mut ring) = unlock::unlock(&connection, id, (&*store, kept), env)?;
        row_authentication::upgrade::authenticate_existing(&mut connection, &cipher, env)?;
        repair_totals(&mut connection);
        writer::checkpoint(&connection)?;
        if resealing::is_unfinished(&connection, &cipher, &ring, &*store)? {
            match resealing::finish(&mut connection, &cipher, &ring, &options, env) {
                Ok(_) => (cipher, ring) = unlock::load_verified(&connection, &*store)?,
                // The ring has both keys, so every row can be served.
                Err(error) => {
                    tracing::error!(error = %error, "an interrupted rotation of the vault's key cannot be finished");
                }
            }
        }
        if let Err(error) = fingerprints::complete(&mut connection, &cipher) {
            tracing::warn!(error = %error, "some stored refresh tokens have no fingerprint");
        }
        Ok(Self {
            id,
            connection,
            cipher,
            ring,
            options,
            lock,
        })
    }

    /// Opens an existing vault, for a command that its owner or root runs.
    ///
    /// # Errors
    /// [`Error::NoVault`]; those of [`Self::open`].
    pub(super) fn open_existing(options: &Options, env: &Env) -> Result<Self, Error> {
        folder::existing(&options.data_dir)?;
        let owners = Owners::of_data_folder(&options.data_dir);
        Self::open(options, env, &owners)
    }
}

/// Corrects wrong totals. Only quotas depend on them, so an error does not
/// prevent the start.
fn repair_totals(connection: &mut Connection) {
    match totals::repair(connection) {
        Ok(0) => {}
        Ok(owners) => {
            tracing::warn!(owners, "corrected wrong totals of stored data");
        }
        Err(error) => {
            tracing::warn!(error = %error, "wrong totals of stored data could not be corrected");
        }
    }
}

/// Opens the file, checks it, and migrates its tables.
fn open_file(options: &Options, env: &Env) -> Result<Connection, Error> {
    let path = options.data_dir.join(FILE);
    let open = || {
        let mut connection = sqlite::open_writer(&path)?;
        require_soundness(&connection)?;
        if schema::is_outdated(&connection)? {
            upgrade(&mut connection, options, env)?;
        }
        Ok(connection)
    };
    open().map_err(|error| with_remedy(error, options))
}

/// Adds the file and a remedy to an error of opening the vault.
pub(super) fn with_remedy(error: Error, options: &Options) -> Error {
    match name_file(error, &options.data_dir.join(FILE)) {
        Error::Corrupt { what } => Error::Damaged {
            what,
            data_dir: options.data_dir.clone(),
            key_file: options.key_file.clone(),
            backup: backup::all(&options.data_dir).into_iter().next(),
        },
        Error::NewerSchema { found, known, .. } => Error::NewerSchema {
            found,
            known,
            backup: backup::newest_of(&options.data_dir, known),
        },
        other => other,
    }
}

/// Migrates the tables. An existing vault is backed up first.
fn upgrade(connection: &mut Connection, options: &Options, env: &Env) -> Result<(), Error> {
    let version = schema::version(connection)?;
    if version == 0 {
        return schema::migrate(connection);
    }
    let data_dir = &options.data_dir;
    require_free_space(data_dir, "upgrading the vault")?;
    let backup = backup::make_before_upgrade(connection, data_dir, version, env.now())?;
    failpoint::pass("vault.backed_up");
    tracing::info!(
        schema = version,
        backup = %backup.display(),
        "upgrading the vault; a backup of the older version is kept"
    );
    schema::migrate(connection)?;
    failpoint::pass("vault.migrated");
    tracing::info!("the vault is upgraded");
    Ok(())
}

/// Checks that the disk has free space for a backup, the rewritten rows and the
/// write-ahead log. `what` names the operation in the error.
pub(super) fn require_free_space(data_dir: &Path, what: &str) -> Result<(), Error> {
    let bytes = std::fs::metadata(data_dir.join(FILE)).map_or(0, |metadata| metadata.len());
    let needed = bytes.saturating_mul(3).saturating_add(SPARE);
    let Ok(found) = nix::sys::statvfs::statvfs(data_dir) else {
        return Ok(());
    };
    // The width of the fields differs between platforms.
    #[allow(
        clippy::useless_conversion,
        reason = "the fields are narrower on some platforms"
    )]
    let free = u64::from(found.blocks_available()).saturating_mul(u64::from(found.fragment_size()));
    if free >= needed {
        return Ok(());
    }
    Err(Error::Unwritable {
        why: format!(
            "{what} needs {} MiB in {}, and {} MiB are free; free some space and try again (nothing was changed)",
            needed.div_ceil(1024 * 1024),
            data_dir.display(),
            free / (1024 * 1024),
        ),
    })
}

/// Checks the pages, without comparing indexes with their tables.
pub(super) fn require_soundness(connection: &Connection) -> Result<(), Error> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" {
        return Ok(());
    }
    Err(Error::Corrupt { what: found })
}

/// Adds the file to an error.
fn name_file(error: Error, path: &Path) -> Error {
    match error {
        Error::Unwritable { why } => Error::Open {
            path: path.to_owned(),
            why,
        },
        Error::Corrupt { what } => Error::Corrupt {
            what: format!("{}: {what}", path.display()),
        },
        other => other,
    }
}
