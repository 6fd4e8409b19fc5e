//! The loopback sockets: both address families on one port.
//!
//! If only 127.0.0.1 were bound, another user of the machine could bind `[::1]` on
//! the same port and receive redirects to `localhost`.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::Pin;
use std::sync::Arc;

use nix::sys::socket::{Backlog, listen};
use tokio::net::{TcpListener, TcpStream};

use super::address::{RedirectAddress, RedirectHost};
use super::peer_user::{Endpoints, PeerUser};
use crate::lock_file::HeldLock;
use crate::server::Listener;
use crate::server::connection_quota::{ConnectionPermit, ConnectionQuota};

/// The uid that connections of unknown users are counted for. It is not the uid of
/// any user (`(uid_t) -1`).
const UNKNOWN_UID: u32 = u32::MAX;

/// The number of attempts to find a port that is free in both families.
const ATTEMPTS: usize = 16;

/// Why the listener cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another program uses the port.
    #[error("{address} is in use by another program, so redirects cannot arrive")]
    Busy {
        /// The address.
        address: SocketAddr,
    },
    /// The service manager's socket has another address than the settings.
    #[error(
        "the service manager's unit listens on {address} for redirects, but the settings name {listen}; set ListenStream= in the unit and redirect_listen in the settings to the same address"
    )]
    Elsewhere {
        /// The address of the unit's socket.
        address: SocketAddr,
        /// The address in the settings.
        listen: RedirectAddress,
    },
    /// The system does not allow it.
    #[error("cannot listen on {address} for redirects: {why}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// The system's error message.
        why: String,
    },
}

/// The bound sockets.
#[derive(Debug)]
pub struct RedirectListener {
    named: TcpListener,
    /// The socket of the other family, if the machine supports it.
    other: Option<TcpListener>,
    host: RedirectHost,
    port: u16,
    /// The connection limits of the peers' users; `None` if peers are not
    /// identified.
    quota: Option<ConnectionQuota>,
    /// Held as long as the port.
    _lock: Option<HeldLock>,
}

impl RedirectListener {
    /// Holds a lock as long as the port. The next daemon waits for the lock and
    /// then finds the port free.
    #[must_use]
    pub fn with_lock(self, lock: Option<HeldLock>) -> Self {
        Self {
            _lock: lock,
            ..self
        }
    }

    /// Limits the connections of each user.
    #[must_use]
    pub fn with_quota(self, quota: ConnectionQuota) -> Self {
        Self {
            quota: Some(quota),
            ..self
        }
    }

    /// Binds both families on the port; for port 0, on a port that is free in both.
    ///
    /// # Errors
    /// [`Error`] names the setting that changes the address.
    pub fn bind(listen: RedirectAddress) -> Result<Self, Error> {
        let mut attempt = Self::bind_once(listen);
        for _ in 1..ATTEMPTS {
            let picked = listen.port == 0;
            if !picked || !matches!(attempt, Err(Error::Busy { .. })) {
                break;
            }
            attempt = Self::bind_once(listen);
        }
        attempt
    }

    /// Takes over sockets that the service manager bound. They must have the
    /// address in the settings. A missing socket of the other family is bound here.
    ///
    /// # Errors
    /// [`Error::Elsewhere`] if they have another address, else as [`Self::bind`].
    pub fn inherit(listen: RedirectAddress, sockets: Vec<StdListener>) -> Result<Self, Error> {
        let [named, other] = listen.addresses();
        let mut first = None;
        let mut second = None;
        for socket in sockets {
            let address = socket
                .local_addr()
                .map_err(|error| refused(named, &error))?;
            let is_port = listen.port == 0 || address.port() == listen.port;
            match address.ip() {
                ip if ip == named.ip() && is_port => first = Some(socket),
                ip if ip == other.ip() && is_port => second = Some(socket),
                _ => return Err(Error::Elsewhere { address, listen }),
            }
        }
        let Some(first) = first else {
            let address = second.and_then(|socket| socket.local_addr().ok());
            let address = address.unwrap_or(other);
            return Err(Error::Elsewhere { address, listen });
        };
        let first = listening(first, named)?;
        let port = port(&first, named)?;
        let second = match second {
            Some(second) => Some(listening(second, other)?),
            None => bind_other(SocketAddr::new(other.ip(), port))?,
        };
        Ok(Self {
            named: first,
            other: second,
            host: listen.host,
            port,
            quota: None,
            _lock: None,
        })
    }

