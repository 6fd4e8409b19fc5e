//! A daemon that serves: its vault, its listeners, its chores, and their
//! orderly end.
//!
//! It knows nothing of the process around it: no signal, no log, no standard
//! output. So a test can start one anywhere, with a clock of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::sockets::{self, Sockets};
use super::watchdog;
use crate::broker::{Broker, Settings};
use crate::clock::{Ambient, Clock};
use crate::config::{Config, platform};
use crate::http::Api;
use crate::http::socket::ApiListener;
use crate::redirect::listener::RedirectListener;
use crate::redirect::visitor::{Arrival, Welcome};
use crate::server::connection_quota::ConnectionPermit;
use crate::vault::{self, Vault};
use crate::{oauth, redirect, server};

/// How often it is looked whether what was wrong with the vault is over.
/// Timers stand still while a machine sleeps, so nothing relies on a longer one.
const PROBE_INTERVAL: Duration = Duration::from_secs(3);

/// After how many of those the vault is tidied: half a minute.
const PROBES_PER_TIDY: u32 = 10;

/// How long the daemon takes to end at most: a refresh that is under way may
/// take 30 s, and its answer must not be lost.
const STOP_TIMEOUT: Duration = Duration::from_secs(40);

/// A daemon that serves.
#[derive(Debug)]
pub struct Running {
    broker: Broker,
    /// Where the API is.
    socket: PathBuf,
    /// Becomes true when it is to end.
    stop: watch::Sender<bool>,
    /// The listeners and the chores.
    tasks: Vec<JoinHandle<()>>,
}

/// Opens the vault, takes the sockets, and serves from then on.
///
/// # Errors
/// What keeps it from serving, in words that say what to do.
pub async fn start(config: &Config, ambient: Ambient) -> anyhow::Result<Running> {
    let vault = open_vault(config, &ambient)?;
    let clock = Arc::clone(&ambient.clock);
    let Sockets {
        api: socket,
        browsers,
        welcome,
        max_connections,
    } = sockets::open(config)?;
    let path = socket.path().to_owned();
    let oauth = oauth::Client::new(ambient.clone())?;
    let settings = settings(config, &browsers);
    let broker = Broker::new(vault, oauth, ambient.clone(), settings).await?;
    offer_platform(config, &broker);

    let (stop, stopping) = watch::channel(false);
    let background = broker.clone();
    let watching = stopping.clone();
    let tasks = vec![
        tokio::spawn(async move { background.keep_fresh(watching).await }),
        tokio::spawn(serve_socket(
            socket,
            max_connections,
            Api::new(broker.clone(), ambient),
            stopping.clone(),
        )),
        tokio::spawn(serve_browsers(
            browsers,
            (welcome, max_connections),
            broker.clone(),
            stopping.clone(),
        )),
        tokio::spawn(tidy(broker.clone(), clock, stopping)),
    ];
    tokio::spawn(watchdog::run(path.clone(), broker.clone()));
    Ok(Running {
        broker,
        socket: path,
        stop,
        tasks,
    })
}

impl Running {
    /// Where redirects arrive, such as `http://127.0.0.1:8252`.
    #[must_use]
    pub fn redirect_base(&self) -> &str {
        self.broker.redirect_base()
    }

    /// Where the API is: as the settings say, or as the service manager does.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Reads the platform's providers anew.
    pub fn reload(&self, config: &Config) {
        offer_platform(config, &self.broker);
    }

    /// Takes no more connections, lets what is under way end, and returns when
    /// it has; after 40 s in any case.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.broker.begin_stop();
        let ended = async {
            for task in self.tasks {
                // One that panicked has said so.
                let _ = task.await;
            }
            // Last: a request that was still being read may have begun something.
            self.broker.finish_stop().await;
        };
        if tokio::time::timeout(STOP_TIMEOUT, ended).await.is_err() {
            tracing::warn!("some work did not end in time");
        }
    }
}

/// Offers the platform's providers as their files have them now. A fault in
/// one leaves those that are offered: nobody loses a login over a typing error.
fn offer_platform(config: &Config, broker: &Broker) {
    match platform::load(&config.platform_dirs) {
        Ok(providers) => {
            tracing::info!(
                providers = providers.len(),
                "the platform's providers were read"
            );
            broker.offer(providers);
        }
        Err(error) => {
            tracing::error!(error = %error, "the platform's providers were left as they were");
        }
    }
}

fn open_vault(config: &Config, ambient: &Ambient) -> Result<Vault, vault::Error> {
    Vault::open(&config.into(), ambient)
}

fn settings(config: &Config, browsers: &RedirectListener) -> Settings {
    Settings {
        redirect_base: browsers.base(),
        flow_lifetime: i64::try_from(config.flow_lifetime.as_secs()).unwrap_or(i64::MAX),
        max_waiters: usize::try_from(config.max_waiters).unwrap_or(usize::MAX),
        limits: config.limits,
        refresh_active_within: i64::try_from(config.refresh_active_within.as_secs())
            .unwrap_or(i64::MAX),
    }
}

fn serve_socket(
    socket: ApiListener,
    max_connections: usize,
    api: Api,
    stopping: watch::Receiver<bool>,
) -> impl Future<Output = ()> + use<> {
    let answer = move |peer, request| api.clone().answer(peer, request);
    server::serve(socket, max_connections, stopping, answer)
}

fn serve_browsers(
    browsers: RedirectListener,
    (welcome, max_connections): (Welcome, usize),
    broker: Broker,
    stopping: watch::Receiver<bool>,
) -> impl Future<Output = ()> {
    let own_hosts: Arc<[String]> = browsers.own_hosts().into();
    // The permit is held for as long as the connection.
    let answer = move |(arrival, _permit): (Arrival, Option<Arc<ConnectionPermit>>), request| {
        let (broker, own_hosts) = (broker.clone(), Arc::clone(&own_hosts));
        async move { redirect::answer(broker, &own_hosts, welcome, arrival, request).await }
    };
    server::serve(browsers, max_connections, stopping, answer)
}

/// Does what is to be done now and then, until the daemon is to end.
async fn tidy(broker: Broker, clock: Arc<dyn Clock>, mut stopping: watch::Receiver<bool>) {
    broker.survey().await;
    let mut probes = 0;
    loop {
        let told = stopping.wait_for(|stopping| *stopping);
        tokio::select! {
            _ = told => return,
            () = clock.sleep(PROBE_INTERVAL) => {}
        }
        probes += 1;
        if probes < PROBES_PER_TIDY {
            broker.probe().await;
        } else {
            probes = 0;
            broker.tidy().await;
        }
    }
}
