//! Backups of the vault: the newest three, in `backups` in its folder.
//!
//! SQLite's backup function makes the copy, so that it is one state of the
//! vault even during writes. The copy gets its final name only after it is
//! complete, checked and on the disk. Its secrets are sealed; the key is not in
//! it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, MAIN_DB};

use super::key::sync_folder;
use super::{Error, FILE, Options, folder, ownership, schema, sqlite};
use crate::clock::{Env, Timestamp};

/// How many backups are kept: today's, and two older ones for faults that are
/// noticed late. (Most grants in older backups have been rotated since.)
const KEPT: usize = 3;

/// The age at which the newest backup is due for replacement.
const INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// The folder of the backups in the vault's folder.
const FOLDER: &str = "backups";

const PREFIX: &str = "vault-";

/// The prefix of a backup from before a migration; the schema's version
/// follows.
const UPGRADE_PREFIX: &str = "before-upgrade-of-schema-";
const SUFFIX: &str = ".db";

/// The suffix of a backup that is not complete.
const UNFINISHED: &str = ".unfinished";

/// Makes a backup now, whether or not agent-authd is running.
///
/// # Errors
/// [`Error::NoVault`]; [`Error::Corrupt`] if the vault is damaged, in which
/// case no copy is kept; [`Error::Unwritable`] if the copy cannot be written.
pub fn now(options: &Options, env: &Env) -> Result<PathBuf, Error> {
    let data_dir = folder::existing(&options.data_dir)?;
    let connection = sqlite::open_reader(&data_dir.join(FILE))?;
    make(&connection, &data_dir, env.now())
}

/// Makes a backup from the bytes that a running daemon has sent. Creates the
/// data folder if it is missing.
///
/// # Errors
/// [`Error::Corrupt`] if the copy is damaged; [`Error::Unwritable`] if it cannot
/// be written.
pub fn keep(copy: &[u8], data_dir: &Path, now: Timestamp) -> Result<PathBuf, Error> {
    let mut source = Connection::open_in_memory()?;
    source.deserialize_read_exact(MAIN_DB, copy, copy.len(), true)?;
    make(&source, data_dir, now)
}

/// A copy of the vault behind `source`, as the bytes of a file.
pub(super) fn bytes(source: &Connection) -> Result<Vec<u8>, Error> {
    let mut copy = Connection::open_in_memory()?;
    if Backup::new(source, &mut copy)?.step(-1)? != StepResult::Done {
        return Err(Error::Unwritable {
            why: "the vault was busy".to_owned(),
        });
    }
    require_integrity(&copy)?;
    let mut bytes = copy.serialize(MAIN_DB)?.to_vec();
    if let Some(versions) = bytes.get_mut(18..20) {
        // A file in the format with a write-ahead log cannot be opened in
        // memory (sqlite.org/fileformat.html, section 1.3.3).
        versions.fill(1);
    }
    Ok(bytes)
}

/// Makes a backup of the vault behind `source`. Returns its path.
pub(super) fn make(source: &Connection, data_dir: &Path, now: Timestamp) -> Result<PathBuf, Error> {
    let path = make_as(source, data_dir, &file_name(now))?;
    prune(data_dir, now);
    Ok(path)
}

/// Makes a backup before the schema is migrated from `version`. It is kept
/// until the next backup of the same version.
pub(super) fn make_before_upgrade(
    source: &Connection,
    data_dir: &Path,
    version: i64,
    now: Timestamp,
) -> Result<PathBuf, Error> {
    let prefix = format!("{UPGRADE_PREFIX}{version}-");
    let path = make_as(source, data_dir, &format!("{prefix}{}{SUFFIX}", stamp(now)))?;
    for older in names_with(data_dir, &prefix) {
        let older = data_dir.join(FOLDER).join(older);
        if older != path {
            // An older backup that remains does no harm.
            let _ = fs::remove_file(older);
        }
    }
    Ok(path)
}

/// The newest backup with a schema version up to `known`.
pub(super) fn newest_of(data_dir: &Path, known: i64) -> Option<PathBuf> {
    let is_known = |path: &PathBuf| {
        sqlite::open_reader(path)
            .and_then(|backup| schema::version(&backup))
            .is_ok_and(|version| (1..=known).contains(&version))
    };
    all(data_dir).into_iter().find(is_known)
}

