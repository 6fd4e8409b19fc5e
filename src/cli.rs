//! The command line `agent-auth`: its words, and one file per command.
//!
//! Results go to standard output, notes to standard error. The exit codes are
//! an interface for scripts: 0, 1 for a failure, 2 for a wrong command line,
//! 3 when a person must log in first; `run` hands on its command's own.

mod bridge;
mod key;
mod login;
mod output;
mod callback_paste;
mod vault_args;
mod provider;
mod run;
mod service;
mod status;
mod token;
mod tokens;
mod vault;
mod format;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::client::{Authenticate, Client};
use crate::clock::Env;
use crate::config;
use crate::identity::{AgentId, ProviderId, Scopes, TokenId, UserId};
use crate::process::explained;
use crate::visible::has_invisible;

/// The exit code when a person must log in before there is a token.
const PERSON_NEEDED: u8 = 3;

const EXAMPLES: &str = "\
Examples:
  agent-auth provider add github --client-id Iv1.0123 --client-secret-file -
  agent-auth login github --scope repo
  TOKEN=$(agent-auth token github --scope repo)
  agent-auth run -- python agent.py

Exit codes:
  0  done
  1  it failed; standard error says why
  2  the command line is wrong
  3  a person must log in first; standard error says with which command
     (`status`: a stored token must be logged in again; its lines say which)
  `run` ends with its command's exit code, or 128 and the signal that ended it.";

/// Get OAuth tokens for local agents from agent-authd.
#[derive(Clone, Debug, Parser)]
#[command(name = "agent-auth", version, after_help = EXAMPLES)]
pub struct Cli {
    /// The daemon's socket [default: $AGENT_AUTH_SOCK, else the one in
    /// agent-authd's settings, else $XDG_RUNTIME_DIR/agent-authd/agent-auth.sock]
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        display_order = 100 // after each command's own flags
    )]
    pub socket: Option<PathBuf>,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the command line can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Manage the OAuth providers that tokens come from
    #[command(subcommand)]
    Provider(provider::ProviderCommand),
    /// Log in at a provider, in the browser
    Login(login::LoginArgs),
    /// Print an access token, and nothing else
    Token(token::TokenArgs),
    /// Look at the stored tokens
    #[command(subcommand)]
    Tokens(tokens::TokensCommand),
    /// Show how the daemon is
    Status(status::StatusArgs),
    /// Run a command that knows only the hosted service's URL and key
    Run(run::RunArgs),
    /// Check, back up or restore the vault
    #[command(subcommand)]
    Vault(vault::VaultCommand),
    /// Look at, renew or move the key of the vault
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Have agent-authd started by itself
    #[command(subcommand)]
    Service(service::ServiceCommand),
}

/// Which token is meant.
#[derive(Clone, Debug, Args)]
pub struct Wanted {
    /// The provider's identifier
    #[arg(value_name = "PROVIDER", value_parser = provider_id)]
    pub provider: ProviderId,

    /// A scope that the token must have; may be repeated, or hold several
    /// with blanks between them
    #[arg(long = "scope", value_name = "SCOPE")]
    pub scopes: Vec<String>,

    /// The human for whom the token speaks [default: your login name]
    #[arg(long, value_name = "USER", value_parser = user_id)]
    pub user: Option<UserId>,

    /// The agent that will use the token
    #[arg(long, value_name = "AGENT", value_parser = agent_id)]
    pub agent: Option<AgentId>,
}

impl Wanted {
    /// The request for it; with `check_only`, one that starts no flow.
    fn request(&self, check_only: bool) -> Authenticate {
        Authenticate {
            provider: self.provider.clone(),
            scopes: Scopes::new(self.scopes.iter().map(String::as_str)),
            user_id: self.user.clone(),
            agent_id: self.agent.clone(),
            check_only,
            force_new: false,
            newer_than: None,
            // Whoever types a command should not have to wait out a backoff.
            try_now: true,
        }
    }
}

/// Does what the command line says.
///
/// # Errors
/// Whatever went wrong, for a person to read; the exit code is then 1.
pub async fn execute(cli: Cli, env: &Env) -> Result<ExitCode> {
    let client = || config::socket(cli.socket.or_else(named_socket)).map(Client::new);
    match cli.command {
        Command::Service(command) => service::execute(command),
        Command::Provider(command) => provider::execute(&client()?, command).await,
        Command::Login(args) => login::execute(&client()?, &args).await,
        Command::Token(args) => token::execute(&client()?, &args).await,
        Command::Tokens(command) => tokens::execute(&client()?, &command, env.now()).await,
        Command::Status(args) => status::execute(&client()?, &args, env.now()).await,
        Command::Vault(command) => vault::execute(&command, &client()?, env).await,
        Command::Key(command) => key::execute(&command, env),
        Command::Run(args) => run::execute(client()?, &args, env).await,
    }
}

/// The socket that the environment names. Read here and not by clap, whose
/// usage lines would show `--socket` as if it had been typed.
fn named_socket() -> Option<PathBuf> {
    let named = std::env::var_os("AGENT_AUTH_SOCK");
    named.filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Says on standard error what went wrong, with every cause.
pub fn report(error: &anyhow::Error) {
    output::note(&format!("agent-auth: {}", explained(error)));
}

fn provider_id(text: &str) -> Result<ProviderId, String> {
    ProviderId::parse(text).ok_or_else(|| {
        "it must be a letter or digit, then up to 127 letters, digits, dots, underscores or hyphens"
            .to_owned()
    })
}

fn token_id(text: &str) -> Result<TokenId, &'static str> {
    TokenId::parse(text).ok_or("it must be a UUID")
}

fn user_id(text: &str) -> Result<UserId, &'static str> {
    check_label(text)?;
    UserId::parse(text).ok_or("it must not be empty")
}

fn agent_id(text: &str) -> Result<AgentId, &'static str> {
    check_label(text)?;
    AgentId::parse(text).ok_or("it must not be empty")
}

fn check_label(text: &str) -> Result<(), &'static str> {
    if has_invisible(text) {
        return Err("it must not have control characters or others that nobody can see");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
