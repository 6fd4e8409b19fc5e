//! What tests stand on: the daemon in temporary folders, a strict OAuth
//! provider, and a person who logs in.

#![allow(
    dead_code,
    reason = "each test takes what it needs, and not every test is built everywhere"
)]

pub(crate) mod callers;
pub(crate) mod canary;
pub(crate) mod clock;
pub(crate) mod daemon;
pub(crate) mod person;
pub(crate) mod provider;
pub(crate) mod stage;
#[cfg(target_os = "linux")]
pub(crate) mod terminal;
pub(crate) mod waiting;
