//! The daemon's settings: flag before environment before file before default,
//! checked once, and from then on always valid.
//!
//! Nothing here makes or deletes anything, and nothing is opened but the
//! settings' file and the platform's providers, which are read. No secret is ever a setting: neither a flag nor the environment nor
//! this file is a place for one.

pub mod args;
mod change;
mod error;
mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod key_store;
pub mod log;
pub mod platform;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::daemon::options::{
    CAN_CHECK_UID, FLOW_LIFETIME, MAX_CONNECTIONS, MAX_EVENTS, MAX_WAITERS, REFRESH_ACTIVE_WITHIN,
};
use crate::paths::{self, Defaults};
use crate::quota::{Limits, MIB};
use crate::redirect::address::RedirectAddress;
use crate::vault::KeyStore;
use args::Flags;
pub use change::settle_key_store;
pub use error::Error;
use file::File;
use log::{LogFormat, LogLevel};

/// The folder beside the settings' file with further providers.
const PLATFORM_FOLDER: &str = "providers.d";

/// The settings that hold. Every path is absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file they were read from, if there was one.
    pub file: Option<PathBuf>,
    /// Whether every user of the machine is served, each apart, instead of
    /// the one user who started the daemon.
    pub system: bool,
    /// The Unix socket to listen on; it fits into a socket's address.
    pub socket: PathBuf,
    /// The folder of the vault.
    pub data_dir: PathBuf,
    /// Which place keeps the vault's key.
    pub key_store: KeyStore,
    /// The file of the vault's key, where that is its place; not in `data_dir`.
    pub key_file: PathBuf,
    /// The folders of the providers that every local user may log in with:
    /// the system's first, then the one beside the settings' file.
    pub platform_dirs: Vec<PathBuf>,
    /// Where browsers come back to.
    pub redirect_listen: RedirectAddress,
    /// Whether a browser is refused at the redirect listener unless the kernel
    /// says that it is a permitted user's; only where the kernel can be asked.
    pub redirect_check_uid: bool,
    /// The form of the log.
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
    /// How long after it was last handed out a token is still refreshed in the
    /// background; whole seconds.
    pub refresh_active_within: Duration,
}

impl Config {
    /// Puts the settings together: `flags` (with the environment already in
    /// them, as clap does it), then the file, then the defaults: this user's, or
    /// the system's if the daemon is to be the system's.
    ///
    /// # Errors
    /// A file that was named and does not exist, a fault in it, a path that
    /// cannot be used, or no home folder where a default needs one.
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
        let place = |flag: &Option<PathBuf>, file: &Option<PathBuf>| flag.clone().or(file.clone());
        let usual = |pick: fn(&Defaults) -> PathBuf| defaults.clone().map(|found| pick(&found));

