//! The daemon's command line: `agent-authd [serve] [flags]`.
//!
//! Flags are optional here, whatever their default: a flag that is left out
//! leaves the word to the file (see [`super::Config::resolve`]). clap itself
//! puts a flag before its environment variable.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::log::{LogFormat, LogLevel};
use crate::redirect::address::RedirectAddress;

const EXAMPLES: &str = "\
Examples:
  agent-authd                        serve, with everything in its usual place
  agent-authd --check-config         print the settings that would be used, and end
  agent-authd --redirect-listen localhost:8252
                                     for providers that insist on the name localhost

Settings are looked for in the flags, then in the environment, then in the
file, then the default holds. Every flag has its key in the file (--data-dir is
`data_dir`); further keys there: key_store, platform_dir (a folder of providers for every
local user, /etc/agent-authd/providers.d by default; providers.d beside the file
is read, too), flow_lifetime, max_connections, max_waiters, max_events,
refresh_active_within, redirect_check_uid, and what each user may store: max_providers,
max_tokens, max_flows (logins under way), max_agent_connections, max_stored_mib.";

/// One OAuth token daemon per machine.
///
/// Serves tokens to local agents over a Unix socket, and keeps them in an
/// encrypted vault.
#[derive(Clone, Debug, Parser)]
#[command(name = "agent-authd", version, after_help = EXAMPLES)]
pub struct DaemonArgs {
    /// The settings.
    #[command(flatten)]
    pub flags: Flags,
    /// What to do; without a word, to serve.
    #[command(subcommand)]
    pub command: Option<DaemonCommand>,
}

/// What the daemon's binary can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Subcommand)]
pub enum DaemonCommand {
    /// Serve tokens until told to stop (what happens without a command, too)
    #[default]
    Serve,
}

/// The settings that can be given on the command line.
#[derive(Clone, Debug, Default, Args)]
pub struct Flags {
    /// Serve every user of the machine, each apart, from the system's own
    /// places [default: serve the user who starts it]
    #[arg(long, global = true)]
    pub system: bool,

    /// The Unix socket to listen on [default: $XDG_RUNTIME_DIR/agent-authd/agent-auth.sock,
    /// or agent-auth.sock in the data folder where there is no runtime folder]
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

    /// The file of the vault's key, made where missing; outside the vault's
    /// folder [default: vault.key in the platform's config folder]
    #[arg(long, global = true, value_name = "PATH")]
    pub key_file: Option<PathBuf>,

    /// Where browsers come back to after a login: a loopback address; port 0
    /// picks a free one [default: 127.0.0.1:8252]
    #[arg(long, global = true, value_name = "HOST:PORT")]
    pub redirect_listen: Option<RedirectAddress>,

    /// The settings' file [default: config.toml in the platform's config
    /// folder, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The form of the log on standard error [default: text]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,

    /// The least severe events to log [default: info]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,

    /// Check the settings, print those that would be used as TOML, and end
    #[arg(long, global = true)]
    pub check_config: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        DaemonArgs::command().debug_assert();
    }

    #[test]
    fn flags_stand_before_or_after_serve() {
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
