//! Serves one connection.
//!
//! hyper's time limit for headers also applies to idle connections, and its
//! graceful shutdown drops a request that the kernel has received and hyper has not
//! read. So this module implements both around hyper.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

use super::Stream;
use super::activity::{Activity, Due};
use super::body::RequestBody;
use super::write_timeout::WriteTimeout;

/// The longest request line and headers, in bytes.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// The most headers in a request.
const MAX_HEADERS: usize = 64;

/// Answers the requests of one connection until it ends.
pub(super) async fn serve<S, H, F, B>(stream: S, activity: Arc<Activity>, handler: H)
where
    S: Stream,
    H: Fn(Request<RequestBody>) -> F,
    F: Future<Output = Response<B>>,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + 'static,
{
    let service = service_fn(|request: Request<Incoming>| {
        activity.handling();
        let (request, rest) = RequestBody::of(request);
        let answer = handler(request);
        let activity = Arc::clone(&activity);
        async move {
            let mut response = answer.await;
            let can_reuse = rest.read_to_end().await;
            if !can_reuse || activity.ends() {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            Ok::<_, Infallible>(response.map(|body| RecordedBody { body, activity }))
        }
    });
    let io = Io {
        stream: WriteTimeout::new(stream),
        activity: Arc::clone(&activity),
        is_cut: false,
    };
    let served = builder().serve_connection(TokioIo::new(io), service);
    let (mut served, mut end_requested) = (pin!(served), pin!(activity.end_requested()));
    let mut ends = false;
    let mut timer = pin!(sleep_until(Instant::now()));
    poll_fn(|context| {
        ends = ends || end_requested.as_mut().poll(context).is_ready();
        loop {
            if let Poll::Ready(ended) = served.as_mut().poll(context) {
                // Client disconnects are not errors.
                if let Err(error) = ended {
                    tracing::debug!(error = %error, "a connection ended early");
                }
                return Poll::Ready(());
            }
            match activity.due(Instant::now()) {
                Due::Nothing => return Poll::Pending,
                // hyper reads what the peer has sent once more.
                Due::Cut => {}
                Due::Drop => return Poll::Ready(()),
                Due::At(deadline) => {
                    // A deadline after the timer's is checked when the timer
                    // fires, so that the timer is not reset for every request.
                    if deadline < timer.deadline() || timer.is_elapsed() {
                        timer.as_mut().reset(deadline);
                    }
                    if timer.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    })
    .await;
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS);
    builder
}

/// A stream that records what its connection is doing, and that shuts down its
/// read side when [`Activity`] requires it.
struct Io<S> {
    stream: WriteTimeout<S>,
    activity: Arc<Activity>,
    is_cut: bool,
}

impl<S: Stream> AsyncRead for Io<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            match Pin::new(&mut self.stream).poll_read(context, buffer) {
                Poll::Ready(Ok(())) if buffer.filled().len() > before => {
                    self.activity.received();
                    return Poll::Ready(Ok(()));
                }
                // This side shut down reading; the reply under way continues,
                // with `Connection: close`.
                Poll::Ready(Ok(())) if self.is_cut && self.activity.is_answering() => {
                    return Poll::Pending;
                }
                Poll::Pending if self.activity.is_cut() && !self.is_cut => {
                    self.is_cut = true;
                    if !self.stream.get_ref().shut_down_read() {
                        return Poll::Ready(Ok(()));
                    }
                }
                polled => return polled,
            }
        }
    }
}

impl<S: Stream> AsyncWrite for Io<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.activity.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The body of a reply. Records when all of it was handed to be written.
struct RecordedBody<B> {
    body: B,
    activity: Arc<Activity>,
}

impl<B: Body + Unpin> Body for RecordedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for RecordedBody<B> {
    fn drop(&mut self) {
        self.activity.sending();
    }
}