fn make_as(source: &Connection, data_dir: &Path, name: &str) -> Result<PathBuf, Error> {
    let folder = data_dir.join(FOLDER);
    let path = folder.join(name);
    let unfinished = folder.join(format!("{}{UNFINISHED}", std::process::id()));
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .and_then(|()| ownership::chown_folder_to_parent(&folder, data_dir))
        .map_err(|error| unwritable(&folder, &error))
        .and_then(|()| copy(source, &unfinished))
        .and_then(|()| {
            fs::rename(&unfinished, &path)
                .and_then(|()| sync_folder(&folder))
                .map_err(|error| unwritable(&path, &error))
        });
    if let Err(error) = made {
        // The error above is reported.
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    Ok(path)
}

/// Writes a copy of the vault behind `source` to a new file: complete, checked,
/// on the disk, and without a write-ahead log.
pub(super) fn copy(source: &Connection, path: &Path) -> Result<(), Error> {
    let write = |error: io::Error| unwritable(path, &error);
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(write(error)),
        _ => {}
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(write)?;
    ownership::chown_to_parent(&file, path.parent().unwrap_or(Path::new("."))).map_err(write)?;
    let filled = (|| {
        let mut to = Connection::open(path)?;
        // -1 copies all pages in one step, and so from one state.
        if Backup::new(source, &mut to)?.step(-1)? != StepResult::Done {
            return Err(Error::Unwritable {
                why: "the vault was busy".to_owned(),
            });
        }
        to.pragma_update(None, "journal_mode", "DELETE")?;
        require_integrity(&to)?;
        Ok(to.close().map_err(|(_, error)| error)?)
    })();
    filled.map_err(|error| match error {
        Error::Unwritable { why } => Error::Unwritable {
            why: format!("{}: {why}", path.display()),
        },
        other => other,
    })?;
    file.sync_all().map_err(write)
}

/// Checks the whole file.
///
/// # Errors
/// [`Error::Corrupt`] with the first fault found.
pub(super) fn require_integrity(connection: &Connection) -> Result<(), Error> {
    let check = |pragma| {
        let mut statement = connection.prepare(pragma)?;
        let mut rows = statement.query([])?;
        let first = rows.next()?;
        first.map(|row| row.get::<_, String>(0)).transpose()
    };
    let found = check("PRAGMA integrity_check(1)")?.filter(|answer| answer != "ok");
    let orphan = check("PRAGMA foreign_key_check")?
        .map(|table| format!("a row of {table} refers to a missing row"));
    match found.or(orphan) {
        None => Ok(()),
        Some(what) => Err(Error::Corrupt { what }),
    }
}

/// Whether the newest backup is too old or missing. A backup with a time in the
/// future was made under a wrong clock and does not count.
pub(super) fn is_due(data_dir: &Path, now: Timestamp) -> bool {
    let (since, until) = (file_name(now.minus(INTERVAL)), file_name(now));
    !names(data_dir)
        .iter()
        .any(|name| *name > since && *name <= until)
}

/// The backups, newest first, then those from before migrations.
pub(super) fn all(data_dir: &Path) -> Vec<PathBuf> {
    let folder = data_dir.join(FOLDER);
    let before_upgrades = names_with(data_dir, UPGRADE_PREFIX);
    let names = names(data_dir).into_iter().chain(before_upgrades);
    names.map(|name| folder.join(name)).collect()
}

/// Deletes the backups that contain rows of another key than `key_id`. A backup
/// that cannot be read is kept.
pub(super) fn remove_sealed_otherwise(data_dir: &Path, key_id: &str) -> Result<(), Error> {
    for path in all(data_dir) {
        let others = sqlite::open_reader(&path).and_then(|backup| {
            let mut statement = backup.prepare("SELECT 1 FROM keys WHERE key_id <> ?1")?;
            Ok(statement.exists([key_id])?)
        });
        if others.unwrap_or(false) {
            fs::remove_file(&path).map_err(|error| unwritable(&path, &error))?;
        }
    }
    Ok(())
}

/// Deletes incomplete backups. The caller must hold the lock of the data
/// folder.
pub(super) fn remove_unfinished(data_dir: &Path) {
    for entry in fs::read_dir(data_dir.join(FOLDER))
        .into_iter()
        .flatten()
        .flatten()
    {
        if entry.file_name().to_string_lossy().contains(UNFINISHED) {
            // A file that remains only takes up space.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Deletes the oldest backups beyond [`KEPT`]. Those with a time in the future
/// are deleted first.
fn prune(data_dir: &Path, now: Timestamp) {
    let until = file_name(now);
    let mut names = names(data_dir);
    names.sort_by_key(|name| *name > until);
    for name in names.iter().skip(KEPT) {
        // A file that remains does no harm and is deleted next time.
        let _ = fs::remove_file(data_dir.join(FOLDER).join(name));
    }
}

/// The backups' names, newest first.
fn names(data_dir: &Path) -> Vec<String> {
    names_with(data_dir, PREFIX)
}

fn names_with(data_dir: &Path, prefix: &str) -> Vec<String> {
    let entries = fs::read_dir(data_dir.join(FOLDER)).into_iter().flatten();
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix) && name.ends_with(SUFFIX))
        .collect();
    names.sort_unstable_by(|left, right| right.cmp(left));
    names
}

/// The name of a backup made at `now`. Names sort by time (UTC).
fn file_name(now: Timestamp) -> String {
    format!("{PREFIX}{}{SUFFIX}", stamp(now))
}

/// A time in a file's name, such as `20261120T170000Z`.
pub(super) fn stamp(now: Timestamp) -> String {
    let whole = Timestamp::from_millis(now.as_seconds().saturating_mul(1000));
    whole.to_string().replace(['-', ':'], "")
}

pub(super) fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::Unwritable {
        why: format!("{}: {error}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).plus_seconds(seconds)
    }

    /// A folder with an empty vault.
    fn vault() -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let mut source = sqlite::open_writer(&folder.path().join(FILE)).unwrap();
        schema::migrate(&mut source).unwrap();
        (folder, source)
    }

    #[test]
    fn three_backups_are_kept_with_names_by_time_and_private_modes() {
        use std::os::unix::fs::MetadataExt as _;
        let (folder, source) = vault();
        for day in 0..5 {
            make(&source, folder.path(), at(day * DAY)).unwrap();
        }
        let kept = all(folder.path());
        let names: Vec<_> = kept.iter().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(
            names,
            [
                "vault-20231118T221320Z.db",
                "vault-20231117T221320Z.db",
                "vault-20231116T221320Z.db"
            ]
        );
        for path in &kept {
            assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o600);
        }
        let folder = fs::metadata(folder.path().join(FOLDER)).unwrap();
        assert_eq!(folder.mode() & 0o777, 0o700);
    }

    #[test]
    fn a_backup_is_due_when_the_newest_is_a_day_old() {
        let (folder, source) = vault();
        assert!(is_due(folder.path(), at(0)));
        make(&source, folder.path(), at(0)).unwrap();
        assert!(!is_due(folder.path(), at(DAY - 1)));
        assert!(is_due(folder.path(), at(DAY)));
    }

    #[test]
    fn backups_from_a_wrong_clock_do_not_count_and_are_deleted() {
        let (folder, source) = vault();
        for year in 1..=3 {
            make(&source, folder.path(), at(year * 365 * DAY)).unwrap();
        }
        assert!(is_due(folder.path(), at(0)), "the clock was put right");
        let made = make(&source, folder.path(), at(0)).unwrap();
        let kept = all(folder.path());
        assert_eq!(kept.len(), KEPT);
        assert!(kept.contains(&made), "{kept:?}");
        assert!(!is_due(folder.path(), at(1)));
    }

    #[test]
    fn a_damaged_vault_replaces_no_backup() {
        let (folder, source) = vault();
        let good = make(&source, folder.path(), at(0)).unwrap();
        source
            .execute_batch(
                "PRAGMA foreign_keys = OFF;
                 INSERT INTO refresh_attempts VALUES (1, 'gone', 1, 1);",
            )
            .unwrap();
        let error = make(&source, folder.path(), at(DAY)).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
        let left: Vec<_> = fs::read_dir(folder.path().join(FOLDER)).unwrap().collect();
        assert_eq!(left.len(), 1);
        assert!(good.exists());
    }

    #[test]
    fn a_copy_has_no_write_ahead_log_and_opens_in_any_folder() {
        let (folder, source) = vault();
        let copy = make(&source, folder.path(), at(0)).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let moved = elsewhere.path().join("copy.db");
        fs::copy(copy, &moved).unwrap();
        let copy = sqlite::open_reader(&moved).unwrap();
        assert!(!schema::is_outdated(&copy).unwrap());
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
    }
}
