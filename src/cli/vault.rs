//! `agent-auth vault`: looking the vault through, copying it, and putting a
//! copy in its place. Works on the files, but for a backup while the daemon
//! runs: that is of the file which the daemon has open.

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
Reads only, whether or not agent-authd is running. Ends with exit code 1 if
something is wrong, and says on standard error what.";

const BACKUP: &str = "\
agent-authd makes one every day, and keeps three, in `backups` in the vault's
folder. The key is not in a backup: keep a copy of it somewhere else. A daemon that
runs gives the copy itself, though the vault's file was deleted or replaced.";

const RESTORE: &str = "\
Stop agent-authd first. What is replaced is kept beside it. Grants of providers
that give a new refresh token with every use may have moved on since the backup
was made; such a login has to be made anew, and the event then says
`rotation_lost`.

Examples:
  agent-auth vault check        lists the backups
  agent-auth vault restore ~/.local/share/agent-authd/backups/vault-20260102T030405Z.db";

/// What can be done with the vault.
#[derive(Clone, Debug, Subcommand)]
pub enum VaultCommand {
    /// Look the vault, its key and its backups through
    #[command(after_help = CHECK)]
    Check(CheckArgs),
    /// Make a backup now
    #[command(after_help = BACKUP)]
    Backup(VaultArgs),
    /// Put a backup in the vault's place
    #[command(after_help = RESTORE)]
    Restore(RestoreArgs),
}

/// How to look.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Where.
    #[command(flatten)]
    places: VaultArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What to restore.
#[derive(Clone, Debug, Args)]
pub struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    from: PathBuf,
    /// Take a backup from before addresses were authenticated: shows each
    /// address that a secret would be sent to, and asks
    #[arg(long)]
    accept_unauthenticated: bool,
    /// Where to.
    #[command(flatten)]
    places: VaultArgs,
}

/// Does it.
pub(super) async fn execute(
    command: &VaultCommand,
    client: &Client,
    env: &Env,
) -> Result<ExitCode> {
    match command {
        VaultCommand::Check(args) => check_vault(args),
        VaultCommand::Backup(places) => {
            let made = back_up(&places.options()?, client, env)
                .await
                .context("the vault was not backed up")?;
            output::line(&made.display().to_string())?;
            Ok(ExitCode::SUCCESS)
        }
        VaultCommand::Restore(args) => restore_vault(args, env),
    }
}

/// Asks the daemon for a copy where it runs and holds this vault: the file of
/// that name may have been deleted or replaced under it.
async fn back_up(options: &Options, client: &Client, env: &Env) -> Result<PathBuf, vault::Error> {
    let is_ours = |folder: &Path| {
        let real = options.data_dir.canonicalize();
        folder == options.data_dir || real.is_ok_and(|real| real == folder)
    };
    match client.copy_vault().await {
        Ok((folder, copy)) if is_ours(&folder) => backup::keep(&copy, &options.data_dir, env.now()),
        // No daemon, that of another vault, or one of an older version.
        _ => backup::now(options, env),
    }
}

fn check_vault(args: &CheckArgs) -> Result<ExitCode> {
    let report = check::check(&args.places.options()?)?;
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
        None => "none that opens the vault".to_owned(),
    };
    output::line(&format!("  key      {key}"))?;
    let secrets = match report.opened as u64 {
        0 => "none can be opened, or none is stored".to_owned(),
        opened => format!("{} can be opened", count(opened, "sealed value")),
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
    let health = if report.is_well() { "ok" } else { "not well" };
    Ok(output::line(&format!("  status   {health}"))?)
}

fn restore_vault(args: &RestoreArgs, env: &Env) -> Result<ExitCode> {
    let options = args.places.options()?;
    let mut accept = |addresses: &[String]| args.accept_unauthenticated && confirms(addresses);
    let restored = restore::restore(&options, &args.from, env, &mut accept)
        .context("nothing was restored; the vault is as it was")?;
    output::line(&format!("restored {}", args.from.display()))?;
    if let Some(replaced) = restored.replaced {
        output::line(&format!(
            "what it replaced is kept in {}",
            replaced.display()
        ))?;
    }
    if restored.in_doubt > 0 {
        output::line(&format!(
            "{} may have moved on since; the next refresh shows it",
            count(restored.in_doubt as u64, "grant")
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows the addresses and asks whether they are right.
fn confirms(addresses: &[String]) -> bool {
    for address in addresses {
        output::note(&format!("  {address}"));
    }
    output::note("Secrets will be sent to these addresses. Type `yes` if each of them is right:");
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
