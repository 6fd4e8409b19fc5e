//! The daemon as a value: start it inside any program, ask it for tokens over
//! its socket, and shut it down.
//!
//! [`Daemon::builder`] has a default for everything; see [`Builder`] for each.
//! The daemon runs as tasks of the tokio runtime that starts it, which needs
//! its time and network drivers (`enable_all`). It writes its log with
//! [`tracing`] to the subscriber of the program, if there is one.
//!
//! It changes nothing of the process: it installs no logger, signal handler or
//! panic hook, sets no resource limit, umask or environment variable, and
//! confines nothing. The one exception is rustls: where the process has no
//! default cryptography provider, *ring*'s becomes it. The program
//! `agent-authd` is this daemon with a log, signals and confinement around it.
//!
//! ```no_run
//! use agent_authd::Daemon;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let daemon = Daemon::builder()
//!     .data_dir("/var/lib/example/tokens")
//!     .redirect_address("127.0.0.1:0".parse()?)
//!     .start()
//!     .await?;
//! println!("ask at {}", daemon.socket().display());
//! daemon.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod builder;
mod error;
mod health_check;
mod maintenance;
pub(crate) mod options;
mod platform_provider;
mod sockets;
mod start;
mod takeover;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::builder::{Builder, KeySource};
pub use self::error::Error;
pub(crate) use self::health_check::HealthCheck;
pub(crate) use self::options::Options;
pub use self::platform_provider::PlatformProvider;
pub use crate::redirect::address::{RedirectAddress, RedirectAddressError};

use crate::broker::Broker;
use crate::client::Client;
use crate::lock_file::HeldLock;
use crate::provider::Provider;
use crate::server::Phase;

/// How long the daemon goes on serving until the work under way has ended: a
/// refresh may take 30 s, and its answer must not be lost.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(32);

/// The longest time that a shutdown takes.
const STOP_TIMEOUT: Duration = Duration::from_secs(40);

/// A daemon that serves.
///
/// Dropping it without [`Daemon::shutdown`] stops it too, in the background and
/// without waiting for requests under way.
#[derive(Debug)]
pub struct Daemon {
    broker: Broker,
    socket: PathBuf,
    /// The phase of the listeners' end.
    phases: watch::Sender<Phase>,
    /// The lock of the socket's file; none if the service manager bound it.
    socket_lock: Option<HeldLock>,
    /// The listeners, the refresher and the maintenance.
    tasks: Vec<JoinHandle<()>>,
}

impl Daemon {
    /// A daemon with the default settings, not started yet.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The Unix socket of the API.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The base of the addresses that providers redirect browsers to, such as
    /// `http://127.0.0.1:8252`.
    #[must_use]
    pub fn redirect_base(&self) -> &str {
        self.broker.redirect_base()
    }

    /// A client of this daemon.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.socket.clone())
    }

    /// Offers these providers to every user from now on, and no others.
    pub(crate) fn offer(&self, providers: Vec<Provider>) {
        self.broker.providers().set_platform(providers);
    }

    /// What tells whether this daemon still answers.
    pub(crate) fn health_check(&self) -> HealthCheck {
        HealthCheck::new(self.client(), self.broker.clone())
    }

    /// Shuts the daemon down in order. It starts no refresh and no exchange of
    /// a code any more, answers all other requests until those under way have
    /// ended, then closes its listeners. Returns when the last request is
    /// answered, after 40 s at most. Its vault can be opened again then.
    pub async fn shutdown(mut self) {
        if let Some(lock) = self.socket_lock.take() {
            lock.announce_stop();
        }
        self.broker.begin_stop();
        self.phases.send_replace(Phase::Ending);
        let tasks = std::mem::take(&mut self.tasks);
        let ended = async {
            let settled = tokio::time::timeout(SETTLE_TIMEOUT, self.broker.settled());
            if settled.await.is_err() {
                tracing::warn!("some work takes long to end; taking no more connections");
            }
            self.phases.send_replace(Phase::Closing);
            for task in tasks {
                // A panic of the task was logged where it happened.
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

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(lock) = self.socket_lock.take() {
            lock.announce_stop();
        }
        // The listeners end with `phases`.
        self.broker.begin_stop();
    }
}
