//! Limits the bytes of replies that an owner has not read yet, so that no user
//! increases the daemon's memory use by sending requests without reading replies.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Body as _, Bytes};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Reply;
use crate::identity::Owner;

/// The unit in which replies are counted, in bytes.
const UNIT: usize = 1024;

/// The limit for the replies to one owner, in units: hundreds of pages of events. A
/// longer reply is sent when no other is being sent.
const LIMIT: usize = 16 * 1024;

/// Replies below this size, in bytes, are not counted: each connection has at most
/// one, and the number of connections is limited.
const SMALL: u64 = 16 * 1024;

/// The replies that owners have not read yet.
#[derive(Debug, Default)]
pub(super) struct ResponseBudget(Mutex<HashMap<Owner, Arc<Semaphore>>>);

/// The bytes of a reply, counted until they are sent or discarded.
pub(super) struct Counted<T> {
    bytes: T,
    _permit: OwnedSemaphorePermit,
}

impl<T> Counted<T> {
    pub(super) fn new(bytes: T, permit: OwnedSemaphorePermit) -> Self {
        Self {
            bytes,
            _permit: permit,
        }
    }
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Counted<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

impl ResponseBudget {
    /// Counts a reply and returns it; `None` if its owner has too much unread.
    pub(super) async fn count(&self, owner: Owner, reply: Reply) -> Option<Reply> {
        let Either::Left(body) = reply.body() else {
            // The parts of a list are counted one by one.
            return Some(reply);
        };
        let size = body.size_hint().lower();
        if size < SMALL {
            return Some(reply);
        }
        let units = units(usize::try_from(size).unwrap_or(usize::MAX));
        let permit = self.of(owner).try_acquire_many_owned(units).ok()?;
        let (head, body) = reply.into_parts();
        // A full body never fails.
        let bytes = body.collect().await.ok()?.to_bytes();
        let body = Full::new(Bytes::from_owner(Counted::new(bytes, permit)));
        Some(Reply::from_parts(head, Either::Left(body)))
    }

    /// Takes a permit for a part of a list with this many bytes; `None` if its owner
    /// has too much unread.
    pub(super) fn room_for(&self, owner: Owner, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.of(owner).try_acquire_many_owned(units(bytes)).ok()
    }

    /// Waits for a permit for a part of a list with this many bytes.
    pub(super) async fn await_room_for(
        &self,
        owner: Owner,
        bytes: usize,
    ) -> Option<OwnedSemaphorePermit> {
        self.of(owner).acquire_many_owned(units(bytes)).await.ok()
    }

    fn of(&self, owner: Owner) -> Arc<Semaphore> {
        let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unread = owners.entry(owner);
        Arc::clone(unread.or_insert_with(|| Arc::new(Semaphore::new(LIMIT))))
    }
}

/// The number of units for this many bytes, at most [`LIMIT`].
fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT).min(LIMIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(size: usize) -> Reply {
        Reply::new(Either::Left(Full::new(Bytes::from(vec![b'x'; size]))))
    }

    #[tokio::test]
    async fn unread_replies_are_limited_per_owner_and_returned_when_read() {
        let budget = ResponseBudget::default();
        let (ada, grace) = (Owner::from_uid(1).unwrap(), Owner::from_uid(2).unwrap());
        let mut unread = Vec::new();
        while let Some(answer) = budget.count(ada, reply(UNIT * UNIT)).await {
            unread.push(answer);
        }
        assert_eq!(unread.len(), LIMIT / UNIT);
        assert!(budget.count(grace, reply(UNIT * UNIT)).await.is_some());
        assert!(
            budget.count(ada, reply(UNIT)).await.is_some(),
            "a small one"
        );
        drop(unread.pop());
        assert!(budget.count(ada, reply(UNIT * UNIT)).await.is_some());
    }

    #[tokio::test]
    async fn a_reply_above_the_limit_is_sent_alone() {
        let budget = ResponseBudget::default();
        let ada = Owner::from_uid(1).unwrap();
        let whole = budget.count(ada, reply(2 * LIMIT * UNIT)).await.unwrap();
        assert!(budget.count(ada, reply(2 * UNIT * 16)).await.is_none());
        assert_eq!(
            whole.body().size_hint().exact(),
            Some(2 * (LIMIT * UNIT) as u64)
        );
        drop(whole);
        assert!(budget.count(ada, reply(2 * UNIT * 16)).await.is_some());
    }
}