        let data_dir = place(&flags.data_dir, &file.data_dir)
            .map_or_else(|| usual(|d| d.data_dir.clone()), Ok)?;
        let key_file =
            place(&flags.key_file, &file.key_file).map_or_else(|| usual(Defaults::key_file), Ok)?;
        let socket = match place(&flags.socket, &file.socket) {
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
            flow_lifetime: Duration::from_secs(file.flow_lifetime.unwrap_or(FLOW_LIFETIME).into()),
            max_connections: file.max_connections.unwrap_or(MAX_CONNECTIONS),
            max_waiters: file.max_waiters.unwrap_or(MAX_WAITERS),
            max_events: file.max_events.unwrap_or(MAX_EVENTS),
            limits: file.limits(),
            refresh_active_within: Duration::from_secs(
                file.refresh_active_within
                    .unwrap_or(REFRESH_ACTIVE_WITHIN)
                    .into(),
            ),
        }
        .checked()
    }

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

    /// The system's folder of the platform's providers.
    fn platform_dir(&self) -> &Path {
        let system = self.platform_dirs.first();
        system.map_or(Path::new(paths::PLATFORM_DIR), PathBuf::as_path)
    }

    /// The settings as a file of them would say it: what `--check-config` prints.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let path = |path: &Path| quoted(&path.to_string_lossy());
        [
            ("system", self.system.to_string()),
            ("socket", path(&self.socket)),
            ("data_dir", path(&self.data_dir)),
            ("key_store", quoted(&self.key_store.to_string())),
            ("key_file", path(&self.key_file)),
            ("platform_dir", path(self.platform_dir())),
            ("redirect_listen", quoted(&self.redirect_listen.to_string())),
            ("redirect_check_uid", self.redirect_check_uid.to_string()),
            ("log_format", quoted(&self.log_format.to_string())),
            ("log_level", quoted(&self.log_level.to_string())),
            ("flow_lifetime", self.flow_lifetime.as_secs().to_string()),
            ("max_connections", self.max_connections.to_string()),
            ("max_waiters", self.max_waiters.to_string()),
            ("max_events", self.max_events.to_string()),
            ("max_providers", self.limits.providers.to_string()),
            ("max_tokens", self.limits.tokens.to_string()),
            ("max_flows", self.limits.flows.to_string()),
            ("max_agent_connections", self.limits.connections.to_string()),
            ("max_stored_mib", (self.limits.bytes / MIB).to_string()),
            (
                "refresh_active_within",
                self.refresh_active_within.as_secs().to_string(),
            ),
        ]
        .map(|(key, value)| format!("{key} = {value}\n"))
        .concat()
    }
}

/// The socket on which a client finds its daemon: the one that is `named`, or
/// the one of this user's own daemon by its settings, or the system's where this
/// user has none.
///
/// # Errors
/// As [`Config::resolve`], or the path that is named is too long.
pub fn socket(named: Option<PathBuf>) -> Result<PathBuf, Error> {
    if let Some(named) = named {
        let socket = absolute(named)?;
        paths::check_socket(&socket)?;
        return Ok(socket);
    }
    let system = paths::system_socket();
    let is_there = |socket: &Path| socket.symlink_metadata().is_ok();
    let own = match own_socket() {
        // A service without a home has no daemon of its own.
        Err(Error::Paths {
            error: paths::Error::NoHome,
        }) if is_there(&system) => return Ok(system),
        own => own?,
    };
    Ok(if !is_there(&own) && is_there(&system) {
        system
    } else {
        own
    })
}

/// The socket of this user's own daemon, by its settings.
fn own_socket() -> Result<PathBuf, Error> {
    let flags = Flags {
        data_dir: std::env::var_os("AGENT_AUTH_DATA_DIR")
            .filter(|value| !value.is_empty())
            .map(PathBuf::from),
        ..Flags::default()
    };
    Config::resolve(&flags).map(|config| config.socket)
}

/// Reads the file that was `named`, which must exist, or else the usual one,
/// which need not.
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

/// The system's folder of providers, and the one beside the settings' file
/// (at `path`, if there is one).
fn platform_dirs(
    path: Option<&Path>,
    file: &File,
    defaults: Option<&Defaults>,
) -> Result<Vec<PathBuf>, Error> {
    let named = file.platform_dir.clone();
    let system = absolute(named.unwrap_or_else(|| paths::PLATFORM_DIR.into()))?;
    let usual = || defaults.map(|found| found.config_dir.as_path());
    let folder = path.and_then(Path::parent).or_else(usual);
    let mut dirs = vec![system];
    dirs.extend(folder.map(|folder| folder.join(PLATFORM_FOLDER)));
    dirs.dedup();
    Ok(dirs)
}

