//! The daemon: parse, run, say what went wrong.

use std::io::Write as _;
use std::process::ExitCode;

use agent_authd::config::args::DaemonArgs;
use agent_authd::process;
use clap::Parser as _;

fn main() -> ExitCode {
    let args = DaemonArgs::parse();
    process::run(&args).unwrap_or_else(|error| {
        // Where standard error is closed, the exit code is all that is left.
        let text = process::explained(&error);
        let _ = writeln!(std::io::stderr(), "agent-authd: {text}");
        ExitCode::FAILURE
    })
}
