//! The command line: parse, do, say what went wrong.

use std::process::ExitCode;

use agent_authd::cli::{self, Cli};
use agent_authd::clock::Env;
use clap::Parser as _;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Secrets pass through this process: no core dump, and no look at its
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
