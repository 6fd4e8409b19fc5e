//! The settings' file: TOML, one flat table, every key known.
//!
//! A fault names the file, the line, the key and what was expected; an unknown
//! key names the nearest known one. Values are checked for their type and
//! range here, for sense together in `config.rs`.

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Error;
use super::log::{LogFormat, LogLevel};
use crate::quota::{Limits, MIB};
use crate::redirect::address::RedirectAddress;
use crate::trusted::Owners;
use crate::vault::KeyStore;

/// Every key, in the order of `--check-config`.
const KEYS: [&str; 20] = [
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

/// What a quota of things can be set to.
const QUOTA: RangeInclusive<u32> = 1..=10_000_000;

/// How alike a mistyped key and a known one must be, from 0 to 1, for the one
/// to be suggested for the other.
const ALIKE: f64 = 0.7;

/// What a file says; `None` where it does not.
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
    pub(super) flow_lifetime: Option<u32>,
    pub(super) max_connections: Option<u32>,
    pub(super) max_waiters: Option<u32>,
    pub(super) max_events: Option<u32>,
    pub(super) max_providers: Option<u32>,
    pub(super) max_tokens: Option<u32>,
    pub(super) max_flows: Option<u32>,
    pub(super) max_agent_connections: Option<u32>,
    pub(super) max_stored_mib: Option<u32>,
    pub(super) refresh_active_within: Option<u32>,
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
        let usual = Limits::default();
        let or = |set: Option<u32>, usual| set.map_or(usual, u64::from);
        Limits {
            providers: or(self.max_providers, usual.providers),
            tokens: or(self.max_tokens, usual.tokens),
            flows: or(self.max_flows, usual.flows),
            connections: or(self.max_agent_connections, usual.connections),
            bytes: or(self.max_stored_mib, usual.bytes / MIB) * MIB,
        }
    }

    fn set(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        match entry.key {
            "system" => self.system = Some(entry.truth()?),
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
            "redirect_check_uid" => self.redirect_check_uid = Some(entry.truth()?),
            "log_format" => self.log_format = Some(entry.choice("\"text\" or \"json\"")?),
            "log_level" => {
                self.log_level =
                    Some(entry.choice("\"error\", \"warn\", \"info\", \"debug\" or \"trace\"")?);
            }
            "flow_lifetime" => self.flow_lifetime = Some(entry.number(10..=86_400)?),
            "max_connections" => self.max_connections = Some(entry.number(1..=65_536)?),
            "max_waiters" => self.max_waiters = Some(entry.number(1..=65_536)?),
            "max_events" => self.max_events = Some(entry.number(0..=10_000_000)?),
            "max_providers" => self.max_providers = Some(entry.number(QUOTA)?),
            "max_tokens" => self.max_tokens = Some(entry.number(QUOTA)?),
            "max_flows" => self.max_flows = Some(entry.number(QUOTA)?),
            "max_agent_connections" => self.max_agent_connections = Some(entry.number(QUOTA)?),
            "max_stored_mib" => self.max_stored_mib = Some(entry.number(1..=1_048_576)?),
            "refresh_active_within" => {
                self.refresh_active_within = Some(entry.number(0..=31_536_000)?);
            }
            _ => return Err(entry.unknown()),
        }
        Ok(())
    }
}

/// The text of the file at `path`, which only this user and root can have
/// written; `None` if there is none.
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

/// One `key = value`, with where it stands.
struct Entry<'a> {
    path: &'a Path,
    line: usize,
    key: &'a str,
    value: &'a Spanned<DeValue<'a>>,
}

