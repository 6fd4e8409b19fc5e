//! A bound on the bytes of answers that one owner has not read yet, so that no
//! user makes the daemon's memory grow by asking much and reading nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt as _, Full};
use hyper::Method;
use hyper::body::{Body as _, Bytes};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::identity::Owner;
use crate::server::Reply;

/// The unit in which answers are counted, in bytes.
const UNIT: usize = 1024;

/// What the answers to one owner may take together, in units: hundreds of
/// pages of events. An answer that alone takes more is sent while no other is
/// under way.
const BOUND: usize = 16 * 1024;

/// Answers below this size, in bytes, are not counted: there is one for each
/// connection at most, and those are bounded.
const SMALL: u64 = 16 * 1024;

/// The answers that owners have not read yet, and the lists that are put
/// together for them.
#[derive(Debug, Default)]
pub(super) struct InFlight(Mutex<HashMap<Owner, Bounds>>);

/// The bounds of one owner.
#[derive(Clone, Debug)]
struct Bounds {
    unread: Arc<Semaphore>,
    /// One list at a time: a hundred that are asked for at once would be
    /// put together before anything of another owner's.
    lists: Arc<Semaphore>,
}

/// The paths of the lists that can be long, beside those of connections.
const LISTS: [&str; 3] = [
    "/v2/auth/tokens",
    "/v2/auth/token-events",
    "/v2/auth/providers",
];

/// An answer's bytes, counted until they are sent or given up.
struct Counted {
    bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl InFlight {
    /// The answer, counted; `None` if its owner has too many that are not read.
    pub(super) async fn count(&self, owner: Owner, reply: Reply) -> Option<Reply> {
        let size = reply.body().size_hint().lower();
        if size < SMALL {
            return Some(reply);
        }
        let units = usize::try_from(size).map_or(BOUND, |size| size.div_ceil(UNIT).min(BOUND));
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let permit = self.of(owner).unread.try_acquire_many_owned(units).ok()?;
        let (head, body) = reply.into_parts();
        // A full body never fails.
        let bytes = body.collect().await.ok()?.to_bytes();
        let counted = Counted {
            bytes,
            _permit: permit,
        };
        let body = Full::new(Bytes::from_owner(counted));
        Some(Reply::from_parts(head, body))
    }

    /// The owner's turn to have a list put together, where the request asks for
    /// one; it is over when the permit is dropped.
    pub(super) async fn turn(
        &self,
        owner: Owner,
        method: &Method,
        path: &str,
    ) -> Option<OwnedSemaphorePermit> {
        let is_list = LISTS.contains(&path) || path.ends_with("/connections");
        if *method != Method::GET || !is_list {
            return None;
        }
        self.of(owner).lists.acquire_owned().await.ok()
    }

    fn of(&self, owner: Owner) -> Bounds {
        let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bounds = owners.entry(owner).or_insert_with(|| Bounds {
            unread: Arc::new(Semaphore::new(BOUND)),
            lists: Arc::new(Semaphore::new(1)),
        });
        bounds.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(size: usize) -> Reply {
        Reply::new(Full::new(Bytes::from(vec![b'x'; size])))
    }

    #[tokio::test]
    async fn what_is_not_read_is_bounded_per_owner_and_given_back() {
        let in_flight = InFlight::default();
        let (ada, grace) = (Owner::from_uid(1).unwrap(), Owner::from_uid(2).unwrap());
        let mut unread = Vec::new();
        while let Some(answer) = in_flight.count(ada, reply(UNIT * UNIT)).await {
            unread.push(answer);
        }
        assert_eq!(unread.len(), BOUND / UNIT);
        assert!(in_flight.count(grace, reply(UNIT * UNIT)).await.is_some());
        assert!(
            in_flight.count(ada, reply(UNIT)).await.is_some(),
            "a small one"
        );
        drop(unread.pop());
        assert!(in_flight.count(ada, reply(UNIT * UNIT)).await.is_some());
    }

    #[tokio::test]
    async fn an_owner_has_one_list_at_a_time() {
        let in_flight = InFlight::default();
        let (ada, grace) = (Owner::from_uid(1).unwrap(), Owner::from_uid(2).unwrap());
        let get = Method::GET;
        let first = in_flight.turn(ada, &get, "/v2/auth/tokens").await;
        assert!(first.is_some());
        {
            let second = in_flight.turn(ada, &get, "/v2/auth/agents/a/connections");
            let mut second = std::pin::pin!(second);
            let waits = poll_once(second.as_mut());
            assert!(waits.is_pending());
            assert!(
                in_flight
                    .turn(grace, &get, "/v2/auth/providers")
                    .await
                    .is_some()
            );
            assert!(
                in_flight
                    .turn(ada, &Method::POST, "/v2/auth/providers")
                    .await
                    .is_none()
            );
            assert!(in_flight.turn(ada, &get, "/v2/auth/wait/x").await.is_none());
            drop(first);
            assert!(second.await.is_some());
        }
    }

    /// Polls once.
    fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
        future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }

    #[tokio::test]
    async fn an_answer_beyond_the_bound_is_sent_alone() {
        let in_flight = InFlight::default();
        let ada = Owner::from_uid(1).unwrap();
        let whole = in_flight.count(ada, reply(2 * BOUND * UNIT)).await.unwrap();
        assert!(in_flight.count(ada, reply(2 * UNIT * 16)).await.is_none());
        assert_eq!(
            whole.body().size_hint().exact(),
            Some(2 * (BOUND * UNIT) as u64)
        );
        drop(whole);
        assert!(in_flight.count(ada, reply(2 * UNIT * 16)).await.is_some());
    }
}
