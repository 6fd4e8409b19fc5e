//! The bridge for programs that need the hosted service's URL and API key: a loopback
//! TCP port that relays to the daemon's socket.
//!
//! Any local user and any web page can reach a loopback port. So a request is relayed
//! only if it has the key, has exactly this port as its `Host` and does not come from a
//! browser. A connection of another user is closed at once, if the kernel reports the
//! user. Each command gets a new key. The key never reaches the daemon, a log or a
//! terminal.
//!
//! A program that the command starts may outlive it and keep calling the port. It
//! inherits a socket that keeps other users from binding the port (`PortGuard`).

mod port;

use std::borrow::Cow;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use http_body_util::{Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::advice;
use crate::client::{self, Client};
use crate::clock::Env;
use crate::redirect::peer_user::{Endpoints, PeerUser};
use crate::secret::BridgeKey;
use crate::server::body::{self, RequestBody};
use crate::server::{self, Listener};

use self::port::PortGuard;

/// The header for the key; the hosted service has the same.
const KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// Connections at a time. They are those of one command: connections of other users
/// are closed when they are accepted and do not count.
const MAX_CONNECTIONS: usize = 256;

/// The headers that are valid for one connection (RFC 9110, section 7.6.1), and those
/// that the relay sets itself.
const NOT_RELAYED: [HeaderName; 12] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    KEY_HEADER,
];

type Answer = Response<Either<Incoming, Full<Bytes>>>;

/// An open port that relays to the daemon.
#[derive(Debug)]
pub(super) struct Bridge {
    listener: TcpListener,
    /// The command inherits it.
    _guard: PortGuard,
    relay: Arc<Relay>,
}

/// Checks requests and relays them.
#[derive(Debug)]
struct Relay {
    address: SocketAddr,
    key: BridgeKey,
    client: Client,
}

/// The port's connections from this user and root.
#[derive(Debug)]
struct OwnConnections(TcpListener);

impl Listener for OwnConnections {
    type Stream = TcpStream;
    type Peer = ();
    type Admission = Pin<Box<dyn Future<Output = Option<()>> + Send>>;

    async fn accept(&mut self) -> io::Result<(TcpStream, Self::Admission)> {
        let (stream, from) = self.0.accept().await?;
        let endpoints = Endpoints::of(&stream, from);
        let admission = async move {
            let peer_user = endpoints?.peer_user().await;
            may_connect(peer_user).then_some(())
        };
        Ok((stream, Box::pin(admission)))
    }
}

/// Whether this user may connect. If the kernel cannot report the user, the key alone
/// decides.
fn may_connect(peer_user: PeerUser) -> bool {
    match peer_user {
        PeerUser::User(uid) => uid == 0 || uid == nix::unistd::geteuid().as_raw(),
        PeerUser::Unknown => !cfg!(target_os = "linux"),
        PeerUser::Gone => false,
    }
}

/// Why a request or its answer is not relayed.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    detail: Cow<'static, str>,
}

impl Bridge {
    /// Opens a port that the system chooses, with a new key.
    ///
    /// # Errors
    /// The port cannot be opened.
    pub(super) async fn open(client: Client, env: &Env) -> io::Result<Self> {
        let (listener, guard) = port::open(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let relay = Relay {
            address: listener.local_addr()?,
            key: BridgeKey::new(env.token()),
            client,
        };
        Ok(Self {
            listener,
            _guard: guard,
            relay: Arc::new(relay),
        })
    }

    /// The value for `LANGSMITH_API_URL`.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.relay.address)
    }

    /// The value for `LANGSMITH_API_KEY`.
    pub(super) fn key(&self) -> &BridgeKey {
        &self.relay.key
    }

    /// Relays until dropped.
    pub(super) async fn serve(self) {
        // It serves until the command ends.
        let (_phase, phases) = watch::channel(server::Phase::Serving);
        let relay = self.relay;
        let answer = move |_, request| {
            let relay = Arc::clone(&relay);
            async move { relay.answer(request).await }
        };
        server::serve(
            OwnConnections(self.listener),
            MAX_CONNECTIONS,
            phases,
            answer,
        )
        .await;
    }
}

impl Relay {
    async fn answer(&self, request: Request<RequestBody>) -> Answer {
        let answer = match self.check(&request) {
            Ok(()) => self.relay(request).await,
            Err(refusal) => Err(refusal),
        };
        answer.unwrap_or_else(Refusal::into_answer)
    }

    /// Checks whether the request may be relayed.
    fn check(&self, request: &Request<RequestBody>) -> Result<(), Refusal> {
        let headers = request.headers();
        let own = self.address.to_string();
        let host_is_own = only(headers, &header::HOST).is_some_and(|host| host == own.as_str())
            && request
                .uri()
                .authority()
                .is_none_or(|name| name.as_str() == own);
        if !host_is_own {
            let detail = format!("the Host must be {own}");
            return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, detail));
        }
        if headers.contains_key(header::ORIGIN) || headers.contains_key(header::REFERER) {
            let detail = "requests from browsers are refused (Origin or Referer is present)";
            return Err(Refusal::new(StatusCode::FORBIDDEN, detail));
        }
        let key = only(headers, &KEY_HEADER);
        if !key.is_some_and(|key| self.key.matches(key.as_bytes())) {
            let detail =
                "x-api-key must have the value of LANGSMITH_API_KEY that `agent-auth run` has set";
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, detail));
        }
        Ok(())
    }

    /// Sends the request to the daemon and returns its answer.
    async fn relay(&self, request: Request<RequestBody>) -> Result<Answer, Refusal> {
        let (head, body) = request.into_parts();
        let body = body::read(body).await.map_err(Refusal::of_body)?;
        let target = head
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let mut relayed = Request::new(Full::new(body));
        *relayed.method_mut() = head.method;
        *relayed.uri_mut() = target
            .parse()
            .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the path is not valid"))?;
        *relayed.headers_mut() = end_to_end(head.headers);
        let answer = client::send(self.client.socket(), relayed)
            .await
            .map_err(|error| unavailable(&error))?;
        let (mut head, body) = answer.into_parts();
        let length = head.headers.remove(header::CONTENT_LENGTH);
        head.headers = end_to_end(head.headers);
        if let Some(length) = length {
            head.headers.insert(header::CONTENT_LENGTH, length);
        }
        Ok(Response::from_parts(head, Either::Left(body)))
    }
}

/// The value of a header that occurs exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// The headers without those that are valid for one connection: the known ones and
/// those that `Connection` names.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in NOT_RELAYED.iter().chain(&named) {
        headers.remove(name);
    }
    headers
}

/// The answer where the daemon cannot be asked.
fn unavailable(error: &client::Error) -> Refusal {
    let detail = format!("{error}{}", advice::after(error));
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

impl Refusal {
    fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            detail: detail.into(),
        }
    }

    fn of_body(error: body::Error) -> Self {
        Self::new(error.status(), error.to_string())
    }

    fn into_answer(self) -> Answer {
        let body = json!({ "detail": self.detail }).to_string();
        let mut answer = Response::new(Either::Right(Full::new(Bytes::from(body))));
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

#[cfg(test)]
mod tests;
