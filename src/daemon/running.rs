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

use super::sockets::{self, Browsers};
use super::{takeover, watchdog};
use crate::broker::{Broker, Settings};
use crate::clock::{Clock, Env};
use crate::config::{Config, platform};
use crate::http::Api;
use crate::http::socket::ApiListener;
use crate::inherited::{self, Inherited};
use crate::lock_file::HeldLock;
use crate::redirect::listener::RedirectListener;
use crate::redirect::peer_user::{AllowedPeers, Endpoints};
use crate::server::Phase;
use crate::server::connection_quota::ConnectionPermit;
use crate::vault::Vault;
use crate::{oauth, redirect, server};

/// How often it is looked whether what was wrong with the vault is over.
/// Timers stand still while a machine sleeps, so nothing relies on a longer one.
const PROBE_INTERVAL: Duration = Duration::from_secs(3);

/// After how many of those the vault is tidied: half a minute.
const PROBES_PER_MAINTENANCE: u32 = 10;

/// How long the daemon goes on serving until what is under way has ended: a
/// refresh may take 30 s, and its answer must not be lost.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(32);

/// How long the daemon takes to end at most.
const STOP_TIMEOUT: Duration = Duration::from_secs(40);

/// A daemon that serves.
#[derive(Debug)]
pub struct Running {
    broker: Broker,
    /// Where the API is.
    socket: PathBuf,
    /// How far the end of the listeners is.
    phases: watch::Sender<Phase>,
    /// The right to the socket's file.
    socket_lock: Option<HeldLock>,
    /// The listeners and the chores.
    tasks: Vec<JoinHandle<()>>,
}

/// Takes the sockets, opens the vault, and serves from then on. Who connects
/// meanwhile waits in the socket's queue.
///
/// # Errors
/// What keeps it from serving, in words that say what to do.
pub async fn start(config: &Config, env: Env) -> anyhow::Result<Running> {
    let (access, max_connections) = (sockets::access(config)?, sockets::max_connections(config));
    let Inherited { api, redirects } = inherited::take()?;
    let socket = match api {
        Some(socket) => ApiListener::inherit(socket, access, max_connections)?,
        None => {
            let bind = || ApiListener::bind(&config.socket, access, max_connections);
            takeover::attempt(bind).await?
        }
    };
    let (path, socket_lock) = (socket.path().to_owned(), socket.lock().cloned());
    let options = super::vault_options(config);
    let vault = takeover::attempt(|| Vault::open(&options, &env)).await?;
    let clock = Arc::clone(&env.clock);
    let browsers = Browsers::open(config, redirects, (access, max_connections))?;
    let listener = browsers.listener.with_lock(socket_lock.clone());
    let oauth = oauth::Client::new(env.clone())?;
    let settings = settings(config, &listener);
    let broker = Broker::new(vault, oauth, env.clone(), settings).await?;
    offer_platform(config, &broker);

    let (phases, phase) = watch::channel(Phase::Serving);
    let background = broker.clone();
    let tasks = vec![
        tokio::spawn(async move { background.refresher().run(background.stopping()).await }),
        tokio::spawn(serve_socket(
            socket,
            max_connections,
            Api::new(broker.clone(), env),
            phase.clone(),
        )),
        tokio::spawn(serve_browsers(
            listener,
            (browsers.allowed, max_connections),
            broker.clone(),
            phase,
        )),
        tokio::spawn(run_maintenance(broker.clone(), clock, broker.stopping())),
    ];
    tokio::spawn(watchdog::run(path.clone(), broker.clone()));
    Ok(Running {
        broker,
        socket: path,
        phases,
        socket_lock,
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

    /// Begins nothing that cannot be repeated, answers all else until what is
    /// under way has ended, then closes the listeners, and returns when the
    /// last request is answered; after 40 s in any case.
    pub async fn stop(self) {
        let Self {
            broker,
            phases,
            socket_lock,
            tasks,
            ..
        } = self;
        if let Some(lock) = socket_lock {
            lock.announce_stop();
        }
        broker.begin_stop();
        phases.send_replace(Phase::Ending);
        let ended = async {
            let settled = tokio::time::timeout(SETTLE_TIMEOUT, broker.settled());
            if settled.await.is_err() {
                tracing::warn!("some work takes long to end; taking no more connections");
            }
            phases.send_replace(Phase::Closing);
            for task in tasks {
                // One that panicked has said so.
                let _ = task.await;
            }
            // Last: a request that was still being read may have begun something.
            broker.finish_stop().await;
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
            broker.providers().set_platform(providers);
        }
        Err(error) => {
            tracing::error!(error = %error, "the platform's providers were left as they were");
        }
    }
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
    phases: watch::Receiver<Phase>,
) -> impl Future<Output = ()> + use<> {
    let answer = move |peer, request| api.clone().answer(peer, request);
    server::serve(socket, max_connections, phases, answer)
}

fn serve_browsers(
    browsers: RedirectListener,
    (allowed, max_connections): (AllowedPeers, usize),
    broker: Broker,
    phases: watch::Receiver<Phase>,
) -> impl Future<Output = ()> {
    let own_hosts: Arc<[String]> = browsers.own_hosts().into();
    // The permit is held for as long as the connection.
    let answer = move |(endpoints, _permit): (Endpoints, Option<Arc<ConnectionPermit>>),
                       request| {
        let (broker, own_hosts) = (broker.clone(), Arc::clone(&own_hosts));
        async move { redirect::answer(broker, &own_hosts, allowed, endpoints, request).await }
    };
    server::serve(browsers, max_connections, phases, answer)
}

/// Does what is to be done now and then, until the daemon is to end.
async fn run_maintenance(
    broker: Broker,
    clock: Arc<dyn Clock>,
    mut stopping: watch::Receiver<bool>,
) {
    broker.maintenance().survey().await;
    let mut probes = 0;
    loop {
        let told = stopping.wait_for(|stopping| *stopping);
        tokio::select! {
            _ = told => return,
            () = clock.sleep(PROBE_INTERVAL) => {}
        }
        probes += 1;
        if probes < PROBES_PER_MAINTENANCE {
            broker.maintenance().probe().await;
        } else {
            probes = 0;
            broker.maintenance().run().await;
        }
    }
}
