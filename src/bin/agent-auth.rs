//! The command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    agent_authd::programs::agent_auth()
}
