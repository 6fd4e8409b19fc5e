//! `agent-auth key`: shows where the vault's key is, rotates it, moves it.
//! These commands open the files; they do not ask the daemon.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::output;
use super::vault_args::VaultArgs;
use crate::clock::Env;
use crate::config::{self, set_key_store};
use crate::paths::Defaults;
use crate::process::vault_options;
use crate::vault::{self, KeyStore, check, key_move, rotation};

const ROTATE: &str = "\
Stop agent-authd first. The command encrypts every secret in the vault with the
new key and makes a backup. It then deletes what only the old key opens: older
backups, and vaults that `vault restore` has replaced. After an interruption, the
next start of agent-authd or another `key rotate` continues the rotation.

This command cannot change a key that systemd passes as a credential. Write the
new key on a line before the old one, encrypt both with
`systemd-creds encrypt --name=vault-key`, restart the service, and remove the old
line when the log says that the rotation is complete.";

const MOVE: &str = "\
Stop agent-authd first. The command copies the key, reads the copy back, sets
`key_store` in the settings file, and then removes the key from the old place.

Examples:
  agent-auth key move secret-service
  agent-auth key move file";

/// The commands on the vault's key.
#[derive(Clone, Debug, Subcommand)]
pub enum KeyCommand {
    /// Show where the key is and whether it opens the vault
    Status(StatusArgs),
    /// Replace the key with a new one
    #[command(after_help = ROTATE)]
    Rotate(VaultArgs),
    /// Move the key to another key store
    #[command(after_help = MOVE)]
    Move(MoveArgs),
}

/// The arguments of `key status`.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Which vault.
    #[command(flatten)]
    vault: VaultArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The arguments of `key move`.
#[derive(Clone, Debug, Args)]
pub struct MoveArgs {
    /// The new key store
    #[arg(value_name = "PLACE", value_parser = store_parser())]
    to: KeyStore,
    /// Which vault.
    #[command(flatten)]
    vault: VaultArgs,
}

/// Parses a key store that can keep the key: all but `auto`, which chooses among
/// the others.
fn store_parser() -> impl TypedValueParser<Value = KeyStore> {
    let stores = KeyStore::value_variants().iter();
    let named = stores.filter(|store| **store != KeyStore::Auto);
    let offered: Vec<_> = named.filter_map(ValueEnum::to_possible_value).collect();
    PossibleValuesParser::new(offered).try_map(|name| KeyStore::from_str(&name, false))
}

/// Runs the command.
pub(super) fn execute(command: &KeyCommand, env: &Env) -> Result<ExitCode> {
    match command {
        KeyCommand::Status(args) => status(args)?,
        KeyCommand::Rotate(vault_args) => {
            let rotated = match rotation::rotate(&vault_args.options()?, env) {
                Err(error @ vault::Error::RotationUnfinished { .. }) => return Err(error.into()),
                rotated => rotated.context("the key was not changed")?,
            };
            output::line(&format!(
                "the vault's key is now {}, in {}",
                rotated.key_id, rotated.place
            ))?;
            for path in &rotated.removed {
                output::line(&format!(
                    "deleted {}, which only the old key opens",
                    path.display()
                ))?;
            }
        }
        KeyCommand::Move(args) => move_key(args, env)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn status(args: &StatusArgs) -> Result<()> {
    let key = check::key_of(&args.vault.options()?)?;
    if args.json {
        return Ok(output::json(&json!({
            "key_id": key.id,
            "key_store": key.store,
            "place": key.place,
            "is_rotating": key.is_rotating,
        }))?);
    }
    output::line(&format!("key {}", key.id))?;
    output::line(&format!("  kept in  {} ({})", key.place, key.store))?;
    let state = if key.is_rotating {
        "opens the vault; the rotation from an older key is not complete"
    } else {
        "opens the vault"
    };
    Ok(output::line(&format!("  status   {state}"))?)
}

fn move_key(args: &MoveArgs, env: &Env) -> Result<()> {
    let config = args.vault.config()?;
    let file: PathBuf = match &config.file {
        Some(file) => file.clone(),
        None if config.system => Defaults::of_the_system().config_file(),
        None => Defaults::of_this_user()
            .map_err(config::Error::from)?
            .config_file(),
    };
    let moving = key_move::move_key(&vault_options(&config), args.to, env)
        .context("the key was not moved")?;
    let (from, to) = (moving.from.clone(), moving.to.clone());
    set_key_store(&file, moving.store).with_context(|| {
        format!("the key was copied to {to} and is still in {from}, since the settings file was not changed")
    })?;
    let is_emptied = moving
        .finish()
        .with_context(|| format!("the key is now in {to}, but the old copy was not removed"))?;
    output::line(&format!("the vault's key is now in {to}"))?;
    if !is_emptied {
        output::line(&format!(
            "a copy is still in {from}: remove it from the service unit"
        ))?;
    }
    output::line(&format!(
        "set key_store = \"{}\" in {}",
        args.to,
        file.display()
    ))?;
    Ok(())
}