impl Entry<'_> {
    /// A path; one that is not absolute is taken from the file's own folder.
    fn path(&self) -> Result<PathBuf, Error> {
        let text = self.text("a path as a string")?;
        if text.is_empty() || text.starts_with('~') {
            return Err(self.wrong("a path, written out in full (~ is not expanded)"));
        }
        Ok(self.path.parent().unwrap_or(Path::new("")).join(text))
    }

    fn address(&self) -> Result<RedirectAddress, Error> {
        let text = self.text("an address as a string, such as \"127.0.0.1:8252\"")?;
        text.parse().map_err(|fault| Error::Address {
            place: format!("{}, line {}: {}", self.path.display(), self.line, self.key),
            fault,
        })
    }

    fn truth(&self) -> Result<bool, Error> {
        match self.value.get_ref() {
            DeValue::Boolean(truth) => Ok(*truth),
            _ => Err(self.wrong("true or false")),
        }
    }

    fn choice<T: ValueEnum>(&self, expected: &str) -> Result<T, Error> {
        T::from_str(self.text(expected)?, false).map_err(|_| self.wrong(expected))
    }

    fn number(&self, range: RangeInclusive<u32>) -> Result<u32, Error> {
        let parsed = match self.value.get_ref() {
            DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        parsed
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                self.wrong(&format!(
                    "a whole number from {} to {}",
                    range.start(),
                    range.end()
                ))
            })
    }

    fn text(&self, expected: &str) -> Result<&str, Error> {
        self.value
            .get_ref()
            .as_str()
            .ok_or_else(|| self.wrong(expected))
    }

    fn wrong(&self, expected: &str) -> Error {
        Error::WrongValue {
            path: self.path.to_owned(),
            line: self.line,
            key: self.key.to_owned(),
            expected: expected.to_owned(),
        }
    }

    fn unknown(&self) -> Error {
        let nearest = KEYS
            .into_iter()
            .map(|known| (strsim::jaro_winkler(self.key, known), known))
            .filter(|(alike, _)| *alike >= ALIKE)
            .max_by(|left, right| left.0.total_cmp(&right.0));
        Error::UnknownKey {
            path: self.path.to_owned(),
            line: self.line,
            key: self.key.to_owned(),
            hint: nearest.map_or_else(
                || format!("known are {}", KEYS.join(", ")),
                |(_, known)| format!("did you mean `{known}`?"),
            ),
        }
    }
}

/// The line, from 1, of the byte at `offset`.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
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
                flow_lifetime: Some(60),
                max_connections: Some(1),
                max_waiters: Some(16),
                max_events: Some(0),
                max_providers: Some(1),
                max_tokens: Some(2),
                max_flows: Some(3),
                max_agent_connections: Some(4),
                max_stored_mib: Some(5),
                refresh_active_within: Some(0),
            }
        );
    }

    #[test]
    fn an_unknown_key_names_its_line_and_the_nearest_known_one() {
        assert_eq!(
            fault("# mine\n\nredirct_listen = 'x'\n"),
            "/etc/a/config.toml, line 3: unknown key `redirct_listen`; did you mean `redirect_listen`?"
        );
        assert!(fault("zzz = 1").contains("known are system, socket, data_dir"));
        assert!(fault("[server]\nsocket = '/s'").contains("line 1: unknown key `server`"));
    }

    #[test]
    fn a_wrong_value_names_its_line_key_and_what_was_expected() {
        assert_eq!(
            fault("\nmax_waiters = 'many'"),
            "/etc/a/config.toml, line 2: `max_waiters` must be a whole number from 1 to 65536"
        );
        assert!(fault("flow_lifetime = -1").contains("`flow_lifetime` must be a whole number"));
        assert!(fault("socket = 1").contains("`socket` must be a path as a string"));
        assert!(fault("socket = '~/s'").contains("~ is not expanded"));
        assert!(fault("system = 'yes'").contains("`system` must be true or false"));
        assert!(fault("log_level = 'loud'").contains("\"info\""));
    }

    #[test]
    fn broken_toml_names_its_line() {
        assert!(fault("socket = '/s'\nlog_level = \n").starts_with("/etc/a/config.toml, line 2: "));
        assert!(fault("socket = '/s'\nsocket = '/t'\n").contains("line 2: "));
    }
}
