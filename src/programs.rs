//! The programs of this package, for their `main` functions.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{self, Cli};
use crate::clock::Env;
use crate::config::args::DaemonArgs;
use crate::process;

/// The daemon `agent-authd`: parses its command line, runs until a signal ends
/// it, and reports an error on standard error.
#[must_use]
pub fn agent_authd() -> ExitCode {
    let args = DaemonArgs::parse();
    process::run(&args).unwrap_or_else(|error| {
        // Where standard error is closed, the exit code is all that is left.
        let text = process::explained(&error);
        let _ = writeln!(std::io::stderr(), "agent-authd: {text}");
        ExitCode::FAILURE
    })
}

/// The command line `agent-auth`: parses it, runs the command, and reports an
/// error on standard error.
#[must_use]
pub fn agent_auth() -> ExitCode {
    let cli = Cli::parse();
    // Secrets pass through this process: no core dump, and no access to its
    // memory by other processes of this user.
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_dumpable(false).ok();
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(cli::execute(cli, &Env::system())));
    outcome.unwrap_or_else(|error| {
        cli::report(&error);
        ExitCode::FAILURE
    })
}
