//! The log, on standard error: text for a person, JSON for a collector.

use std::io::{self, IsTerminal as _};

use crate::config::Config;
use crate::config::log::LogFormat;

/// Starts the log. A log that was started before stays.
pub(super) fn start(config: &Config) {
    let log = tracing_subscriber::fmt()
        .with_max_level(config.log_level.filter())
        // A log on a full disk loses lines. Reporting that on standard error,
        // which is that log, would panic, and a panic in the panic hook aborts.
        .log_internal_errors(false)
        .with_writer(io::stderr);
    // An error means that there is a log already.
    let _ = match config.log_format {
        LogFormat::Json => log.json().flatten_event(true).try_init(),
        LogFormat::Text => log.with_target(false).with_ansi(is_coloured()).try_init(),
    };
}

/// On a terminal, unless the person said no (<https://no-color.org>).
fn is_coloured() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
