//! `agent-auth service`: has the platform's service manager start agent-authd.
//!
//! The unit files are those of the folders `systemd/` and `launchd/`, with the
//! daemon's own path put in. Doing it twice changes nothing the second time,
//! and each step is told of. Nothing here touches the vault or its key.

mod launchd;
mod steps;
mod systemd;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use nix::unistd::geteuid;

use self::steps::Step;

/// What an uninstallation leaves.
const KEPT: &str = ". The vault and its key stay where they are.";

/// What can be done with the service.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ServiceCommand {
    /// Have agent-authd started by itself, now and from now on
    Install(ServiceArgs),
    /// Undo that; the vault and its key stay
    Uninstall(ServiceArgs),
    /// Show what the service manager knows of it
    Status(ServiceArgs),
    /// Show the end of its log
    Logs(ServiceArgs),
}

/// Which service is meant, and whether to do anything.
#[derive(Clone, Copy, Debug, Args)]
pub struct ServiceArgs {
    /// The machine's service, for every user, instead of your own; needs root
    #[arg(long)]
    system: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Where things are on this machine.
#[derive(Debug)]
struct Installation {
    /// The daemon's binary.
    daemon: PathBuf,
    /// The user's home; the system's service needs none.
    home: PathBuf,
    /// The user's settings, such as `~/.config`.
    config_home: PathBuf,
    system: bool,
    uid: u32,
}

/// Does what was asked for.
pub(super) fn execute(command: ServiceCommand) -> Result<ExitCode> {
    let (ServiceCommand::Install(args)
    | ServiceCommand::Uninstall(args)
    | ServiceCommand::Status(args)
    | ServiceCommand::Logs(args)) = command;
    let place = Installation::find(args.system)?;
    let is_mac = cfg!(target_os = "macos");
    let steps = match command {
        ServiceCommand::Install(_) => {
            place.check_daemon()?;
            if is_mac {
                launchd::install(&place)
            } else {
                systemd::install(&place, systemd::has_user_namespaces())
            }
        }
        ServiceCommand::Uninstall(_) if is_mac => launchd::uninstall(&place),
        ServiceCommand::Uninstall(_) => systemd::uninstall(&place),
        ServiceCommand::Status(_) if is_mac => launchd::status(&place),
        ServiceCommand::Status(_) => systemd::status(&place),
        ServiceCommand::Logs(_) if is_mac => launchd::logs(&place),
        ServiceCommand::Logs(_) => systemd::logs(&place),
    };
    let changes = matches!(
        command,
        ServiceCommand::Install(_) | ServiceCommand::Uninstall(_)
    );
    ensure!(
        !(changes && args.system && !args.dry_run && place.uid != 0),
        "the machine's service is root's to change: use sudo, or leave --system out for your own"
    );
    steps::run(&steps, args.dry_run)
}

impl Installation {
    fn find(system: bool) -> Result<Self> {
        let dirs = directories::BaseDirs::new();
        let dirs = dirs.context("there is no home folder: set HOME")?;
        let beside = std::env::current_exe().context("this program's own place is not known")?;
        Ok(Self {
            daemon: beside.with_file_name("agent-authd"),
            home: dirs.home_dir().to_owned(),
            config_home: dirs.config_dir().to_owned(),
            system,
            uid: geteuid().as_raw(),
        })
    }

    /// The daemon must be there, and where the service can see it.
    fn check_daemon(&self) -> Result<()> {
        let daemon = self.daemon.display();
        ensure!(
            self.daemon.is_file(),
            "agent-authd is not beside agent-auth: there is no {daemon}"
        );
        let text = self.daemon.to_str();
        ensure!(
            text.is_some_and(|text| !text.contains(['\n', '"', '\\'])),
            "the service manager cannot be told of such a path: {daemon}"
        );
        let is_hidden = ["/home", "/root", "/run/user", "/tmp"]
            .iter()
            .any(|folder| self.daemon.starts_with(folder));
        ensure!(
            !(self.system && is_hidden && cfg!(target_os = "linux")),
            "the machine's service cannot see {daemon}: put agent-authd and agent-auth where every user finds them, such as /usr/local/bin, and call that agent-auth"
        );
        Ok(())
    }
}

/// A note to show at the end.
fn note(text: impl Into<String>) -> Step {
    Step::Note(text.into())
}

/// The last step: what has been, or would be, done.
fn done(done: &str, would: &str, what: &str) -> Step {
    Step::Done {
        done: format!("{done}{what}"),
        would: format!("{would}{what}"),
    }
}
