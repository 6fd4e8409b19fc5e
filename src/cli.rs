//! The command line `agent-auth`: its arguments, and one file per command.
//!
//! Results go to standard output, notes to standard error. The exit codes are
//! an interface for scripts: 0 for success, 1 for a failure, 2 for invalid
//! arguments, 3 if a person must log in first; `run` returns the exit code of its
//! command.

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
use crate::identity::{AgentId, ProviderId, Scopes, TokenId, UserId, check_label};
use crate::process::explained;

/// The exit code if a person must log in first.
const LOGIN_REQUIRED: u8 = 3;

const EXAMPLES: &str = "\
Examples:
  agent-auth provider add github --client-id Iv1.0123 --client-secret-file -
  agent-auth login github --scope repo
  TOKEN=$(agent-auth token github --scope repo)
  agent-auth run -- python agent.py

Exit codes:
  0  success
  1  failure; standard error says why
  2  invalid arguments
  3  a person must log in first; standard error names the command
     (`status`: a stored token needs a new login; the output says which)
  `run` returns the exit code of its command, or 128 plus the number of the
  signal that ended it.";

/// Get OAuth tokens for local agents from agent-authd.
#[derive(Clone, Debug, Parser)]
#[command(name = "agent-auth", version, after_help = EXAMPLES)]
pub struct Cli {
    /// The socket of agent-authd [default: $AGENT_AUTH_SOCK, else the one in
    /// agent-authd's settings, else $XDG_RUNTIME_DIR/agent-authd/agent-auth.sock]
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        display_order = 100 // after the flags of each command
    )]
    pub socket: Option<PathBuf>,

    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `agent-auth`.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Manage OAuth providers
    #[command(subcommand)]
    Provider(provider::ProviderCommand),
    /// Log in at a provider, in a browser
    Login(login::LoginArgs),
    /// Print an access token
    Token(token::TokenArgs),
    /// List, choose and remove stored tokens
    #[command(subcommand)]
    Tokens(tokens::TokensCommand),
    /// Show the state of the daemon and of the stored tokens
    Status(status::StatusArgs),
    /// Run a program that needs the URL and API key of the hosted service
    Run(run::RunArgs),
    /// Check, back up or restore the vault
    #[command(subcommand)]
    Vault(vault::VaultCommand),
    /// Show, rotate or move the vault's key
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Install or manage the system service
    #[command(subcommand)]
    Service(service::ServiceCommand),
}

/// The token that a command asks for.
#[derive(Clone, Debug, Args)]
pub struct TokenQuery {
    /// The provider's ID
    #[arg(value_name = "PROVIDER", value_parser = provider_id)]
    pub provider: ProviderId,

    /// A scope that the token must have; repeat the flag or separate scopes with
    /// spaces
    #[arg(long = "scope", value_name = "SCOPE")]
    pub scopes: Vec<String>,

    /// The user that the token belongs to [default: your login name]
    #[arg(long, value_name = "USER", value_parser = user_id)]
    pub user: Option<UserId>,

    /// The agent that will use the token
    #[arg(long, value_name = "AGENT", value_parser = agent_id)]
    pub agent: Option<AgentId>,
}

impl TokenQuery {
    /// The request for the token; with `check_only` it starts no flow.
    fn request(&self, check_only: bool) -> Authenticate {
        Authenticate {
            provider: self.provider.clone(),
            scopes: Scopes::new(self.scopes.iter().map(String::as_str)),
            user_id: self.user.clone(),
            agent_id: self.agent.clone(),
            check_only,
            force_new: false,
            newer_than: None,
            // A person at a terminal does not want to wait for a backoff to end.
            try_now: true,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Any failure, as a message for a person; the exit code is then 1.
pub async fn execute(cli: Cli, env: &Env) -> Result<ExitCode> {
    let client = || config::socket(cli.socket.or_else(socket_in_environment)).map(Client::new);
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

/// The socket that the environment names. clap does not read it, because its usage
/// lines would then show `--socket` as if it had been typed.
fn socket_in_environment() -> Option<PathBuf> {
    let named = std::env::var_os("AGENT_AUTH_SOCK");
    named.filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Writes an error and its causes to standard error.
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

fn user_id(text: &str) -> Result<UserId, String> {
    label(text, UserId::parse)
}

fn agent_id(text: &str) -> Result<AgentId, String> {
    label(text, AgentId::parse)
}

/// A label, by the rules that the daemon has for it.
fn label<T>(text: &str, parse: fn(&str) -> Option<T>) -> Result<T, String> {
    check_label(text).map_err(|error| error.to_string())?;
    parse(text).ok_or_else(|| "it must not be empty".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn a_user_and_an_agent_are_checked_by_the_daemons_rules() {
        assert!(user_id("ada").is_ok() && agent_id("coder").is_ok());
        for bad in [String::new(), "a\u{200b}b".to_owned(), "a".repeat(10_000)] {
            assert!(user_id(&bad).is_err() && agent_id(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn clap_accepts_the_command_line() {
        Cli::command().debug_assert();
    }
}
