//! An OAuth token daemon for the agents of one machine, as a library.
//!
//! Agents ask the daemon for tokens over a Unix socket; the kernel says which
//! user is asking. A person logs in once, through a loopback redirect (RFC 8252);
//! the grants are stored encrypted in an SQLite vault and refreshed in one place.
//!
//! [`Daemon`] is the daemon itself, for a program to embed; [`client`] is a typed
//! client of its socket, for this process or another. Both speak in the types of
//! [`identity`], [`secret`] and [`clock`]. With the default feature `cli` the
//! package also builds the programs `agent-authd` and `agent-auth`.
//!
//! | feature | |
//! | --- | --- |
//! | `cli` (default) | the two programs, and their dependencies |
//! | `secret-service` | the vault's key in the desktop's Secret Service |
//! | `internals`, `failpoints`, `fuzzing` | for this repository's own tests; without any stability |

// The modules are the layers, lowest first: a module uses only modules above it
// in this list, and its own children. `tests/it/layers.rs` checks it, and
// ARCHITECTURE.md walks through them.

#![cfg_attr(
    not(feature = "internals"),
    allow(
        unreachable_pub,
        reason = "`pub` marks what a layer offers to those above it; `internals` shows all of it"
    )
)]
#![cfg_attr(
    not(feature = "cli"),
    allow(
        dead_code,
        unused_imports,
        reason = "the command line uses what the daemon alone does not"
    )
)]

mod failpoint;
mod log_limit;
pub mod clock;
pub mod secret;
mod visible;
mod shell;
pub mod identity;
mod provider;
mod token;
mod flow;
mod event;
mod connection;
mod quota;
mod metrics;
mod trusted;
mod paths;
mod lock_file;
mod vault;
mod oauth;
mod broker;
mod api;
pub mod client;
mod advice;
mod server;
mod redirect;
mod http;
pub mod daemon;
#[cfg(feature = "cli")]
mod inherited;
#[cfg(feature = "cli")]
mod atomic_file;
#[cfg(feature = "cli")]
mod config;
#[cfg(feature = "cli")]
mod process;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
pub mod programs;
#[cfg(all(feature = "cli", any(test, feature = "fuzzing")))]
pub mod fuzzing;
#[cfg(feature = "internals")]
pub mod internals;

pub use daemon::Daemon;
