//! One entry of the settings file: its value as the type of its setting, or an
//! error that names its place.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use toml::Spanned;
use toml::de::DeValue;

use super::Error;
use super::file::KEYS;
use crate::redirect::address::RedirectAddress;

/// How similar a mistyped key and a known one must be, from 0 to 1, for the known
/// one to be suggested.
const MIN_SIMILARITY: f64 = 0.7;

/// One `key = value`, with its place.
pub(super) struct Entry<'a> {
    /// The settings file.
    pub(super) path: &'a Path,
    /// The line, from 1.
    pub(super) line: usize,
    pub(super) key: &'a str,
    pub(super) value: &'a Spanned<DeValue<'a>>,
}

impl Entry<'_> {
    /// A path; a relative one starts at the folder of the settings file.
    pub(super) fn path(&self) -> Result<PathBuf, Error> {
        let text = self.text("a path as a string")?;
        if text.is_empty() || text.starts_with('~') {
            return Err(self.wrong("a path, written out in full (~ is not expanded)"));
        }
        Ok(self.path.parent().unwrap_or(Path::new("")).join(text))
    }

    pub(super) fn address(&self) -> Result<RedirectAddress, Error> {
        let text = self.text("an address as a string, such as \"127.0.0.1:8252\"")?;
        text.parse().map_err(|why| Error::Address {
            place: format!("{}, line {}: {}", self.path.display(), self.line, self.key),
            why,
        })
    }

    pub(super) fn boolean(&self) -> Result<bool, Error> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Ok(*value),
            _ => Err(self.wrong("true or false")),
        }
    }

    pub(super) fn choice<T: ValueEnum>(&self, expected: &str) -> Result<T, Error> {
        T::from_str(self.text(expected)?, false).map_err(|_| self.wrong(expected))
    }

    pub(super) fn number(&self, range: RangeInclusive<u32>) -> Result<u32, Error> {
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

    /// A whole number of seconds.
    pub(super) fn seconds(&self, range: RangeInclusive<u32>) -> Result<Duration, Error> {
        let seconds = self.number(range)?;
        Ok(Duration::from_secs(seconds.into()))
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

    pub(super) fn unknown(&self) -> Error {
        let nearest = KEYS
            .into_iter()
            .map(|known| (strsim::jaro_winkler(self.key, known), known))
            .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
            .max_by(|left, right| left.0.total_cmp(&right.0));
        Error::UnknownKey {
            path: self.path.to_owned(),
            line: self.line,
            key: self.key.to_owned(),
            hint: nearest.map_or_else(
                || format!("the known keys are {}", KEYS.join(", ")),
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
