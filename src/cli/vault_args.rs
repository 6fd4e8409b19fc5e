//! Where the vault and its key lie, for the commands that open them
//! themselves: by the daemon's own settings.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::config::Config;
use crate::config::args::Flags;
use crate::process::vault_options;
use crate::vault;

/// The places, as on the daemon's command line.
#[derive(Clone, Debug, Args)]
pub struct VaultArgs {
    /// The folder of the vault [default: the one in agent-authd's settings]
    #[arg(
        long,
        value_name = "DIR",
        env = "AGENT_AUTH_DATA_DIR",
        hide_env_values = true
    )]
    data_dir: Option<PathBuf>,

    /// The file of the vault's key [default: the one in agent-authd's settings]
    #[arg(long, value_name = "PATH")]
    key_file: Option<PathBuf>,

    /// agent-authd's settings' file [default: config.toml in the platform's
    /// config folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Those of the system's daemon
    #[arg(long)]
    system: bool,
}

impl VaultArgs {
    /// The settings that a daemon would have.
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

    /// How a daemon would open the vault.
    pub(super) fn options(&self) -> Result<vault::Options> {
        Ok(vault_options(&self.config()?))
    }
}
