//! How much the daemon logs, and in what form.

use clap::ValueEnum;
use strum::Display;
use tracing::level_filters::LevelFilter;

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, Display, PartialEq, Eq, ValueEnum)]
#[strum(serialize_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// The least severe events that are logged.
#[derive(Clone, Copy, Debug, Default, Display, PartialEq, Eq, ValueEnum)]
#[strum(serialize_all = "snake_case")]
pub enum LogLevel {
    /// Failures that need somebody.
    Error,
    /// What may become one.
    Warn,
    /// What happened: logins, refreshes, starts and stops.
    #[default]
    Info,
    /// Every request, without its secrets.
    Debug,
    /// Everything, still without secrets.
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
