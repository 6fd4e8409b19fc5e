//! `agent-auth key`: where the vault's key is, a new key, another place.
//! Works on the files, not through the daemon.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::output;
use super::vault_args::VaultArgs;
use crate::clock::Env;
use crate::config::{self, settle_key_store};
use crate::paths::Defaults;
use crate::process::vault_options;
use crate::vault::{self, KeyStore, check, key_move, rotation};

const ROTATE: &str = "\
Stop agent-authd first. Every secret in the vault is sealed anew; then a backup
is made, and what only the old key opens is deleted: the backups, and the
vaults that `vault restore` has replaced. If it is cut
off, agent-authd's next start or another `key rotate` goes on with it.

A key that systemd gives as a credential cannot be changed from here. Write the
new key in a line before the old one, encrypt both with
`systemd-creds encrypt --name=vault-key`, restart the service, and take the old
line out when the log says so.";

const MOVE: &str = "\
Stop agent-authd first. The key is copied and read back, `key_store` is set in
the settings' file, and only then is the old place emptied.

Examples:
  agent-auth key move secret-service
  agent-auth key move file";

/// What can be done with the key.
#[derive(Clone, Debug, Subcommand)]
pub enum KeyCommand {
    /// Show where the key is, and whether it opens the vault
    Status(StatusArgs),
    /// Give the vault a new key
    #[command(after_help = ROTATE)]
    Rotate(VaultArgs),
    /// Keep the key in another place
    #[command(after_help = MOVE)]
    Move(MoveArgs),
}

/// How to show it.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Where.
    #[command(flatten)]
    places: VaultArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Where to.
#[derive(Clone, Debug, Args)]
pub struct MoveArgs {
    /// The new place
    #[arg(value_name = "PLACE", value_parser = place_parser())]
    to: KeyStore,
    /// Where from.
    #[command(flatten)]
    places: VaultArgs,
}

/// Reads a place that can keep the key: every one but `auto`, which chooses
/// among them.
fn place_parser() -> impl TypedValueParser<Value = KeyStore> {
    let places = KeyStore::value_variants().iter();
    let named = places.filter(|place| **place != KeyStore::Auto);
    let offered: Vec<_> = named.filter_map(ValueEnum::to_possible_value).collect();
    PossibleValuesParser::new(offered).try_map(|name| KeyStore::from_str(&name, false))
}

/// Does it.
pub(super) fn execute(command: &KeyCommand, env: &Env) -> Result<ExitCode> {
    match command {
        KeyCommand::Status(args) => status(args)?,
        KeyCommand::Rotate(places) => {
            let rotated = match rotation::rotate(&places.options()?, env) {
                Err(error @ vault::Error::RotationUnfinished { .. }) => return Err(error.into()),
                rotated => rotated.context("the key was not changed")?,
            };
            output::line(&format!(
                "the vault's key is now {}, in {}",
                rotated.key_id, rotated.place
            ))?;
            for path in &rotated.removed {
                output::line(&format!(
                    "deleted {}, which the old key opened",
                    path.display()
                ))?;
            }
        }
        KeyCommand::Move(args) => move_key(args, env)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn status(args: &StatusArgs) -> Result<()> {
    let key = check::key_of(&args.places.options()?)?;
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
        "opens the vault; an older key is not retired yet"
    } else {
        "opens the vault"
    };
    Ok(output::line(&format!("  status   {state}"))?)
}

fn move_key(args: &MoveArgs, env: &Env) -> Result<()> {
    let config = args.places.config()?;
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
    settle_key_store(&file, moving.store).with_context(|| {
        format!("the key is in {to} now, and still in {from}, since the settings cannot name its new place")
    })?;
    let is_emptied = moving
        .finish()
        .with_context(|| format!("the key is in {to} now, and a copy of it is left behind"))?;
    output::line(&format!("the vault's key is now in {to}"))?;
    if !is_emptied {
        output::line(&format!(
            "it is still in {from}: take it out of the service's unit"
        ))?;
    }
    output::line(&format!(
        "{} says so: key_store = \"{}\"",
        file.display(),
        args.to
    ))?;
    Ok(())
}
