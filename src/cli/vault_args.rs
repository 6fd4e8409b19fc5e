//! Which vault and key a command opens: those in the daemon's settings, unless flags
//! name others.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::config::Config;
use crate::config::args::Flags;
use crate::process::vault_options;
use crate::vault;

/// The flags that choose the vault, as for the daemon.
#[derive(Clone, Debug, Args)]
pub struct VaultArgs {
    /// The vault's folder [default: the one in agent-authd's settings]
    #[arg(
        long,
        value_name = "DIR",
        env = "AGENT_AUTH_DATA_DIR",
        hide_env_values = true
    )]
    data_dir: Option<PathBuf>,

    /// The key file [default: the one in agent-authd's settings]
    #[arg(long, value_name = "PATH")]
    key_file: Option<PathBuf>,

    /// The settings file of agent-authd [default: config.toml in the platform's
    /// configuration folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Use the vault of the system daemon
    #[arg(long)]
    system: bool,
}

impl VaultArgs {
    /// The settings that the daemon would use.
    pub(super) fn config(&self) -> Result<Config> {
        let flags = Flags {
            data_dir: self.data_dir.clone(),
            key_file: self.key_file.clone(),
            config: self.config.clone(),
            system: self.system,
            ..Flags::default()
        };
        Ok(Config::resolve(&flags)?)
    }

    /// How the daemon would open the vault.
    pub(super) fn options(&self) -> Result<vault::Options> {
        Ok(vault_options(&self.config()?))
    }
}
