//! Checks a vault without changing it, whether or not agent-authd is running.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::backup::require_integrity;
use super::cipher::Cipher;
use super::{
    Error, FILE, Options, backup, folder, key, resealing, row_authentication, rows, schema, sealed,
    sqlite, totals, unlock,
};
use crate::trusted::Owners;

/// The result of a check.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The vault's file.
    pub file: PathBuf,
    /// Its size in bytes, without its write-ahead log.
    pub bytes: u64,
    /// The version of its schema.
    pub schema: i64,
    /// The key, if one was found that opens the vault.
    pub key: Option<Key>,
    /// How many sealed values open.
    pub opened: usize,
    /// The backups, newest first, each with its fault if it has one.
    pub backups: Vec<(PathBuf, Option<String>)>,
    /// The faults, each in one clause; empty if there are none.
    pub faults: Vec<String>,
}

/// The key of a vault.
#[derive(Clone, Debug)]
pub struct Key {
    /// The name of its place in the settings.
    pub store: String,
    /// Its place in a person's words.
    pub place: String,
    /// The public name of the key.
    pub id: String,
    /// Whether rows are still sealed with an older key, or the place still
    /// keeps one.
    pub is_rotating: bool,
}

/// Checks the file, its permissions, the key, every sealed value and the
/// backups.
///
/// # Errors
/// [`Error::NoVault`]. Faults of a vault are in the report.
pub fn check(options: &Options) -> Result<Report, Error> {
    let data_dir = folder::existing(&options.data_dir)?;
    let file = data_dir.join(FILE);
    let mut report = Report {
        bytes: fs::metadata(&file).map_or(0, |metadata| metadata.len()),
        file: file.clone(),
        backups: backup::all(&data_dir)
            .into_iter()
            .map(|path| look_at(path, options))
            .collect(),
        ..Report::default()
    };
    report.require_trusted(&data_dir);
    report.require_mode(&file, 0o077);
    if let Err(error) = report.look_into(options, &file) {
        report.faults.push(error.to_string());
    }
    for (path, _) in &report.backups.clone() {
        report.require_mode(path, 0o077);
    }
    let damaged = report
        .backups
        .iter()
        .filter_map(|(path, fault)| Some((path, fault.as_ref()?)));
    let damaged = damaged.map(|(path, fault)| format!("the backup {}: {fault}", path.display()));
    report.faults.extend(damaged.collect::<Vec<_>>());
    Ok(report)
}

/// The key of the vault, after checking that it is the right one.
///
/// # Errors
/// Those of loading the key.
pub fn key_of(options: &Options) -> Result<Key, Error> {
    let data_dir = folder::existing(&options.data_dir)?;
    find_key(options, &sqlite::open_reader(&data_dir.join(FILE))?).map(|(_, key)| key)
}

impl Report {
    /// Whether there are no faults.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.faults.is_empty()
    }

    /// Adds a fault if anyone but the daemon's user and root could replace the
    /// vault.
    fn require_trusted(&mut self, data_dir: &Path) {
        let owners = Owners::of_data_folder(data_dir);
        let own = || {
            let metadata = fs::metadata(data_dir).ok();
            metadata.map_or(Ok(()), |metadata| owners.require_own(data_dir, &metadata))
        };
        let checked = owners.require_way(data_dir).and_then(|()| own());
        self.faults
            .extend(checked.err().map(|error| error.to_string()));
    }

    /// Adds a fault if the mode of `path` has a bit of `forbidden`.
    fn require_mode(&mut self, path: &Path, forbidden: u32) {
        let mode = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
        if mode & forbidden != 0 {
            self.faults.push(format!(
                "other users can access {} (mode {mode:03o}); run: chmod go= {0}",
                path.display()
            ));
        }
    }

    fn look_into(&mut self, options: &Options, file: &Path) -> Result<(), Error> {
        let connection = sqlite::open_reader(file)?;
        self.schema = schema::version(&connection)?;
        if let Err(error) = require_integrity(&connection) {
            self.faults.push(error.to_string());
        }
        let is_outdated = schema::is_outdated(&connection)?;
        let (cipher, key) = find_key(options, &connection)?;
        if key.is_rotating {
            let fault = "a rotation of the key is not finished; the daemon's next start, or another rotation, continues it";
            self.faults.push(fault.to_owned());
        }
        self.key = Some(key);
        if !is_outdated {
            self.faults
                .extend(rows::survey(&connection, &cipher)?.faults());
        }
        let (opened, faults) = sealed::check_all(&connection, &cipher)?;
        self.opened = opened;
        self.faults.extend(faults.iter().map(ToString::to_string));
        self.faults.extend(totals::faults(&connection)?);
        Ok(())
    }
}

fn find_key(options: &Options, connection: &Connection) -> Result<(Cipher, Key), Error> {
    let store = key::store(options)?;
    let (cipher, ring) = unlock::load_verified(connection, &*store)?;
    let key = Key {
        store: store.kind().to_string(),
        place: store.place(),
        id: cipher.key_id().0.clone(),
        is_rotating: resealing::is_unfinished(connection, &cipher, &ring, &*store)?,
    };
    Ok((cipher, key))
}

/// Checks a backup.
fn look_at(path: PathBuf, options: &Options) -> (PathBuf, Option<String>) {
    let fault = sqlite::open_reader(&path)
        .and_then(|backup| {
            require_integrity(&backup)?;
            require_authentic(&backup, options)
        })
        .err();
    (path, fault.map(|error| error.to_string()))
}

/// Refuses a backup that was changed without the key: after restoring it,
/// secrets would be sent to other addresses. A backup from before rows were
/// authenticated is shown to a person when it is restored.
fn require_authentic(backup: &Connection, options: &Options) -> Result<(), Error> {
    if schema::is_outdated(backup)? {
        return Ok(());
    }
    let (cipher, _) = unlock::load_verified(backup, &*key::store(options)?)?;
    if !unlock::is_authenticated(backup, &cipher)? {
        let what = "its rows are not authenticated".to_owned();
        return Err(Error::Corrupt { what });
    }
    row_authentication::require_all_authentic(backup, &cipher)
}
