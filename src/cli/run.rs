//! `agent-auth run`: runs a command and a bridge to the daemon for it.
//!
//! The command stays in the terminal's foreground and gets the terminal's signals from
//! the terminal. This process forwards all other signals. It ends after the command and
//! returns the command's exit code.

mod environment;
mod signals;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};

use anyhow::{Context as _, Result};
use clap::Args;
use tokio::process::{Child, Command};

use super::bridge::Bridge;
use super::output;
use crate::client::Client;
use crate::clock::Env;

/// The exit code for a command that exists but cannot be executed, as in POSIX
/// shells (XCU, section 2.8.2).
const NOT_EXECUTABLE: u8 = 126;

/// The exit code for a command that does not exist.
const NOT_FOUND: u8 = 127;

const EXAMPLES: &str = "\
Examples:
  agent-auth run -- python agent.py
  agent-auth run -- npm start

The command gets these environment variables:
  LANGSMITH_API_URL  a loopback port that relays to agent-authd while the command runs
  LANGSMITH_API_KEY  a random key for that port, new for each run
  AGENT_AUTH_SOCK    agent-authd's socket
If a proxy is set, 127.0.0.1 is added to NO_PROXY.

The exit code is the command's, or 128 plus the number of the signal that ended
it; 126 if it cannot be executed, 127 if it is not found.";

/// Run a program that needs the URL and API key of the hosted service.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RunArgs {
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    command: Vec<OsString>,
}

/// Runs the command until it ends.
pub(super) async fn execute(client: Client, args: &RunArgs, env: &Env) -> Result<ExitCode> {
    client.ok().await?;
    let socket = client.socket().to_owned();
    let bridge = Bridge::open(client, env)
        .await
        .context("cannot open a loopback port")?;
    let signals = signals::listen().context("cannot receive signals")?;
    let Some((program, arguments)) = args.command.split_first() else {
        return Ok(ExitCode::from(NOT_FOUND));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    environment::prepare(&mut command, &bridge, &socket);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ok(not_started(program.as_ref(), &error)),
    };
    drop(command); // it contains a copy of the key
    tokio::spawn(bridge.serve());
    wait_for_end(child, signals).await
}

/// Waits for the child to end and forwards signals to it.
async fn wait_for_end(mut child: Child, mut signals: signals::Received) -> Result<ExitCode> {
    loop {
        tokio::select! {
            status = child.wait() => {
                return Ok(exit_code(status.context("cannot wait for the command")?));
            }
            Some(signal) = signals.recv() => {
                if let Some(pid) = child.id() {
                    signals::forward(signal, pid);
                }
            }
        }
    }
}

fn not_started(program: &Path, error: &std::io::Error) -> ExitCode {
    let program = program.display();
    if error.kind() == ErrorKind::NotFound {
        output::note(&format!("agent-auth: {program}: command not found"));
        return ExitCode::from(NOT_FOUND);
    }
    output::note(&format!("agent-auth: cannot execute {program}: {error}"));
    ExitCode::from(NOT_EXECUTABLE)
}

/// The child's exit code, or 128 plus the number of the signal that ended it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from)
}
