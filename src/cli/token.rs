//! `agent-auth token`: prints one token on standard output, for scripts.
//!
//! It starts no login. If a person must log in, it names the command to run and
//! returns a separate exit code.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use super::{LOGIN_REQUIRED, TokenQuery, format, output};
use crate::client::Client;
use crate::secret::{AccessToken, ExposeSecret as _};

const EXAMPLES: &str = "\
Examples:
  agent-auth token github --scope repo
  TOKEN=$(agent-auth token google --scope https://www.googleapis.com/auth/drive.readonly) || exit
  agent-auth token github --scope repo --json | jq -r .metadata.expires_at

The exit code is 3 if a person must log in first.";

/// Print an access token.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TokenArgs {
    /// Which token.
    #[command(flatten)]
    query: TokenQuery,
    /// Print the daemon's complete answer as JSON
    #[arg(long)]
    json: bool,
}

/// Prints the token.
pub(super) async fn execute(client: &Client, args: &TokenArgs) -> Result<ExitCode> {
    let answer = client
        .authenticate(&args.query.request(true))
        .await
        .with_context(|| format!("no token for {}", args.query.provider))?;
    if args.json {
        output::json(&answer)?;
    }
    let Some(token) = &answer.token else {
        output::note(&format!(
            "agent-auth: no token for {}: a person must log in first. Run:",
            args.query.provider
        ));
        output::note(&format!("  {}", format::login_command(&args.query)));
        return Ok(ExitCode::from(LOGIN_REQUIRED));
    };
    if !args.json {
        print(token)?;
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the person asked for the token on standard output"
)]
fn print(token: &AccessToken) -> Result<()> {
    Ok(output::line(token.expose_secret())?)
}
