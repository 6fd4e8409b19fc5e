//! The daemon.

use std::process::ExitCode;

fn main() -> ExitCode {
    agent_authd::programs::agent_authd()
}
