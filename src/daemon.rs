//! Puts the parts together and runs them: settings, log, vault, listeners,
//! signals, and an orderly end.

mod advice;
mod logging;
mod process;
mod readiness;
mod running;
mod sockets;
mod takeover;
mod watchdog;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

pub use self::advice::explained;
pub use self::running::{Running, start};

use crate::clock::Env;
use crate::config::args::DaemonArgs;
use crate::config::{Config, platform};
use crate::vault;

/// Threads that serve; the vault's writer and name look-ups have their own.
const MAX_WORKERS: usize = 4;

/// Runs the daemon until it is told to end.
///
/// # Errors
/// What keeps it from serving, in words that say what to do.
pub fn run(args: &DaemonArgs) -> anyhow::Result<ExitCode> {
    process::harden()?;
    let config = Config::resolve(&args.flags)?;
    if args.flags.check_config {
        platform::load(&config.platform_dirs)?;
        io::stdout()
            .write_all(config.to_toml().as_bytes())
            .context("the settings were not printed")?;
        return Ok(ExitCode::SUCCESS);
    }
    logging::start(&config);
    process::report_panics();
    process::confine(&config);
    let workers = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MAX_WORKERS);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .context("the runtime did not start")?;
    runtime.block_on(serve(&config))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be received")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be received")?;
    let mut hangup = signal(SignalKind::hangup()).context("signals cannot be received")?;
    let running = tokio::select! {
        running = start(config, Env::system()) => running?,
        // It waits for the end of another daemon.
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    readiness::announce(config, &running);
    let reason = loop {
        tokio::select! {
            _ = terminate.recv() => break "SIGTERM",
            _ = interrupt.recv() => break "SIGINT",
            _ = hangup.recv() => running.reload(config),
        }
    };
    tracing::info!(reason, "stopping");
    readiness::stopping();
    running.stop().await;
    Ok(())
}

/// How the vault is opened by these settings.
#[must_use]
pub fn vault_options(config: &Config) -> vault::Options {
    vault::Options {
        data_dir: config.data_dir.clone(),
        key_store: config.key_store,
        key_file: config.key_file.clone(),
        max_events: config.max_events,
    }
}

/// How a shell would call the command line that belongs to this daemon: by
/// its name where that is found, else by its place beside the daemon.
fn client_command() -> String {
    const NAME: &str = "agent-auth";
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(NAME).is_file()) {
        return NAME.to_owned();
    }
    let beside = std::env::current_exe()
        .ok()
        .map(|exe| exe.with_file_name(NAME));
    let beside = beside.filter(|path: &std::path::PathBuf| Path::is_file(path));
    beside.map_or_else(|| NAME.to_owned(), |path| path.display().to_string())
}
