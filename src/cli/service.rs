//! `agent-auth service`: installs agent-authd with the platform's service manager.
//!
//! The unit files are those in the folders `systemd/` and `launchd/`, with the path of
//! this daemon. Each step is printed. A second installation changes nothing. These
//! commands do not touch the vault or its key.

mod launchd;
mod steps;
mod systemd;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use nix::unistd::geteuid;

use self::steps::Step;

/// What an uninstallation keeps.
const KEPT: &str = ". The vault and its key were not removed.";

/// The commands on the service.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ServiceCommand {
    /// Install the service and start its sockets
    Install(ServiceArgs),
    /// Stop and remove the service; keep the vault and its key
    Uninstall(ServiceArgs),
    /// Show the service manager's status of the service
    Status(ServiceArgs),
    /// Show the end of the log
    Logs(ServiceArgs),
}

/// The arguments of each command.
#[derive(Clone, Copy, Debug, Args)]
pub struct ServiceArgs {
    /// The system service, for every user, instead of your own; requires root
    #[arg(long)]
    system: bool,
    /// Print the steps without doing them
    #[arg(long)]
    dry_run: bool,
}

/// Where the service is installed.
#[derive(Debug)]
struct Installation {
    /// The daemon's program file.
    daemon: PathBuf,
    /// The user's home folder; not used for the system service.
    home: PathBuf,
    /// The user's configuration folder, such as `~/.config`.
    config_home: PathBuf,
    system: bool,
    uid: u32,
}

/// Runs the command.
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
        "only root can change the system service: use sudo, or leave out --system for your own service"
    );
    steps::run(&steps, args.dry_run)
}

impl Installation {
    fn find(system: bool) -> Result<Self> {
        let dirs = directories::BaseDirs::new();
        let dirs = dirs.context("the home folder is unknown: set HOME")?;
        let beside = std::env::current_exe().context("the path of this program is unknown")?;
        Ok(Self {
            daemon: beside.with_file_name("agent-authd"),
            home: dirs.home_dir().to_owned(),
            config_home: dirs.config_dir().to_owned(),
            system,
            uid: geteuid().as_raw(),
        })
    }

    /// Checks that the daemon is beside this program and that the service can read it.
    fn check_daemon(&self) -> Result<()> {
        let daemon = self.daemon.display();
        ensure!(
            self.daemon.is_file(),
            "agent-authd must be beside agent-auth, but {daemon} does not exist"
        );
        let text = self.daemon.to_str();
        ensure!(
            text.is_some_and(|text| !text.contains(['\n', '"', '\\'])),
            "the service manager cannot use this path, because of a quote, backslash or line end in it: {daemon}"
        );
        let is_hidden = ["/home", "/root", "/run/user", "/tmp"]
            .iter()
            .any(|folder| self.daemon.starts_with(folder));
        ensure!(
            !(self.system && is_hidden && cfg!(target_os = "linux")),
            "the system service cannot read {daemon}: install agent-authd and agent-auth in a folder such as /usr/local/bin and run agent-auth from there"
        );
        Ok(())
    }
}

/// A step that prints a note.
fn note(text: impl Into<String>) -> Step {
    Step::Note(text.into())
}

/// The last step, which prints the result.
fn done(done: &str, would: &str, what: &str) -> Step {
    Step::Done {
        done: format!("{done}{what}"),
        would: format!("{would}{what}"),
    }
}
