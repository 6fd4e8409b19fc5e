//! The daemon: parse, run, say what went wrong.

use std::io::Write as _;
use std::process::ExitCode;

use agent_authd::config::args::DaemonArgs;
use agent_authd::daemon;
use clap::Parser as _;

fn main() -> ExitCode {
    let args = DaemonArgs::parse();
    daemon::run(&args).unwrap_or_else(|error| {
        // Nobody is left to tell if standard error is gone.
        let text = daemon::explained(&error);
        let _ = writeln!(std::io::stderr(), "agent-authd: {text}");
        ExitCode::FAILURE
    })
}
