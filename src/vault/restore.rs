//! Replaces the vault with a backup.
//!
//! The replaced vault is kept, even if it is damaged. A rotating refresh token
//! was probably used since the backup was made. So every refreshable grant is
//! marked as having an attempt with an unknown outcome: if the provider rejects
//! it, the event says that a rotation was lost, not that a person revoked the
//! grant.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::backup::{copy, require_integrity, stamp, unwritable};
use super::key::sync_folder;
use super::lock::DataLock;
use super::{
    Error, FILE, Options, folder, key, row_authentication, schema, sqlite, unlock, writer,
};
use crate::clock::{Env, Timestamp};
use crate::trusted::Owners;

/// The name of a restored vault until it is complete.
const UNFINISHED: &str = "vault.db.restored";

/// The prefix of the names of replaced vaults.
const REPLACED: &str = "vault-replaced-";

/// The suffixes of the files that SQLite keeps beside the vault's file.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// Gets every address in a backup and returns whether a person accepts them.
pub type Accept<'a> = &'a mut dyn FnMut(&[String]) -> bool;

/// The result of a restore.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The path of the replaced vault, if there was one.
    pub replaced: Option<PathBuf>,
    /// How many grants have an unknown outcome until they are refreshed.
    pub in_doubt: usize,
}

/// Replaces the vault in the data folder with the backup `from`. agent-authd
/// must not be running.
///
/// # Errors
/// [`Error::Held`] while it runs; [`Error::UnusableBackup`],
/// [`Error::NewerSchema`], [`Error::KeyMissing`] or [`Error::WrongKey`] if
/// `from` cannot be used here. Nothing is changed by any of these.
///
/// If the rows of the backup are not authenticated, `accept` is called with its
/// addresses; [`Error::Unauthenticated`] if it returns `false`.
pub fn restore(
    options: &Options,
    from: &Path,
    env: &Env,
    accept: Accept<'_>,
) -> Result<Restored, Error> {
    let owners = Owners::of_data_folder(&options.data_dir);
    let data_dir = folder::private(&options.data_dir, &owners)?;
    let _lock = DataLock::take(&data_dir)?;
    let now = env.now();
    let unfinished = data_dir.join(UNFINISHED);
    let prepared = prepare(options, from, &unfinished, (env, accept));
    let in_doubt = match prepared {
        Ok(in_doubt) => in_doubt,
        Err(error) => {
            remove(&unfinished)?;
            return Err(error);
        }
    };
    let vault = data_dir.join(FILE);
    let replaced = set_aside(&vault, now)?;
    fs::rename(&unfinished, &vault)
        .and_then(|()| sync_folder(&data_dir))
        .map_err(|error| unwritable(&vault, &error))?;
    Ok(Restored { replaced, in_doubt })
}

/// Copies `from`, verifies the copy, and marks its grants.
fn prepare(
    options: &Options,
    from: &Path,
    unfinished: &Path,
    (env, accept): (&Env, Accept<'_>),
) -> Result<usize, Error> {
    let refuse = |error: io::Error| Error::Open {
        path: from.to_owned(),
        why: error.to_string(),
    };
    let from = from.canonicalize().map_err(refuse)?;
    let named = |error| match error {
        // The error is about the backup; the vault may be intact.
        Error::Corrupt { what: why } | Error::Unwritable { why } => Error::UnusableBackup {
            path: from.clone(),
            why,
        },
        other => other,
    };
    let source = sqlite::open_reader(&from).map_err(named)?;
    copy(&source, unfinished).map_err(|error| match error {
        // The copy cannot be written; the backup may be intact.
        Error::Unwritable { .. } => error,
        other => named(other),
    })?;
    drop(source);
    let mut connection = sqlite::open_copy(unfinished)?;
    schema::require_known_objects(&connection).map_err(named)?;
    if schema::is_outdated(&connection)? {
        schema::migrate(&mut connection)?;
    }
    let (cipher, _) = unlock::load_verified(&connection, &*key::store(options)?)?;
    if !unlock::is_authenticated(&connection, &cipher)? {
        if !accept(&row_authentication::upgrade::addresses(&connection)?) {
            return Err(Error::Unauthenticated { path: from });
        }
        row_authentication::upgrade::authenticate_existing(&mut connection, &cipher, env)?;
    }
    let in_doubt = mark_in_doubt(&connection, env.now())?;
    require_integrity(&connection)?;
    connection.close().map_err(|(_, error)| error)?;
    fs::File::open(unfinished)
        .and_then(|file| file.sync_all())
        .map_err(|error| unwritable(unfinished, &error))?;
    Ok(in_doubt)
}

/// Adds an attempt with an unknown outcome for every refreshable grant.
fn mark_in_doubt(connection: &Connection, now: Timestamp) -> Result<usize, Error> {
    Ok(connection.execute(
        "INSERT INTO refresh_attempts (owner, token_id, generation, started_at)
         SELECT owner, id, generation, ?1 FROM tokens
          WHERE refresh_token IS NOT NULL AND person_needed IS NULL
         ON CONFLICT (owner, token_id) DO UPDATE SET generation = excluded.generation",
        [now],
    )?)
}

/// Gives the vault's files second names and removes the files that SQLite keeps
/// beside it, so that they are not used with the new file. If this is
/// interrupted, the old vault is still complete under its own name.
fn set_aside(vault: &Path, now: Timestamp) -> Result<Option<PathBuf>, Error> {
    if !vault.exists() {
        return Ok(None);
    }
    // Moves committed content from the log into the file, if the vault opens.
    if let Ok(connection) = sqlite::open_writer(vault) {
        // If that fails, the log is kept with the file.
        let _ = writer::checkpoint(&connection);
    }
    let aside = unused_name(vault, now)?;
    link(vault, &aside)?;
    for companion in COMPANIONS {
        let (file, kept) = (with(vault, companion), with(&aside, companion));
        if file.exists() {
            link(&file, &kept)?;
        }
    }
    for companion in COMPANIONS {
        remove(&with(vault, companion))?;
    }
    Ok(Some(aside))
}

/// An unused name for the replaced vault. A second restore in the same second
/// gets another name.
fn unused_name(vault: &Path, now: Timestamp) -> Result<PathBuf, Error> {
    let stamp = stamp(now);
    let named = |suffix: String| vault.with_file_name(format!("{REPLACED}{stamp}{suffix}.db"));
    let further = (2..100).map(|number| named(format!("-{number}")));
    let mut names = std::iter::once(named(String::new())).chain(further);
    names
        .find(|name| !name.exists() && COMPANIONS.iter().all(|with_| !with(name, with_).exists()))
        .ok_or_else(|| Error::Unwritable {
            why: format!(
                "there are too many files like {}",
                named(String::new()).display()
            ),
        })
}

/// Deletes replaced vaults and the files beside them, because a retired key
/// opens them. Returns their paths.
pub(super) fn remove_replaced(data_dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(data_dir).map_err(|error| unwritable(data_dir, &error))?;
    let mut removed = Vec::new();
    for entry in entries.flatten() {
        let is_replaced = entry.file_name().to_string_lossy().starts_with(REPLACED);
        if is_replaced {
            remove(&entry.path())?;
            removed.push(entry.path());
        }
    }
    removed.sort();
    Ok(removed)
}

fn link(file: &Path, name: &Path) -> Result<(), Error> {
    fs::hard_link(file, name).map_err(|error| unwritable(name, &error))
}

fn remove(file: &Path) -> Result<(), Error> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unwritable(file, &error)),
        _ => Ok(()),
    }
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}
