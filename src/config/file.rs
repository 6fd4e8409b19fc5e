//! The settings file: TOML, one flat table in which every key is known.
//!
//! An error names the file, the line, the key and the expected value, or the
//! nearest known key. The type and range of each value are checked here; how
//! settings fit together is checked in `config.rs`.

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::Error;
use super::entry::{Entry, line_of};
use super::log::{LogFormat, LogLevel};
use crate::quota::{Limits, MIB};
use crate::redirect::address::RedirectAddress;
use crate::trusted::Owners;
use crate::vault::KeyStore;

/// Every key, in the order of `--check-config`.
pub(super) const KEYS: [&str; 20] = [
    "system",
    "socket",
    "data_dir",
    "key_store",
    "key_file",
    "platform_dir",
    "redirect_listen",
    "redirect_check_uid",
    "log_format",
    "log_level",
    "flow_lifetime",
    "max_connections",
    "max_waiters",
    "max_events",
    "max_providers",
    "max_tokens",
    "max_flows",
    "max_agent_connections",
    "max_stored_mib",
    "refresh_active_within",
];

/// The range of the quotas that count something.
const QUOTA: RangeInclusive<u32> = 1..=10_000_000;

/// The settings in a file; `None` for a key that is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct File {
    pub(super) system: Option<bool>,
    pub(super) socket: Option<PathBuf>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) key_store: Option<KeyStore>,
    pub(super) key_file: Option<PathBuf>,
    pub(super) platform_dir: Option<PathBuf>,
    pub(super) redirect_listen: Option<RedirectAddress>,
    pub(super) redirect_check_uid: Option<bool>,
    pub(super) log_format: Option<LogFormat>,
    pub(super) log_level: Option<LogLevel>,
    pub(super) flow_lifetime: Option<Duration>,
    pub(super) max_connections: Option<u32>,
    pub(super) max_waiters: Option<u32>,
    pub(super) max_events: Option<u32>,
    pub(super) max_providers: Option<u32>,
    pub(super) max_tokens: Option<u32>,
    pub(super) max_flows: Option<u32>,
    pub(super) max_agent_connections: Option<u32>,
    pub(super) max_stored_mib: Option<u32>,
    pub(super) refresh_active_within: Option<Duration>,
}

impl File {
    /// Reads the file at `path`; `None` if there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Error> {
        let text = read_trusted(path)?;
        text.map(|text| Self::parse(path, &text)).transpose()
    }

    /// Parses `text`, the content of the file at `path`.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let table = DeTable::parse(text).map_err(|error| Error::Syntax {
            path: path.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            what: error.message().to_owned(),
        })?;
        let mut file = Self::default();
        for (key, value) in table.into_inner() {
            let entry = Entry {
                path,
                line: line_of(text, key.span().start),
                key: key.get_ref(),
                value: &value,
            };
            file.set(&entry)?;
        }
        Ok(file)
    }

    /// What each owner may store.
    pub(super) fn limits(&self) -> Limits {
        let default = Limits::default();
        let or = |set: Option<u32>, default| set.map_or(default, u64::from);
        Limits {
            providers: or(self.max_providers, default.providers),
            tokens: or(self.max_tokens, default.tokens),
            flows: or(self.max_flows, default.flows),
            connections: or(self.max_agent_connections, default.connections),
            bytes: or(self.max_stored_mib, default.bytes / MIB) * MIB,
        }
    }

    fn set(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        match entry.key {
            "system" => self.system = Some(entry.boolean()?),
            "socket" => self.socket = Some(entry.path()?),
            "data_dir" => self.data_dir = Some(entry.path()?),
            "key_store" => {
                self.key_store = Some(entry.choice(
                    "\"auto\", \"credential\", \"keychain\", \"file\" or \"secret-service\"",
                )?);
            }
            "key_file" => self.key_file = Some(entry.path()?),
            "platform_dir" => self.platform_dir = Some(entry.path()?),
            "redirect_listen" => self.redirect_listen = Some(entry.address()?),
            "redirect_check_uid" => self.redirect_check_uid = Some(entry.boolean()?),
            "log_format" => self.log_format = Some(entry.choice("\"text\" or \"json\"")?),
            "log_level" => {
                self.log_level =
                    Some(entry.choice("\"error\", \"warn\", \"info\", \"debug\" or \"trace\"")?);
            }
            "flow_lifetime" => self.flow_lifetime = Some(entry.seconds(10..=86_400)?),
            "max_connections" => self.max_connections = Some(entry.number(1..=65_536)?),
            "max_waiters" => self.max_waiters = Some(entry.number(1..=65_536)?),
            "max_events" => self.max_events = Some(entry.number(0..=10_000_000)?),
            "max_providers" => self.max_providers = Some(entry.number(QUOTA)?),
            "max_tokens" => self.max_tokens = Some(entry.number(QUOTA)?),
            "max_flows" => self.max_flows = Some(entry.number(QUOTA)?),
            "max_agent_connections" => self.max_agent_connections = Some(entry.number(QUOTA)?),
            "max_stored_mib" => self.max_stored_mib = Some(entry.number(1..=1_048_576)?),
            "refresh_active_within" => {
                self.refresh_active_within = Some(entry.seconds(0..=31_536_000)?);
            }
            _ => return Err(entry.unknown()),
        }
        Ok(())
    }
}

