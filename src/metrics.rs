//! Counters for `GET /metrics`, in the text format of Prometheus.
//!
//! Counters are kept per owner, so that an owner sees only its own. The set of
//! time series is small and fixed: no text of a caller becomes a label.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use crate::identity::Owner;

/// The media type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// An event that is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Series {
    /// A request to the socket was answered.
    Request {
        /// The operation: its method and the pattern of its path. `None` for an
        /// unknown path.
        operation: Option<Arc<str>>,
        /// The first digit of the status.
        class: u16,
    },
    /// A refresh ended.
    Refresh {
        /// The outcome.
        outcome: &'static str,
    },
    /// A token was issued.
    IssuedToken,
}

/// A value that can increase and decrease.
#[derive(Clone, Copy, Debug)]
pub struct Gauge {
    /// The name, without the prefix.
    pub name: &'static str,
    /// The description.
    pub help: &'static str,
    /// The value.
    pub value: u64,
}

/// The counters since the daemon's start.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<BTreeMap<(Series, Owner), u64>>);

/// The prefix of every name.
const PREFIX: &str = "agent_authd";

impl Metrics {
    /// Increments a counter of an owner.
    pub fn count(&self, owner: Owner, series: Series) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((series, owner)).or_default() += 1;
    }

    /// The counters of an owner, or with `None` the sums over all owners,
    /// followed by the gauges.
    #[must_use]
    pub fn text(&self, owner: Option<Owner>, gauges: &[Gauge]) -> String {
        let mut sums = BTreeMap::<Series, u64>::new();
        for ((series, counted_for), count) in
            &*self.0.lock().unwrap_or_else(PoisonError::into_inner)
        {
            if owner.is_none_or(|owner| owner == *counted_for) {
                *sums.entry(series.clone()).or_default() += count;
            }
        }
        let mut text = String::new();
        let mut last = "";
        for (series, count) in sums {
            let (name, help) = series.family();
            if name != last {
                head(&mut text, name, help, "counter");
                last = name;
            }
            line(&mut text, name, &series.labels(), count);
        }
        for gauge in gauges {
            head(&mut text, gauge.name, gauge.help, "gauge");
            line(&mut text, gauge.name, "", gauge.value);
        }
        text
    }
}

impl Series {
    fn family(&self) -> (&'static str, &'static str) {
        match self {
            Self::Request { .. } => ("requests_total", "Requests to the socket."),
            Self::Refresh { .. } => ("refreshes_total", "Refreshes of grants."),
            Self::IssuedToken => ("tokens_handed_out_total", "Tokens issued."),
        }
    }

    fn labels(&self) -> String {
        match self {
            Self::Request { operation, class } => {
                let operation = operation.as_deref().unwrap_or("none");
                format!("{{operation=\"{operation}\",status=\"{class}xx\"}}")
            }
            Self::Refresh { outcome } => format!("{{outcome=\"{outcome}\"}}"),
            Self::IssuedToken => String::new(),
        }
    }
}

fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP {PREFIX}_{name} {help}");
    let _ = writeln!(text, "# TYPE {PREFIX}_{name} {kind}");
}

fn line(text: &mut String, name: &str, labels: &str, value: u64) {
    let _ = writeln!(text, "{PREFIX}_{name}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_sees_only_its_own_counters() {
        let [one, other] = [1, 2].map(|uid| Owner::from_uid(uid).unwrap());
        let metrics = Metrics::default();
        let request = Series::Request {
            operation: Some("GET /ok".into()),
            class: 2,
        };
        metrics.count(one, request.clone());
        metrics.count(one, request.clone());
        metrics.count(other, request);
        metrics.count(other, Series::IssuedToken);
        let tokens = Gauge {
            name: "tokens",
            help: "Tokens stored.",
            value: 3,
        };
        assert_eq!(
            metrics.text(Some(one), &[tokens]),
            "# HELP agent_authd_requests_total Requests to the socket.\n\
             # TYPE agent_authd_requests_total counter\n\
             agent_authd_requests_total{operation=\"GET /ok\",status=\"2xx\"} 2\n\
             # HELP agent_authd_tokens Tokens stored.\n\
             # TYPE agent_authd_tokens gauge\n\
             agent_authd_tokens 3\n"
        );
        let all = metrics.text(None, &[]);
        assert!(all.contains("status=\"2xx\"} 3\n"), "{all}");
        assert!(all.contains("tokens_handed_out_total 1\n"), "{all}");
    }
}
