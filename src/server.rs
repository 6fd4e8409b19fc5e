//! What every listener of the crate shares: the accept loop, its limits, and
//! its end.
//!
//! A task per connection. A connection is counted before it is accepted, so
//! that a flood waits in the kernel's queue; each part of a request has its
//! time, and so has the reading of its answer. `shutdown` and the listener are arguments, so that a test starts it
//! anywhere.

pub mod body;
pub mod connection_quota;
mod patience;

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use self::patience::Patient;

/// How long a request's line and headers may take; also how long an idle
/// connection is kept.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest line and headers of a request, in bytes.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// The most headers of a request.
const MAX_HEADERS: usize = 64;

/// How long requests under way have to end when the server does.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause after an accept that failed for want of descriptors or memory:
/// trying at once again would only burn the processor that others need.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An answer whose whole body is at hand.
pub type Reply = Response<Full<Bytes>>;

/// A listening socket of some kind.
pub trait Listener: Send + 'static {
    /// A connection's bytes.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;
    /// Who is at the other end, taken once, when the connection is accepted.
    type Peer: Clone + Send + Sync + 'static;

    /// Finds out who is at the other end; `None` for a peer that is refused.
    type Admission: Future<Output = Option<Self::Peer>> + Send + 'static;

    /// The next connection. Who is at its other end is found out beside the
    /// accept loop, so that nobody waits for it but that peer.
    fn accept(
        &mut self,
    ) -> impl Future<Output = io::Result<(Self::Stream, Self::Admission)>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    type Peer = SocketAddr;
    type Admission = Ready<Option<SocketAddr>>;

    async fn accept(&mut self) -> io::Result<(TcpStream, Self::Admission)> {
        let (stream, peer) = Self::accept(self).await?;
        Ok((stream, ready(Some(peer))))
    }
}

/// Serves connections until `shutdown` becomes true, then lets the requests
/// under way end.
pub async fn serve<L, H, F, B>(
    mut listener: L,
    max_connections: usize,
    mut shutdown: watch::Receiver<bool>,
    handler: H,
) where
    L: Listener,
    H: Fn(L::Peer, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(max_connections));
    let graceful = GracefulShutdown::new();
    let builder = connection_builder();
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            _ = shutdown.wait_for(|stopping| *stopping) => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shutdown.wait_for(|stopping| *stopping) => break,
        };
        let (stream, admission) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let (handler, builder, watcher) = (handler.clone(), builder.clone(), graceful.watcher());
        tokio::spawn(async move {
            let Some(peer) = admission.await else {
                return;
            };
            let service = service_fn(move |request| {
                let answer = handler(peer.clone(), request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let stream = TokioIo::new(Patient::new(stream));
            let connection = watcher.watch(builder.serve_connection(stream, service));
            // A client that breaks off is its own affair.
            if let Err(error) = connection.await {
                tracing::debug!(error = %error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some requests did not end in time and were cut off");
    }
}

fn connection_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS);
    builder
}

async fn pause_after(error: &io::Error) {
    // A peer that left before it was accepted costs nothing.
    let is_harmless = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
    );
    if !is_harmless {
        tracing::warn!(error = %error, "a connection could not be accepted; pausing");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
