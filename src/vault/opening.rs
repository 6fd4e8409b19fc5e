//! Opening the vault: the folder, its lock, the file, its tables and the key,
//! in this order, and nothing of it harmed where one is not as it should be.

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

/// Room that writing every row anew takes beside three times the vault's size, in bytes.
const ROOM: u64 = 1024 * 1024;

/// A vault that this process alone holds, with its key.
pub(super) struct Unlocked {
    pub(super) id: Uuid,
    pub(super) connection: Connection,
    pub(super) cipher: Cipher,
    pub(super) ring: KeyRing,
    /// Where [`Options::data_dir`] really is.
    pub(super) options: Options,
    /// Let go last.
    pub(super) lock: DataLock,
}

impl Unlocked {
    /// Opens the vault, making it and its key where there is none. Its folder
    /// must be of one of the `owners`.
    pub(super) fn open(options: &Options, env: &Env, owners: &Owners) -> Result<Self, Error> {
        let options = Options {
            data_dir: folder::private(&options.data_dir, owners)?,
            ..options.clone()
        };
        let store = key::store(&options)?;
        let lock = DataLock::take(&options.data_dir)?;
        // A place that cannot be reached must be known before a vault is made.
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
                // Both keys are there: what opens can be served all the same.
                Err(error) => {
                    tracing::error!(error = %error, "a change of the vault's key cannot be finished");
                }
            }
        }
        if let Err(error) = fingerprints::complete(&mut connection, &cipher) {
            tracing::warn!(error = %error, "stored refresh tokens are not all known by their fingerprints");
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

    /// Opens a vault that there must be, for a command of its owner or of root.
    ///
    /// # Errors
    /// [`Error::NoVault`], and those of [`Self::open`].
    pub(super) fn open_existing(options: &Options, env: &Env) -> Result<Self, Error> {
        folder::existing(&options.data_dir)?;
        let owners = Owners::of_data_folder(&options.data_dir);
        Self::open(options, env, &owners)
    }
}

/// Puts wrong totals right, by which quotas go. They keep nothing else from
/// working.
fn repair_totals(connection: &mut Connection) {
    match totals::repair(connection) {
        Ok(0) => {}
        Ok(owners) => {
            tracing::warn!(owners, "wrong totals of what is stored were counted anew");
        }
        Err(error) => {
            tracing::warn!(error = %error, "wrong totals of what is stored were not counted anew");
        }
    }
}

/// Opens the file, looks it through, and brings its tables up to date.
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

/// An error of opening the vault, with its file and what can be done.
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

/// Brings the tables up to date. A vault that has any is copied first.
fn upgrade(connection: &mut Connection, options: &Options, env: &Env) -> Result<(), Error> {
    let version = schema::version(connection)?;
    if version == 0 {
        return schema::migrate(connection);
    }
    let data_dir = &options.data_dir;
    require_room(data_dir, "bringing the vault up to date")?;
    let backup = backup::make_before_upgrade(connection, data_dir, version, env.now())?;
    failpoint::pass("vault.backed_up");
    tracing::info!(
        schema = version,
        backup = %backup.display(),
        "the vault is brought up to date; a backup of it as it was is kept"
    );
    schema::migrate(connection)?;
    failpoint::pass("vault.migrated");
    tracing::info!("the vault's tables are up to date");
    Ok(())
}

/// Makes sure, before every row is written anew, that there is room for a
/// backup, for the rows and for the write-ahead log with them. `what` is what is
/// about to be done.
pub(super) fn require_room(data_dir: &Path, what: &str) -> Result<(), Error> {
    let bytes = std::fs::metadata(data_dir.join(FILE)).map_or(0, |metadata| metadata.len());
    let needed = bytes.saturating_mul(3).saturating_add(ROOM);
    let Ok(found) = nix::sys::statvfs::statvfs(data_dir) else {
        return Ok(());
    };
    // The width of the fields differs by platform.
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
            "{what} takes {} MiB in {}, and {} MiB are free; free some room and try again (nothing was changed)",
            needed.div_ceil(1024 * 1024),
            data_dir.display(),
            free / (1024 * 1024),
        ),
    })
}

/// Looks through the pages, without comparing each index with its table.
pub(super) fn require_soundness(connection: &Connection) -> Result<(), Error> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" {
        return Ok(());
    }
    Err(Error::Corrupt { what: found })
}

/// Says which file an error is about.
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
