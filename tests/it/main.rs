//! The product from outside: real processes, real sockets.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on ends with a panic, in its helpers too"
)]

mod accounts;
mod agents;
mod attribution;
mod authenticate;
mod browser_links;
mod cli;
mod connections;
mod consent;
mod deletion;
mod discovery;
mod docs;
mod embedding;
mod events;
mod examples;
mod layers;
mod limits;
mod log_lines;
mod permissions;
mod platform;
mod quotas;
mod process;
mod refresh;
mod restart;
mod stop;
mod support;
mod tokens;
mod validation;
mod vault;
