//! The settings for the level and format of the log.

use clap::ValueEnum;
use strum::Display;
use tracing::level_filters::LevelFilter;

/// The format of a log line.
#[derive(Clone, Copy, Debug, Default, Display, PartialEq, Eq, ValueEnum)]
#[strum(serialize_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line, for programs.
    Json,
}

/// The least severe events that are logged.
#[derive(Clone, Copy, Debug, Default, Display, PartialEq, Eq, ValueEnum)]
#[strum(serialize_all = "snake_case")]
pub enum LogLevel {
    /// Failures that need attention.
    Error,
    /// Conditions that may become failures.
    Warn,
    /// Logins, refreshes, starts and stops.
    #[default]
    Info,
    /// Every request, without its secrets.
    Debug,
    /// Everything, also without secrets.
    Trace,
}

impl LogLevel {
    /// The subscriber's filter.
    #[must_use]
    pub fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}
