//! `agent-auth token`: one token on standard output, for scripts.
//!
//! It starts no login: where a person is needed, it says with which command,
//! and ends with an exit code of its own.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use super::{PERSON_NEEDED, Wanted, format, output};
use crate::client::Client;
use crate::secret::{AccessToken, ExposeSecret as _};

const EXAMPLES: &str = "\
Examples:
  agent-auth token github --scope repo
  TOKEN=$(agent-auth token google --scope https://www.googleapis.com/auth/drive.readonly) || exit
  agent-auth token github --scope repo --json | jq -r .metadata.expires_at

Ends with exit code 3 when a person must log in first.";

/// Print an access token, and nothing else.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TokenArgs {
    /// Which token.
    #[command(flatten)]
    wanted: Wanted,
    /// Print the daemon's whole answer as JSON
    #[arg(long)]
    json: bool,
}

/// Prints the token.
pub(super) async fn execute(client: &Client, args: &TokenArgs) -> Result<ExitCode> {
    let answer = client
        .authenticate(&args.wanted.request(true))
        .await
        .with_context(|| format!("no token for {}", args.wanted.provider))?;
    if args.json {
        output::json(&answer)?;
    }
    let Some(token) = &answer.token else {
        output::note(&format!(
            "agent-auth: no token for {}: a person must log in first, with:",
            args.wanted.provider
        ));
        output::note(&format!("  {}", format::login_command(&args.wanted)));
        return Ok(ExitCode::from(PERSON_NEEDED));
    };
    if !args.json {
        print(token)?;
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the person at the terminal asked to see it"
)]
fn print(token: &AccessToken) -> Result<()> {
    Ok(output::line(token.expose_secret())?)
}
