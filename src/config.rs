//! The daemon's settings: a flag takes precedence over an environment variable,
//! that over the settings file, and that over the default. They are checked once
//! and valid from then on.
//!
//! This module creates and deletes nothing. It reads the settings file and the
//! files of the platform's providers. No secret is a setting: flags, environment
//! and settings file hold none.

pub mod args;
mod change;
mod client_socket;
mod effective;
mod entry;
mod error;
mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod key_store;
pub mod log;
pub mod platform;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::daemon::options::{
    CAN_CHECK_UID, FLOW_LIFETIME, MAX_CONNECTIONS, MAX_EVENTS, MAX_WAITERS, REFRESH_ACTIVE_WITHIN,
};
use crate::paths::{self, Defaults};
use crate::quota::Limits;
use crate::redirect::address::RedirectAddress;
use crate::vault::KeyStore;
use args::Flags;
pub use change::set_key_store;
pub use client_socket::socket;
pub use error::Error;
use file::File;
use log::{LogFormat, LogLevel};

/// The folder beside the settings file with further providers.
const PLATFORM_FOLDER: &str = "providers.d";

/// The effective settings. Every path is absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The settings file that was read, if there is one.
    pub file: Option<PathBuf>,
    /// Whether the daemon serves every user of the machine, each with a separate
    /// store, instead of only the user who started it.
    pub system: bool,
    /// The Unix socket to listen on; its length fits into a socket address.
    pub socket: PathBuf,
    /// The folder of the vault.
    pub data_dir: PathBuf,
    /// Which key store keeps the vault's key.
    pub key_store: KeyStore,
    /// The file of the vault's key, for the key store `file`; not in `data_dir`.
    pub key_file: PathBuf,
    /// The folders of the providers that every local user may log in with:
    /// the system's first, then the one beside the settings file.
    pub platform_dirs: Vec<PathBuf>,
    /// The address that providers redirect browsers to.
    pub redirect_listen: RedirectAddress,
    /// Whether the redirect listener refuses a browser unless the kernel reports
    /// that it belongs to a permitted user; only where the kernel can be asked.
    pub redirect_check_uid: bool,
    /// The format of the log.
    pub log_format: LogFormat,
    /// The least severe events that are logged.
    pub log_level: LogLevel,
    /// How long a person has to finish a login; whole seconds.
    pub flow_lifetime: Duration,
    /// Connections to the socket that are served at a time.
    pub max_connections: u32,
    /// Requests of one owner that may wait for a login at a time.
    pub max_waiters: u32,
    /// Events kept per owner.
    pub max_events: u32,
    /// What each owner may store.
    pub limits: Limits,
    /// How long after its last use a token is still refreshed in the background;
    /// whole seconds.
    pub refresh_active_within: Duration,
}

impl Config {
    /// Combines `flags` (into which clap has already put the environment), the
    /// settings file and the defaults: those of this user, or of the system for
    /// the system daemon.
    ///
    /// # Errors
    /// A settings file that was named does not exist, the file has an error, a
    /// path cannot be used, or a default needs a home folder and there is none.
    pub fn resolve(flags: &Flags) -> Result<Self, Error> {
        let defaults = if flags.system {
            Ok(Defaults::of_the_system())
        } else {
            Defaults::of_this_user()
        };
        Self::with_defaults(flags, defaults)
    }

    fn with_defaults(
        flags: &Flags,
        defaults: Result<Defaults, paths::Error>,
    ) -> Result<Self, Error> {
        let (path, file) = read_file(flags.config.as_deref(), defaults.as_ref().ok())?;
        let system = flags.system || file.system.unwrap_or(false);
        let defaults = if system {
            Ok(Defaults::of_the_system())
        } else {
            defaults
        };
        let platform_dirs = platform_dirs(path.as_deref(), &file, defaults.as_ref().ok())?;
        let given = |flag: &Option<PathBuf>, file: &Option<PathBuf>| flag.clone().or(file.clone());
        let default = |pick: fn(&Defaults) -> PathBuf| defaults.clone().map(|found| pick(&found));

        let data_dir = given(&flags.data_dir, &file.data_dir)
            .map_or_else(|| default(|d| d.data_dir.clone()), Ok)?;
        let key_file = given(&flags.key_file, &file.key_file)
            .map_or_else(|| default(Defaults::key_file), Ok)?;
        let socket = match given(&flags.socket, &file.socket) {
            Some(socket) => socket,
            None => defaults?.socket(&data_dir),
        };
        Self {
            file: path,
            system,
            platform_dirs,
            socket: absolute(socket)?,
            data_dir: absolute(data_dir)?,
            key_store: file.key_store.unwrap_or_default(),
            key_file: absolute(key_file)?,
            redirect_listen: flags
                .redirect_listen
                .or(file.redirect_listen)
                .unwrap_or(RedirectAddress::DEFAULT),
            redirect_check_uid: file.redirect_check_uid.unwrap_or(CAN_CHECK_UID),
            log_format: flags.log_format.or(file.log_format).unwrap_or_default(),
            log_level: flags.log_level.or(file.log_level).unwrap_or_default(),
            flow_lifetime: file.flow_lifetime.unwrap_or(FLOW_LIFETIME),
            max_connections: file.max_connections.unwrap_or(MAX_CONNECTIONS),
            max_waiters: file.max_waiters.unwrap_or(MAX_WAITERS),
            max_events: file.max_events.unwrap_or(MAX_EVENTS),
            limits: file.limits(),
            refresh_active_within: file.refresh_active_within.unwrap_or(REFRESH_ACTIVE_WITHIN),
        }
        .checked()
    }

    /// Checks what only the settings together show.
    fn checked(self) -> Result<Self, Error> {
        paths::check_socket(&self.socket)?;
        if self.redirect_check_uid && !CAN_CHECK_UID {
            return Err(Error::CannotCheckUid);
        }
        if self.key_file.starts_with(&self.data_dir) {
            return Err(Error::KeyBesideVault {
                key_file: self.key_file,
                data_dir: self.data_dir,
            });
        }
        Ok(self)
    }
}

/// Reads the settings file that was `named`, which must exist, or else the
/// default one, which may be missing.
fn read_file(
    named: Option<&Path>,
    defaults: Option<&Defaults>,
) -> Result<(Option<PathBuf>, File), Error> {
    let path = match (named, defaults) {
        (Some(path), _) => absolute(path.to_owned())?,
        (None, Some(defaults)) => defaults.config_file(),
        (None, None) => return Ok((None, File::default())),
    };
    match File::read(&path)? {
        Some(file) => Ok((Some(path), file)),
        None if named.is_some() => Err(Error::Missing { path }),
        None => Ok((None, File::default())),
    }
}

/// The system's folder of providers, and the one beside the settings file
/// (at `path`, if there is one).
fn platform_dirs(
    path: Option<&Path>,
    file: &File,
    defaults: Option<&Defaults>,
) -> Result<Vec<PathBuf>, Error> {
    let named = file.platform_dir.clone();
    let system = absolute(named.unwrap_or_else(|| paths::PLATFORM_DIR.into()))?;
    let default = || defaults.map(|found| found.config_dir.as_path());
    let folder = path.and_then(Path::parent).or_else(default);
    let mut dirs = vec![system];
    dirs.extend(folder.map(|folder| folder.join(PLATFORM_FOLDER)));
    dirs.dedup();
    Ok(dirs)
}

fn absolute(path: PathBuf) -> Result<PathBuf, Error> {
    std::path::absolute(&path).map_err(|source| Error::NoCurrentDir { path, source })
}
