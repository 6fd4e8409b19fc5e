//! Limits log lines that others can cause. The first lines of a kind are
//! written at once, then one per interval with the number of those that were
//! omitted.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The interval.
const INTERVAL: Duration = Duration::from_secs(30);

/// The limit of one kind of line.
#[derive(Debug)]
pub struct LogLimit {
    /// The most lines in an interval.
    burst: u32,
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    began: Instant,
    written: u32,
    suppressed: u64,
}

impl LogLimit {
    /// A bound of `burst` lines per interval.
    #[must_use]
    pub const fn new(burst: u32) -> Self {
        Self {
            burst,
            state: Mutex::new(None),
        }
    }

    /// Whether a line is to be written now. Returns the number of lines that
    /// were omitted since the last one, or `None` if this one is to be omitted.
    #[must_use]
    pub fn admit(&self) -> Option<u64> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut current = match state.take() {
            Some(old) if now.saturating_duration_since(old.began) < INTERVAL => old,
            old => State {
                began: now,
                written: 0,
                suppressed: old.map_or(0, |old| old.suppressed),
            },
        };
        let admitted = (current.written < self.burst).then(|| {
            current.written += 1;
            std::mem::take(&mut current.suppressed)
        });
        if admitted.is_none() {
            current.suppressed += 1;
        }
        *state = Some(current);
        admitted
    }
}

/// Writes a log line that a caller of the API, a browser or a provider can
/// cause any number of times: `log_limited!(1, warn, field = value, "text")`
/// writes one per interval, with the number of omitted lines in the field
/// `suppressed`.
macro_rules! log_limited {
    ($burst:literal, $level:ident, $($line:tt)+) => {{
        static LIMIT: $crate::log_limit::LogLimit = $crate::log_limit::LogLimit::new($burst);
        if let Some(suppressed) = LIMIT.admit() {
            let suppressed = (suppressed > 0).then_some(suppressed);
            tracing::$level!(suppressed, $($line)+);
        }
    }};
}
pub(crate) use log_limited;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_are_written_at_once_then_one_per_interval_with_a_count() {
        let (limit, began) = (LogLimit::new(2), Instant::now());
        let at = |seconds| limit.admit_at(began + Duration::from_secs(seconds));
        assert_eq!(
            [at(0), at(0), at(1), at(29)],
            [Some(0), Some(0), None, None]
        );
        assert_eq!([at(30), at(31), at(32)], [Some(2), Some(0), None]);
        assert_eq!(at(90), Some(1));
        assert_eq!(at(200), Some(0));
    }
}
