//! The HTTP server that all listeners share: accept loop, limits, and graceful
//! shutdown.
//!
//! Each connection has its own task. A permit is taken before a connection is
//! accepted, so that excess connections wait in the kernel's queue. Reading each
//! part of a request and writing the reply have time limits. The listener and the
//! phase are arguments, so tests can run the server with any listener.
//!
//! A request whose bytes have arrived is answered, also during a shutdown:
//! connections are accepted until the other requests are done, and the queue is
//! emptied last.

mod activity;
pub mod body;
mod connection;
pub mod connection_quota;
mod write_timeout;

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body, Bytes};
use hyper::{Request, Response};
use nix::sys::socket::{Shutdown, shutdown};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use self::activity::Connections;
use self::body::RequestBody;
use crate::log_limit::log_limited;

/// The time limit of each of the two steps of a shutdown: first for the requests
/// that were under way when it began, then for those that arrived later.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait for another connection in a queue that was closed.
const QUEUE_TIMEOUT: Duration = Duration::from_millis(20);

/// How often an idle connection is closed while no permit is left.
const PERMIT_INTERVAL: Duration = Duration::from_millis(100);

/// The pause after an accept that failed for lack of descriptors or memory. An
/// immediate retry would fail again and use CPU time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The phases of a server, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Requests are accepted and answered.
    #[default]
    Serving,
    /// Requests are still accepted and answered. Each reply has `Connection:
    /// close`, and idle connections are closed.
    Ending,
    /// The connections in the queue are accepted. The server ends after the last
    /// reply.
    Closing,
}

/// Waits for `phase` or a later one.
async fn reached(phases: &mut watch::Receiver<Phase>, phase: Phase) {
    // An error means that the sender was dropped.
    let _ = phases.wait_for(|now| *now >= phase).await;
}

/// A reply whose whole body is in memory.
pub type Reply = Response<Full<Bytes>>;

/// The bytes of a connection.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Prevents the peer from sending more. What it has sent can still be read,
    /// followed by the end of the stream. Returns `false` if not supported.
    fn shut_down_read(&self) -> bool {
        false
    }
}

impl Stream for TcpStream {}

impl Stream for UnixStream {
    fn shut_down_read(&self) -> bool {
        // unix(7): writes of the peer fail from now on.
        shutdown(self.as_raw_fd(), Shutdown::Read).is_ok()
    }
}

/// A listening socket.
pub trait Listener: Send + 'static {
    /// The byte stream of a connection.
    type Stream: Stream;
    /// The peer of a connection, determined once when it is accepted.
    type Peer: Clone + Send + Sync + 'static;

    /// Determines the peer; `None` if it is rejected.
    type Admission: Future<Output = Option<Self::Peer>> + Send + 'static;

    /// Accepts the next connection. Its peer is determined outside the accept loop,
    /// so that other peers do not wait for it.
    fn accept(
        &mut self,
    ) -> impl Future<Output = io::Result<(Self::Stream, Self::Admission)>> + Send;

    /// Closes the accept queue for new connections, if the system supports that.
    /// Returns whether the connections in the queue must be accepted before this
    /// process ends, because they would be lost with it.
    fn close_queue(&mut self) -> bool {
        true
    }

    /// Accepts the next connection in the queue; `None` if it is empty.
    fn accept_queued(
        &mut self,
    ) -> impl Future<Output = Option<(Self::Stream, Self::Admission)>> + Send {
        async {
            tokio::time::timeout(QUEUE_TIMEOUT, self.accept())
                .await
                .ok()?
                .ok()
        }
    }
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

/// Serves connections until `phases` reaches [`Phase::Closing`], then waits for the
/// last requests, for [`DRAIN_TIMEOUT`] at most.
pub async fn serve<L, H, F, B>(
    mut listener: L,
    max_connections: usize,
    mut phases: watch::Receiver<Phase>,
    handler: H,
) where
    L: Listener,
    H: Fn(L::Peer, Request<RequestBody>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static,
{
    let connections = Connections::default();
    // Closed when the last connection has ended.
    let (alive, mut all_ended) = mpsc::channel::<Infallible>(1);
    let begin = |stream, admission: L::Admission, permit| {
        let entry = connections.add();
        let (handler, alive) = (handler.clone(), alive.clone());
        tokio::spawn(async move {
            if let Some(peer) = admission.await {
                let answer = move |request| handler(peer.clone(), request);
                connection::serve(stream, Arc::clone(&entry.activity), answer).await;
            }
            drop((permit, entry, alive));
        });
    };
    let ending = async {
        reached(&mut phases, Phase::Ending).await;
        let before = connections.end_all();
        reached(&mut phases, Phase::Closing).await;
        // Connections that arrive meanwhile are served.
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, connections.ended(before)).await;
    };
    tokio::select! {
        never = accept_all(&mut listener, max_connections, &connections, &begin) => match never {},
        () = ending => {}
    }
    if listener.close_queue() {
        accept_queued(&mut listener, max_connections, &begin).await;
    }
    drop((listener, alive));
    let drained = tokio::time::timeout(DRAIN_TIMEOUT, all_ended.recv());
    if drained.await.is_err() {
        tracing::warn!("aborted requests that did not finish before the shutdown deadline");
    }
}

/// Accepts connections for as long as this future is polled.
async fn accept_all<L: Listener>(
    listener: &mut L,
    max_connections: usize,
    connections: &Connections,
    begin: &impl Fn(L::Stream, L::Admission, Option<OwnedSemaphorePermit>),
) -> Infallible {
    let permits = Arc::new(Semaphore::new(max_connections));
    loop {
        let permit = permit(&permits, connections).await;
        match listener.accept().await {
            Ok((stream, admission)) => begin(stream, admission, permit),
            Err(error) => pause_after(&error).await,
        }
    }
}

/// Accepts the connections in the queue of a listener that was closed.
async fn accept_queued<L: Listener>(
    listener: &mut L,
    max_connections: usize,
    begin: &impl Fn(L::Stream, L::Admission, Option<OwnedSemaphorePermit>),
) {
    for _ in 0..max_connections {
        match listener.accept_queued().await {
            Some((stream, admission)) => begin(stream, admission, None),
            None => break,
        }
    }
}

/// Takes a permit for one more connection. While there is none, closes the
/// connection that has been idle for longest.
async fn permit(
    permits: &Arc<Semaphore>,
    connections: &Connections,
) -> Option<OwnedSemaphorePermit> {
    loop {
        if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
            return Some(permit);
        }
        connections.end_longest_idle();
        let permit = Arc::clone(permits).acquire_owned();
        if let Ok(permit) = tokio::time::timeout(PERMIT_INTERVAL, permit).await {
            // Fails only if the semaphore is closed, which never happens.
            return permit.ok();
        }
    }
}

async fn pause_after(error: &io::Error) {
    // The peer closed the connection before it was accepted.
    let is_harmless = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
    );
    if !is_harmless {
        log_limited!(1, warn, error = %error, "cannot accept a connection; pausing");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
