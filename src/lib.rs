//! One OAuth token daemon per machine, and its command line.
//!
//! Agents ask `agent-authd` for tokens over a Unix socket; the kernel says who
//! is asking. A person logs in once, through a loopback redirect (RFC 8252);
//! the grants lie encrypted in an SQLite vault and are refreshed in one place.
//!
//! The modules below are the layers, lowest first: a module uses only those
//! above it in this list, and its own children. `tests/it/layers.rs` holds it
//! to that. ARCHITECTURE.md walks through the whole.

mod failpoint;

pub mod log_limit;
pub mod clock;
pub mod secret;
pub mod visible;
pub mod identity;
pub mod provider;
pub mod token;
pub mod flow;
pub mod event;
pub mod connection;
pub mod quota;
pub mod metrics;
pub mod trusted;
pub mod paths;
pub mod lock_file;
pub mod vault;
pub mod config;
pub mod oauth;
pub mod broker;
pub mod api;
pub mod client;
pub mod advice;
pub mod server;
pub mod inherited;
pub mod redirect;
pub mod http;
pub mod daemon;
pub mod process;
pub mod cli;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;

pub use daemon::Daemon;
