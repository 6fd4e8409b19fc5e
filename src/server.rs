//! What every listener of the crate shares: the accept loop, its limits, and
//! its end.
//!
//! A task per connection. A connection is counted before it is accepted, so
//! that a flood waits in the kernel's queue; each part of a request has its
//! time, and so has the reading of its answer. The listener and the phase are
//! arguments, so that a test starts it anywhere.
//!
//! A request whose bytes have reached this end is answered, also during a stop:
//! connections are accepted until all else is done, and the queue last.

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

/// How long requests under way have to end: those from before the end began,
/// while connections are still accepted, and the last ones after that.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the next connection of a queue that takes no more may take.
const QUEUE_TIMEOUT: Duration = Duration::from_millis(20);

/// How often an idle connection is looked for while there is no place left.
const PLACE_INTERVAL: Duration = Duration::from_millis(100);

/// The pause after an accept that failed for want of descriptors or memory:
/// trying at once again would only burn the processor that others need.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How far the end of a server is. Each phase includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It serves.
    #[default]
    Serving,
    /// It goes on accepting connections and answering. Each answer says that it
    /// is the last of its connection; idle connections are closed.
    Ending,
    /// It accepts what waits in its queue, and ends after the last answer.
    Closing,
}

/// Returns when a server is to be in `phase`, or in a later one.
async fn reached(phases: &mut watch::Receiver<Phase>, phase: Phase) {
    // An error would mean that who decides it has gone.
    let _ = phases.wait_for(|now| *now >= phase).await;
}

/// An answer whose whole body is at hand.
pub type Reply = Response<Full<Bytes>>;

/// The bytes of a connection.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Lets the peer send no more; what it has sent already can still be read,
    /// and then the end. `false` if there is no such thing.
    fn refuse_more(&self) -> bool {
        false
    }
}

impl Stream for TcpStream {}

impl Stream for UnixStream {
    fn refuse_more(&self) -> bool {
        // unix(7): a write of the peer fails from then on.
        shutdown(self.as_raw_fd(), Shutdown::Read).is_ok()
    }
}

/// A listening socket of some kind.
pub trait Listener: Send + 'static {
    /// A connection's bytes.
    type Stream: Stream;
    /// Who is at the other end, taken once, when the connection is accepted.
    type Peer: Clone + Send + Sync + 'static;

    /// Finds out who is at the other end; `None` for a peer that is refused.
    type Admission: Future<Output = Option<Self::Peer>> + Send + 'static;

    /// The next connection. Who is at its other end is found out beside the
    /// accept loop, so that nobody waits for it but that peer.
    fn accept(
        &mut self,
    ) -> impl Future<Output = io::Result<(Self::Stream, Self::Admission)>> + Send;

    /// Whether the connections that wait to be accepted are lost with this
    /// process, and so are to be accepted before it ends. Where the system can
    /// do that, no more join them from now on.
    fn close_queue(&mut self) -> bool {
        true
    }

    /// The next connection that waits in the queue; `None` if none does.
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

/// Serves connections until `phases` reaches [`Phase::Closing`], then lets the
/// last requests end, for [`DRAIN_TIMEOUT`] at most.
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
    let begin = |stream, admission: L::Admission, place| {
        let entry = connections.add();
        let (handler, alive) = (handler.clone(), alive.clone());
        tokio::spawn(async move {
            if let Some(peer) = admission.await {
                let answer = move |request| handler(peer.clone(), request);
                connection::serve(stream, Arc::clone(&entry.activity), answer).await;
            }
            drop((place, entry, alive));
        });
    };
    let ending = async {
        reached(&mut phases, Phase::Ending).await;
        let before = connections.end_all();
        reached(&mut phases, Phase::Closing).await;
        // Whoever connects meanwhile is served.
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
        tracing::warn!("some requests did not end in time and were cut off");
    }
}

/// Accepts connections as long as this is polled.
async fn accept_all<L: Listener>(
    listener: &mut L,
    max_connections: usize,
    connections: &Connections,
    begin: &impl Fn(L::Stream, L::Admission, Option<OwnedSemaphorePermit>),
) -> Infallible {
    let places = Arc::new(Semaphore::new(max_connections));
    loop {
        let place = place(&places, connections).await;
        match listener.accept().await {
            Ok((stream, admission)) => begin(stream, admission, place),
            Err(error) => pause_after(&error).await,
        }
    }
}

/// Accepts what waits in the queue of a listener that takes no more.
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

/// A place for one more connection; while there is none, the connection goes
/// that has been idle for longest.
async fn place(places: &Arc<Semaphore>, connections: &Connections) -> Option<OwnedSemaphorePermit> {
    loop {
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            return Some(place);
        }
        connections.end_longest_idle();
        let place = Arc::clone(places).acquire_owned();
        if let Ok(place) = tokio::time::timeout(PLACE_INTERVAL, place).await {
            // An error would mean that the semaphore is closed, which it never is.
            return place.ok();
        }
    }
}

async fn pause_after(error: &io::Error) {
    // A peer that left before it was accepted costs nothing.
    let is_harmless = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
    );
    if !is_harmless {
        log_limited!(1, warn, error = %error, "a connection could not be accepted; pausing");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
