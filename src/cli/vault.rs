//! `agent-auth vault`: checks the vault, backs it up, restores a backup. These
//! commands open the files. Only a backup while the daemon runs is made by the daemon,
//! from the file that it has open.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::format::count;
use super::output;
use super::vault_args::VaultArgs;
use crate::client::Client;
use crate::clock::Env;
use crate::vault::check::{Key, Report};
use crate::vault::{self, Options, backup, check, restore};

const CHECK: &str = "\
The command only reads, and agent-authd may be running. If it finds a problem, it
describes it on standard error and the exit code is 1.";

const BACKUP: &str = "\
agent-authd makes a backup every day in the folder `backups` in the vault's folder,
and keeps three. A backup does not contain the key: keep a copy of the key somewhere
else. While agent-authd runs, it makes the backup itself, even if the vault's file was
deleted or replaced.";

const RESTORE: &str = "\
Stop agent-authd first. The replaced vault is kept beside the new one. A provider
that issues a new refresh token at each use may have issued some since the backup was
made. The stored one is then refused: a person must log in again, and the event says
`rotation_lost`.

Examples:
  agent-auth vault check        lists the backups
  agent-auth vault restore ~/.local/share/agent-authd/backups/vault-20260102T030405Z.db";

/// The commands on the vault.
#[derive(Clone, Debug, Subcommand)]
pub enum VaultCommand {
    /// Check the vault, its key and its backups
    #[command(after_help = CHECK)]
    Check(CheckArgs),
    /// Make a backup now
    #[command(after_help = BACKUP)]
    Backup(VaultArgs),
    /// Replace the vault with a backup
    #[command(after_help = RESTORE)]
    Restore(RestoreArgs),
}

/// The arguments of `vault check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Which vault.
    #[command(flatten)]
    vault: VaultArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The arguments of `vault restore`.
#[derive(Clone, Debug, Args)]
pub struct RestoreArgs {
    /// The backup file
    #[arg(value_name = "FILE")]
    from: PathBuf,
    /// Accept a backup from a version that did not authenticate addresses: shows
    /// each address that secrets would be sent to, and asks for confirmation
    #[arg(long)]
    accept_unauthenticated: bool,
    /// Which vault.
    #[command(flatten)]
    vault: VaultArgs,
}

/// Runs the command.
pub(super) async fn execute(
    command: &VaultCommand,
    client: &Client,
    env: &Env,
) -> Result<ExitCode> {
    match command {
        VaultCommand::Check(args) => check_vault(args),
        VaultCommand::Backup(vault_args) => {
            let made = back_up(&vault_args.options()?, client, env)
                .await
                .context("the vault was not backed up")?;
            output::line(&made.display().to_string())?;
            Ok(ExitCode::SUCCESS)
        }
        VaultCommand::Restore(args) => restore_vault(args, env),
    }
}

/// Asks the daemon for a copy if it runs with this vault, because the file of that
/// name may have been deleted or replaced. Otherwise copies the file.
async fn back_up(options: &Options, client: &Client, env: &Env) -> Result<PathBuf, vault::Error> {
    let is_ours = |folder: &Path| {
        let real = options.data_dir.canonicalize();
        folder == options.data_dir || real.is_ok_and(|real| real == folder)
    };
    match client.copy_vault().await {
        Ok((folder, copy)) if is_ours(&folder) => backup::keep(&copy, &options.data_dir, env.now()),
        // There is no daemon, or it has another vault, or it is an older version.
        _ => backup::now(options, env),
    }
}

fn check_vault(args: &CheckArgs) -> Result<ExitCode> {
    let report = check::check(&args.vault.options()?)?;
    if args.json {
        output::json(&Answer::of(&report))?;
    } else {
        show(&report)?;
    }
    for fault in &report.faults {
        output::note(&format!("agent-auth: {fault}"));
    }
    Ok(if report.is_well() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn show(report: &Report) -> Result<()> {
    let kib = report.bytes.div_ceil(1024);
    output::line(&format!("{}", report.file.display()))?;
    output::line(&format!("  vault    schema {}, {kib} KiB", report.schema))?;
    let key = match &report.key {
        Some(Key { place, id, .. }) => format!("{id}, in {place}"),
        None => "none opens the vault".to_owned(),
    };
    output::line(&format!("  key      {key}"))?;
    let secrets = match report.opened as u64 {
        0 => "none is stored, or none can be decrypted".to_owned(),
        opened => format!("{} can be decrypted", count(opened, "encrypted value")),
    };
    output::line(&format!("  secrets  {secrets}"))?;
    let kept = if report.backups.is_empty() {
        "none"
    } else {
        ""
    };
    output::line(format!("  backups  {kept}").trim_end())?;
    for (path, fault) in &report.backups {
        let health = if fault.is_none() { "ok" } else { "damaged" };
        output::line(&format!("    {health}  {}", path.display()))?;
    }
    let health = if report.is_well() {
        "ok"
    } else {
        "problems found"
    };
    Ok(output::line(&format!("  status   {health}"))?)
}

fn restore_vault(args: &RestoreArgs, env: &Env) -> Result<ExitCode> {
    let options = args.vault.options()?;
    let mut accept = |addresses: &[String]| args.accept_unauthenticated && confirms(addresses);
    let restored = restore::restore(&options, &args.from, env, &mut accept)
        .context("nothing was restored; the vault is unchanged")?;
    output::line(&format!("restored {}", args.from.display()))?;
    if let Some(replaced) = restored.replaced {
        output::line(&format!(
            "the replaced vault is kept in {}",
            replaced.display()
        ))?;
    }
    if restored.in_doubt > 0 {
        output::line(&format!(
            "{} may have a newer refresh token at the provider; the next refresh will tell",
            count(restored.in_doubt as u64, "grant")
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows the addresses and asks for confirmation.
fn confirms(addresses: &[String]) -> bool {
    for address in addresses {
        output::note(&format!("  {address}"));
    }
    output::note("Secrets will be sent to these addresses. Type `yes` if all of them are correct:");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && answer.trim() == "yes"
}

/// A report as JSON.
#[derive(Serialize)]
struct Answer<'a> {
    file: String,
    bytes: u64,
    schema: i64,
    key_id: Option<&'a str>,
    key_store: Option<&'a str>,
    opened: usize,
    backups: Vec<BackupAnswer<'a>>,
    faults: &'a [String],
}

#[derive(Serialize)]
struct BackupAnswer<'a> {
    file: String,
    fault: Option<&'a str>,
}

impl<'a> Answer<'a> {
    fn of(report: &'a Report) -> Self {
        let backups = report.backups.iter().map(|(path, fault)| BackupAnswer {
            file: path.display().to_string(),
            fault: fault.as_deref(),
        });
        Self {
            file: report.file.display().to_string(),
            bytes: report.bytes,
            schema: report.schema,
            key_id: report.key.as_ref().map(|key| key.id.as_str()),
            key_store: report.key.as_ref().map(|key| key.store.as_str()),
            opened: report.opened,
            backups: backups.collect(),
            faults: &report.faults,
        }
    }
}
