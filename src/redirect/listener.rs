//! The loopback sockets: both address families on one port.
//!
//! Holding 127.0.0.1 alone would let another user of the machine take `[::1]`
//! on the same port, and with it redirects to `localhost`.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};

use tokio::net::{TcpListener, TcpStream};

use crate::config::listen::{LoopbackHost, RedirectListen};
use crate::server::Listener;

/// How often a free port is looked for that both families have.
const ATTEMPTS: usize = 16;

/// Why the listener cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else holds the port.
    #[error(
        "{address} is in use by another program, so redirects could not arrive; choose another port with --redirect-listen (and register the new address with your providers), or end that program"
    )]
    Busy {
        /// The address.
        address: SocketAddr,
    },
    /// The system refuses it.
    #[error(
        "cannot listen on {address} for redirects: {why}; another address can be set with --redirect-listen"
    )]
    Refused {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        why: String,
    },
}

/// The bound sockets.
#[derive(Debug)]
pub struct RedirectListener {
    named: TcpListener,
    /// The other family, where the machine has it.
    other: Option<TcpListener>,
    host: LoopbackHost,
    port: u16,
}

impl RedirectListener {
    /// Binds both families on the port; for port 0, on one that is free in
    /// both.
    ///
    /// # Errors
    /// [`Error`] names the setting that changes the address.
    pub fn bind(listen: RedirectListen) -> Result<Self, Error> {
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

    fn bind_once(listen: RedirectListen) -> Result<Self, Error> {
        let [named, other] = listen.addresses();
        let first = bind(named)?;
        let port = first
            .local_addr()
            .map_err(|error| refused(named, &error))?
            .port();
        let second = match bind(SocketAddr::new(other.ip(), port)) {
            Ok(second) => Some(second),
            // A machine without the other family has nobody else on it either.
            Err(Error::Refused { why, .. }) => {
                tracing::info!(address = %other, why, "the other address family is not available");
                None
            }
            Err(busy) => return Err(busy),
        };
        Ok(Self {
            named: first,
            other: second,
            host: listen.host,
            port,
        })
    }

    /// Where redirects arrive, such as `http://127.0.0.1:8252`.
    #[must_use]
    pub fn base(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }

    /// Every `Host` that this listener answers to.
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
    type Peer = SocketAddr;

    async fn accept(&mut self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        let (stream, address) = match &self.other {
            None => self.named.accept().await?,
            Some(other) => tokio::select! {
                accepted = self.named.accept() => accepted?,
                accepted = other.accept() => accepted?,
            },
        };
        Ok((stream, Some(address)))
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    // std sets SO_REUSEADDR, which lets a restarted daemon have its port back
    // at once, and never SO_REUSEPORT, which would let others share it.
    let listener = StdListener::bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Error::Busy { address },
        _ => refused(address, &error),
    })?;
    listener
        .set_nonblocking(true)
        .map_err(|error| refused(address, &error))?;
    TcpListener::from_std(listener).map_err(|error| refused(address, &error))
}

fn refused(address: SocketAddr, error: &io::Error) -> Error {
    Error::Refused {
        address,
        why: error.to_string(),
    }
}