/// The text of the file at `path`; `None` if there is none. A file that another
/// user than this one and root could have written is refused.
pub(super) fn read_trusted(path: &Path) -> Result<Option<String>, Error> {
    let unreadable = |source| Error::Unreadable {
        path: path.to_owned(),
        source,
    };
    let owners = Owners::of_this_process();
    let mut file = match fs::File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(unreadable)?,
    };
    owners.require_way(path)?;
    owners.require_own(path, &file.metadata().map_err(unreadable)?)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unreadable)?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        File::parse(Path::new("/etc/a/config.toml"), text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn every_key_is_read() {
        let file = File::parse(
            Path::new("/etc/a/config.toml"),
            "system = true\nredirect_check_uid = false\nsocket = 'run/s'\ndata_dir = '/d'\nkey_store = 'secret-service'\nkey_file = '/k'\nplatform_dir = 'p'\nredirect_listen = 'localhost:0'\n\
             log_format = 'json'\nlog_level = 'warn'\nflow_lifetime = 60\nmax_connections = 1\n\
             max_waiters = 0x10\nmax_events = 0\nmax_providers = 1\nmax_tokens = 2\nmax_flows = 3\n\
             max_agent_connections = 4\nmax_stored_mib = 5\nrefresh_active_within = 0\n",
        );
        assert_eq!(
            file.unwrap(),
            File {
                system: Some(true),
                redirect_check_uid: Some(false),
                socket: Some("/etc/a/run/s".into()),
                data_dir: Some("/d".into()),
                key_store: Some(KeyStore::SecretService),
                key_file: Some("/k".into()),
                platform_dir: Some("/etc/a/p".into()),
                redirect_listen: Some("localhost:0".parse().unwrap()),
                log_format: Some(LogFormat::Json),
                log_level: Some(LogLevel::Warn),
                flow_lifetime: Some(Duration::from_secs(60)),
                max_connections: Some(1),
                max_waiters: Some(16),
                max_events: Some(0),
                max_providers: Some(1),
                max_tokens: Some(2),
                max_flows: Some(3),
                max_agent_connections: Some(4),
                max_stored_mib: Some(5),
                refresh_active_within: Some(Duration::ZERO),
            }
        );
    }

    #[test]
    fn an_unknown_key_is_reported_with_its_line_and_the_nearest_known_key() {
        assert_eq!(
            error("# mine\n\nredirct_listen = 'x'\n"),
            "/etc/a/config.toml, line 3: unknown key `redirct_listen`; did you mean `redirect_listen`?"
        );
        assert!(error("zzz = 1").contains("the known keys are system, socket, data_dir"));
        assert!(error("[server]\nsocket = '/s'").contains("line 1: unknown key `server`"));
    }

    #[test]
    fn a_wrong_value_is_reported_with_its_line_key_and_expected_value() {
        assert_eq!(
            error("\nmax_waiters = 'many'"),
            "/etc/a/config.toml, line 2: `max_waiters` must be a whole number from 1 to 65536"
        );
        assert!(error("flow_lifetime = -1").contains("`flow_lifetime` must be a whole number"));
        assert!(error("socket = 1").contains("`socket` must be a path as a string"));
        assert!(error("socket = '~/s'").contains("~ is not expanded"));
        assert!(error("system = 'yes'").contains("`system` must be true or false"));
        assert!(error("log_level = 'loud'").contains("\"info\""));
    }

    #[test]
    fn invalid_toml_is_reported_with_its_line() {
        assert!(error("socket = '/s'\nlog_level = \n").starts_with("/etc/a/config.toml, line 2: "));
        assert!(error("socket = '/s'\nsocket = '/t'\n").contains("line 2: "));
    }
}
