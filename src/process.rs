//! The program `agent-authd`: what its process has beside the daemon itself.
//!
//! It reads the command line and the settings, starts the log, closes and
//! confines the process, handles signals, and tells the service manager that
//! the daemon is ready. The daemon is the one that any program can embed
//! (see [`crate::daemon`]).

mod advice;
mod hardening;
mod logging;
mod readiness;
mod settings;
mod watchdog;

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub use self::advice::explained;
pub use self::settings::vault_options;

use crate::clock::Env;
use crate::config::args::DaemonArgs;
use crate::config::{Config, platform};
use crate::daemon::Daemon;
use crate::inherited;
use crate::provider::Provider;

/// Threads that serve; the vault's writer and name look-ups have their own.
const MAX_WORKERS: usize = 4;

/// Runs the daemon until a signal ends it.
///
/// # Errors
/// What keeps it from serving, in words that say what to do.
pub fn run(args: &DaemonArgs) -> anyhow::Result<ExitCode> {
    hardening::harden()?;
    let config = Config::resolve(&args.flags)?;
    if args.flags.check_config {
        platform::load(&config.platform_dirs)?;
        io::stdout()
            .write_all(config.to_toml().as_bytes())
            .context("the settings were not printed")?;
        return Ok(ExitCode::SUCCESS);
    }
    logging::start(&config);
    hardening::report_panics();
    hardening::confine(&config);
    hardening::raise_descriptor_limit();
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
    let mut stop = StopSignals::new().context("signals cannot be received")?;
    let mut hangup = signal(SignalKind::hangup()).context("signals cannot be received")?;
    let daemon = tokio::select! {
        daemon = start(config, Env::system()) => daemon?,
        // The start may wait for the end of another daemon.
        _ = stop.received() => return Ok(()),
    };
    tokio::spawn(watchdog::run(daemon.health_check()));
    readiness::announce(config, &daemon);
    let reason = loop {
        tokio::select! {
            reason = stop.received() => break reason,
            _ = hangup.recv() => reload(config, &daemon),
        }
    };
    tracing::info!(reason, "stopping");
    readiness::stopping();
    daemon.shutdown().await;
    Ok(())
}

/// Starts the daemon that the settings describe, on the sockets of the service
/// manager if there are any.
///
/// # Errors
/// What keeps it from serving, in words that say what to do.
pub async fn start(config: &Config, env: Env) -> anyhow::Result<Daemon> {
    let inherited = inherited::take()?;
    let mut builder = settings::builder(config)
        .inherited(inherited.api, inherited.redirects)
        .env(env);
    if let Some(providers) = platform_providers(config) {
        builder = builder.offering(providers);
    }
    Ok(builder.start().await?)
}

/// Reads the platform's providers anew. A fault in one of the files keeps the
/// providers that are offered already, so that a typing error ends no login.
fn reload(config: &Config, daemon: &Daemon) {
    if let Some(providers) = platform_providers(config) {
        daemon.offer(providers);
    }
}

/// The platform's providers as their files have them now; `None` if one of the
/// files is invalid, which is logged.
fn platform_providers(config: &Config) -> Option<Vec<Provider>> {
    match platform::load(&config.platform_dirs) {
        Ok(providers) => {
            tracing::info!(
                providers = providers.len(),
                "the platform's providers were read"
            );
            Some(providers)
        }
        Err(error) => {
            tracing::error!(error = %error, "the platform's providers were left as they were");
            None
        }
    }
}

/// The signals that stop the daemon.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Returns when one was received, with its name.
    async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
