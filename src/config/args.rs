//! The daemon's command line: `agent-authd [serve] [flags]`.
//!
//! Every flag is optional: without it the settings file decides (see
//! [`super::Config::resolve`]). clap itself gives a flag precedence over its environment
//! variable.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::log::{LogFormat, LogLevel};
use crate::redirect::address::RedirectAddress;

const EXAMPLES: &str = "\
Examples:
  agent-authd                        serve with the default settings
  agent-authd --check-config         check and print the effective settings
  agent-authd --redirect-listen localhost:8252
                                     for providers that require the name localhost

A flag takes precedence over an environment variable, that over the settings file,
and that over the default. Every flag but --config and --check-config has a key in the
settings file (--data-dir is `data_dir`). Further keys: key_store, platform_dir,
flow_lifetime, max_connections, max_waiters, max_events, refresh_active_within,
redirect_check_uid, and the quotas of each user: max_providers, max_tokens, max_flows,
max_agent_connections, max_stored_mib. docs/settings.md describes them.";

/// One OAuth token daemon per machine.
///
/// Stores OAuth grants in an encrypted vault, refreshes them, and serves tokens to
/// local programs over a Unix socket.
#[derive(Clone, Debug, Parser)]
#[command(name = "agent-authd", version, after_help = EXAMPLES)]
pub struct DaemonArgs {
    /// The settings.
    #[command(flatten)]
    pub flags: Flags,
    /// Command to run [default: serve]
    #[command(subcommand)]
    pub command: Option<DaemonCommand>,
}

/// The commands of `agent-authd`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Subcommand)]
pub enum DaemonCommand {
    /// Serve tokens until SIGTERM or SIGINT
    #[default]
    Serve,
}

/// The settings that can be given on the command line.
#[derive(Clone, Debug, Default, Args)]
pub struct Flags {
    /// Serve every user of the machine, each with a separate store, with the
    /// system's default paths [default: serve only the user who starts it]
    #[arg(long, global = true)]
    pub system: bool,

    /// The Unix socket to listen on [default: $XDG_RUNTIME_DIR/agent-authd/agent-auth.sock,
    /// or agent-auth.sock in the data folder if there is no runtime folder]
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "AGENT_AUTH_SOCK",
        hide_env_values = true
    )]
    pub socket: Option<PathBuf>,

    /// The folder of the vault [default: the platform's data folder]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "AGENT_AUTH_DATA_DIR",
        hide_env_values = true
    )]
    pub data_dir: Option<PathBuf>,

    /// The key file, outside the vault's folder; created if the vault is new
    /// [default: vault.key in the platform's configuration folder]
    #[arg(long, global = true, value_name = "PATH")]
    pub key_file: Option<PathBuf>,

    /// The loopback address that providers redirect browsers to after a login;
    /// port 0 chooses a free port [default: 127.0.0.1:8252]
    #[arg(long, global = true, value_name = "HOST:PORT")]
    pub redirect_listen: Option<RedirectAddress>,

    /// The settings file [default: config.toml in the platform's configuration
    /// folder, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The format of the log on standard error [default: text]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,

    /// The least severe events to log [default: info]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,

    /// Check the settings, print the effective ones as TOML, and exit
    #[arg(long, global = true)]
    pub check_config: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn clap_accepts_the_command_line() {
        DaemonArgs::command().debug_assert();
    }

    #[test]
    fn flags_may_be_before_or_after_serve() {
        for words in [
            ["agent-authd", "--key-file", "/k", "serve"],
            ["agent-authd", "serve", "--key-file", "/k"],
        ] {
            let args = DaemonArgs::parse_from(words);
            assert_eq!(args.command, Some(DaemonCommand::Serve));
            assert_eq!(args.flags.key_file, Some("/k".into()));
        }
        assert_eq!(DaemonArgs::parse_from(["agent-authd"]).command, None);
    }
}
