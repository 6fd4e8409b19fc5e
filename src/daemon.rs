//! Puts the parts together and runs them: settings, log, vault, listeners,
//! signals, and an orderly end.

mod logging;
mod process;
mod readiness;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use nix::unistd::geteuid;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::broker::{Broker, Settings};
use crate::clock::Ambient;
use crate::config::Config;
use crate::config::args::DaemonArgs;
use crate::http::socket::ApiListener;
use crate::http::{Access, Api};
use crate::identity::Owner;
use crate::redirect::listener::RedirectListener;
use crate::vault::{self, Vault};
use crate::{oauth, redirect, server};

/// How often the vault is tidied. Timers stand still while a machine sleeps,
/// so nothing relies on a longer one.
const TIDY_INTERVAL: Duration = Duration::from_secs(30);

/// How long the daemon takes to end at most: a refresh that is under way may
/// take 30 s, and its answer must not be lost.
const STOP_TIMEOUT: Duration = Duration::from_secs(40);

/// Browsers that come back from a login, at once: a person has two hands.
const MAX_BROWSER_CONNECTIONS: usize = 64;

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
        io::stdout()
            .write_all(config.to_toml().as_bytes())
            .context("the settings were not printed")?;
        return Ok(ExitCode::SUCCESS);
    }
    logging::start(&config);
    process::report_panics();
    let ambient = Ambient::system();
    let vault = open_vault(&config, &ambient)?;
    let workers = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MAX_WORKERS);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .context("the runtime did not start")?;
    runtime.block_on(serve(&config, vault, ambient))?;
    Ok(ExitCode::SUCCESS)
}

fn open_vault(config: &Config, ambient: &Ambient) -> Result<Vault, vault::Error> {
    let options = vault::Options {
        data_dir: config.data_dir.clone(),
        key_file: config.key_file.clone(),
        max_events: config.max_events,
    };
    Vault::open(&options, ambient)
}

async fn serve(config: &Config, vault: Vault, ambient: Ambient) -> anyhow::Result<()> {
    let owner = Owner::from_uid(geteuid().as_raw())
        .context("agent-authd cannot run as uid 65534 (nobody): different people share it")?;
    let browsers = RedirectListener::bind(config.redirect_listen)?;
    let socket = ApiListener::bind(&config.socket, Access::User(owner))?;
    let settings = Settings {
        redirect_base: browsers.base(),
        flow_lifetime: i64::try_from(config.flow_lifetime.as_secs()).unwrap_or(i64::MAX),
        max_waiters: usize::try_from(config.max_waiters).unwrap_or(usize::MAX),
    };
    let oauth = oauth::Client::new(ambient.clone())?;
    let broker = Broker::new(vault, oauth, ambient.clone(), settings).await?;

    let (stop, stopping) = watch::channel(false);
    let max_connections = usize::try_from(config.max_connections).unwrap_or(usize::MAX);
    let api = Api::new(broker.clone(), ambient);
    let answer = move |peer, request| api.clone().answer(peer, request);
    let own_hosts: Arc<[String]> = browsers.own_hosts().into();
    let landing = broker.clone();
    let answer_browser = move |_, request| {
        let (broker, own_hosts) = (landing.clone(), Arc::clone(&own_hosts));
        async move { redirect::answer(broker, &own_hosts, request).await }
    };
    let listeners = [
        tokio::spawn(server::serve(
            socket,
            max_connections,
            stopping.clone(),
            answer,
        )),
        tokio::spawn(server::serve(
            browsers,
            MAX_BROWSER_CONNECTIONS,
            stopping,
            answer_browser,
        )),
    ];
    readiness::announce(config, broker.redirect_base());
    let reason = run_until_told(&broker).await?;
    tracing::info!(reason, "stopping");
    readiness::stopping();
    stop.send_replace(true);
    let ended = async {
        broker.stop().await;
        for listener in listeners {
            // A listener that panicked has said so.
            let _ = listener.await;
        }
    };
    if tokio::time::timeout(STOP_TIMEOUT, ended).await.is_err() {
        tracing::warn!("some work did not end in time");
    }
    Ok(())
}

/// Does what is to be done now and then, until a signal comes; its name.
async fn run_until_told(broker: &Broker) -> anyhow::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be received")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be received")?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok("SIGTERM"),
            _ = interrupt.recv() => return Ok("SIGINT"),
            () = tokio::time::sleep(TIDY_INTERVAL) => broker.tidy().await,
        }
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