    fn bind_once(listen: RedirectAddress) -> Result<Self, Error> {
        let [named, other] = listen.addresses();
        let first = bind(named)?;
        let port = port(&first, named)?;
        let second = bind_other(SocketAddr::new(other.ip(), port))?;
        Ok(Self {
            named: first,
            other: second,
            host: listen.host,
            port,
            quota: None,
            _lock: None,
        })
    }

    /// The base URL of redirects, such as `http://127.0.0.1:8252`.
    #[must_use]
    pub fn base(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }

    /// The values of `Host` that are accepted.
    #[must_use]
    pub fn own_hosts(&self) -> Vec<String> {
        let named = self.host.to_string();
        let usual = ["127.0.0.1", "[::1]", "localhost"].map(str::to_owned);
        usual
            .into_iter()
            .chain([named])
            .map(|host| format!("{host}:{}", self.port))
            .collect()
    }
}

impl Listener for RedirectListener {
    type Stream = TcpStream;
    type Peer = (Endpoints, Option<Arc<ConnectionPermit>>);
    type Admission = Pin<Box<dyn Future<Output = Option<Self::Peer>> + Send>>;

    async fn accept(&mut self) -> io::Result<(TcpStream, Self::Admission)> {
        let (stream, from) = match &self.other {
            None => self.named.accept().await?,
            Some(other) => tokio::select! {
                accepted = self.named.accept() => accepted?,
                accepted = other.accept() => accepted?,
            },
        };
        let admission = admit(Endpoints::of(&stream, from), self.quota.clone());
        Ok((stream, Box::pin(admission)))
    }
}

/// Takes a permit for a connection of the peer's user; `None` if the user has too
/// many connections or the connection is broken.
async fn admit(
    endpoints: Option<Endpoints>,
    quota: Option<ConnectionQuota>,
) -> Option<(Endpoints, Option<Arc<ConnectionPermit>>)> {
    let endpoints = endpoints?;
    let Some(quota) = quota else {
        return Some((endpoints, None));
    };
    let uid = match endpoints.peer_user().await {
        PeerUser::User(uid) => uid,
        // Unknown users share one limit, as the overflow uid does. Their requests
        // are rejected later, with a page that says why.
        PeerUser::Unknown | PeerUser::Gone => UNKNOWN_UID,
    };
    Some((endpoints, Some(Arc::new(quota.take(uid)?))))
}

fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    // std sets SO_REUSEADDR, so that a restarted daemon can bind its port at once,
    // and not SO_REUSEPORT, with which other programs could share the port.
    let listener = StdListener::bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Error::Busy { address },
        _ => refused(address, &error),
    })?;
    listening(listener, address)
}

/// Binds the address of the other family; `None` if the machine does not support
/// that family, so that no other program can bind it either.
fn bind_other(address: SocketAddr) -> Result<Option<TcpListener>, Error> {
    match bind(address) {
        Err(Error::Refused { why, .. }) => {
            tracing::info!(%address, why, "the other address family is not available");
            Ok(None)
        }
        bound => bound.map(Some),
    }
}

fn listening(listener: StdListener, address: SocketAddr) -> Result<TcpListener, Error> {
    // The longest queue that the system allows: when it is full, a browser's
    // attempt is dropped and repeated after a second.
    if let Err(error) = listen(&listener, Backlog::MAXALLOWABLE) {
        tracing::warn!(error = %error, "cannot lengthen the accept queue");
    }
    listener
        .set_nonblocking(true)
        .map_err(|error| refused(address, &error))?;
    TcpListener::from_std(listener).map_err(|error| refused(address, &error))
}

fn port(listener: &TcpListener, address: SocketAddr) -> Result<u16, Error> {
    let local = listener.local_addr();
    Ok(local.map_err(|error| refused(address, &error))?.port())
}

fn refused(address: SocketAddr, error: &io::Error) -> Error {
    Error::Refused {
        address,
        why: error.to_string(),
    }
}