fn absolute(path: PathBuf) -> Result<PathBuf, Error> {
    std::path::absolute(&path).map_err(|source| Error::NoCurrentDir { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> Result<Defaults, paths::Error> {
        Ok(Defaults {
            data_dir: "/home/me/data".into(),
            config_dir: "/nonexistent/config".into(),
            key_dir: "/nonexistent/config".into(),
            runtime_dir: Some("/run/me".into()),
        })
    }

    /// Flags that name a file with this text; the folder goes with the first part.
    fn flags_with_file(text: &str) -> (tempfile::TempDir, Flags) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        let flags = Flags {
            config: Some(path),
            ..Flags::default()
        };
        (folder, flags)
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn with_nothing_said_the_defaults_hold() {
        let config = Config::with_defaults(&Flags::default(), defaults()).unwrap();
        assert_eq!(
            config.to_toml(),
            "system = false\n\
             socket = \"/run/me/agent-auth.sock\"\n\
             data_dir = \"/home/me/data\"\n\
             key_store = \"auto\"\n\
             key_file = \"/nonexistent/config/vault.key\"\n\
             platform_dir = \"/etc/agent-authd/providers.d\"\n\
             redirect_listen = \"127.0.0.1:8252\"\n\
             redirect_check_uid = true\n\
             log_format = \"text\"\n\
             log_level = \"info\"\n\
             flow_lifetime = 600\n\
             max_connections = 1024\n\
             max_waiters = 256\n\
             max_events = 10000\n\
             max_providers = 1000\n\
             max_tokens = 100000\n\
             max_flows = 10000\n\
             max_agent_connections = 100000\n\
             max_stored_mib = 256\n\
             refresh_active_within = 86400\n"
        );
        assert_eq!(config.file, None);
    }

    #[test]
    fn the_systems_daemon_has_places_of_its_own() {
        let by_flag = Flags {
            system: true,
            ..Flags::default()
        };
        let (_folder, by_file) = flags_with_file("system = true\n");
        for flags in [by_flag, by_file] {
            let config = Config::with_defaults(&flags, defaults()).unwrap();
            assert!(config.system);
            let system = Defaults::of_the_system();
            assert_eq!(config.socket, paths::system_socket());
            assert_eq!(config.data_dir, system.data_dir);
            assert_eq!(config.key_file, system.key_file());
        }
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let (_folder, mut flags) =
            flags_with_file("data_dir = '/file'\nlog_level = 'warn'\nmax_events = 7\n");
        flags.data_dir = Some("/flag".into());
        let config = Config::with_defaults(&flags, defaults()).unwrap();
        assert_eq!(config.data_dir, Path::new("/flag"));
        assert_eq!(config.log_level, LogLevel::Warn);
        assert_eq!(config.max_events, 7);
        assert_eq!(config.file, flags.config);
    }

    #[test]
    fn what_check_config_prints_can_be_read_back() {
        let config = Config::with_defaults(&Flags::default(), defaults()).unwrap();
        let (_folder, flags) = flags_with_file(&config.to_toml());
        let again = Config::with_defaults(&flags, defaults()).unwrap();
        assert_eq!(again.to_toml(), config.to_toml());
    }

    #[test]
    fn a_file_that_was_named_must_exist() {
        let flags = Flags {
            config: Some("/nonexistent/config.toml".into()),
            ..Flags::default()
        };
        let error = Config::with_defaults(&flags, defaults()).unwrap_err();
        assert!(matches!(error, Error::Missing { .. }), "{error}");
    }

    #[test]
    fn without_a_home_every_path_must_be_named() {
        let mut flags = Flags {
            data_dir: Some("/d".into()),
            key_file: Some("/k".into()),
            ..Flags::default()
        };
        let error = Config::with_defaults(&flags, Err(paths::Error::NoHome)).unwrap_err();
        assert!(error.to_string().contains("--socket"), "{error}");
        flags.socket = Some("/s".into());
        assert!(Config::with_defaults(&flags, Err(paths::Error::NoHome)).is_ok());
    }

    #[test]
    fn a_key_in_the_vaults_folder_is_refused() {
        let flags = Flags {
            key_file: Some("/home/me/data/vault.key".into()),
            ..Flags::default()
        };
        let error = Config::with_defaults(&flags, defaults()).unwrap_err();
        assert!(error.to_string().contains("--key-file"), "{error}");
    }
}
