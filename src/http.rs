//! The API over the Unix socket: identifies the peer, routes requests to
//! operations, and writes replies in the contract's form.
//!
//! The kernel reports the peer's uid once, when the connection is accepted. There
//! are no API keys, and headers that identify the caller are ignored.

mod peer;
mod response_budget;
mod reply;
mod call;
mod lists;
mod router;
mod handlers;
mod routes;
mod request;
pub mod socket;

use std::sync::Arc;

use hyper::{Request, Response};

use crate::broker::Broker;
use crate::clock::Env;
use crate::metrics::Series;
use crate::server::body::RequestBody;

pub use self::lists::ReplyBody;
pub use self::peer::{Access, Peer};

/// A reply of the API.
pub type Reply = Response<ReplyBody>;

use self::response_budget::ResponseBudget;
use self::router::Routes;

/// The API: every operation of the contract over one broker.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    broker: Broker,
    routes: Routes,
    env: Env,
    budget: Arc<ResponseBudget>,
}

impl Api {
    /// Makes the API over `broker`.
    #[must_use]
    pub fn new(broker: Broker, env: Env) -> Self {
        Self(Arc::new(Inner {
            broker,
            routes: routes::all(),
            env,
            budget: Arc::default(),
        }))
    }

    /// Answers one request of a peer.
    pub async fn answer(self, peer: Peer, request: Request<RequestBody>) -> Reply {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let started = std::time::Instant::now();
        let answer = match request::read(&self, peer.clone(), request).await {
            Ok((handler, call)) => handler(call).await,
            Err(error) => Err(error),
        };
        let reply = answer.unwrap_or_else(|error| self.failed(error));
        let counted = self.0.budget.count(peer.owner, reply).await;
        let reply = counted.unwrap_or_else(|| self.failed(reply::Error::TooMuchUnread));
        let series = Series::Request {
            operation: self.0.routes.name(&method, &path),
            class: reply.status().as_u16() / 100,
        };
        self.0.broker.metrics().count(peer.owner, series);
        // Without the query, which may contain a code.
        tracing::debug!(
            peer.uid = peer.uid, peer.pid, %method, path, status = reply.status().as_u16(),
            micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX), "answered"
        );
        reply
    }

    /// The answer to a call that failed.
    fn failed(&self, error: reply::Error) -> Reply {
        reply::from_error(error, &self.0.broker, &self.0.env)
    }
}
