//! Streams long lists: reads some rows at a time, for one list of an owner at a
//! time, and sends them before the next rows are read.
//!
//! So only a part of a list is in memory, and an owner who requests many lists does
//! not delay others. Unread parts are counted (`response_budget.rs`): the next part
//! is read when the budget has room for it.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame};
use serde::Serialize;
use tokio::sync::mpsc;

use super::call::Call;
use super::reply::{self, Answer, Error};
use super::response_budget::{Counted, ResponseBudget};
use crate::broker::{self, Broker};
use crate::identity::Owner;
use crate::vault::{Cursor, Page};

/// The size at which a part is sent, in bytes.
const PART: usize = 64 * 1024;

/// The body of a reply: complete, or a list in parts.
pub type ReplyBody = Either<Full<Bytes>, Parts>;

/// The rest of a list could not be read. The connection is closed, so that the
/// client does not take the parts for the whole list.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("cannot read the rest of a list")]
pub struct Incomplete;

/// The parts of a list.
#[derive(Debug)]
pub struct Parts(mpsc::Receiver<Result<Bytes, Incomplete>>);

impl Body for Parts {
    type Data = Bytes;
    type Error = Incomplete;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Incomplete>>> {
        let part = self.0.poll_recv(context);
        part.map(|part| part.map(|part| part.map(Frame::data)))
    }
}

/// The text before and after the rows.
#[derive(Clone, Copy)]
pub(super) struct Enclosing(pub(super) &'static str, pub(super) &'static str);

/// A list that is being read; `read` returns a page of it.
struct List<R> {
    broker: Broker,
    owner: Owner,
    enclosing: Enclosing,
    read: R,
    /// Where the next page starts; `None` at the end.
    from: Option<Cursor>,
    /// Whether a part was written, and whether one contains a row.
    has_begun: bool,
    has_rows: bool,
}

/// 200 with all rows that `read` returns, page by page.
///
/// # Errors
/// Those of the first part. An error in a later part closes the connection.
pub(super) async fn reply<T: Serialize>(
    call: &Call,
    enclosing: Enclosing,
    read: impl FnMut(Cursor) -> Result<Page<T>, broker::Error> + Send + 'static,
) -> Answer {
    let mut list = List {
        broker: call.broker.clone(),
        owner: call.peer.owner,
        enclosing,
        read,
        from: Some(Cursor::default()),
        has_begun: false,
        has_rows: false,
    };
    let budget = call.budget.clone();
    let first = list.next().await?;
    if list.from.is_none() {
        // `Api::answer` counts complete replies.
        return Ok(reply::json_bytes(first));
    }
    let room = budget.room_for(list.owner, first.len());
    let room = room.ok_or(Error::TooMuchUnread)?;
    let (parts, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let first = Bytes::from_owner(Counted::new(first, room));
        if parts.send(Ok(first)).await.is_ok() {
            list.send_rest(&budget, parts).await;
        }
    });
    Ok(reply::json_body(Either::Right(Parts(receiver))))
}

impl<T: Serialize, R: FnMut(Cursor) -> Result<Page<T>, broker::Error>> List<R> {
    /// Sends all parts after the first, until the client stops reading.
    async fn send_rest(
        mut self,
        budget: &ResponseBudget,
        parts: mpsc::Sender<Result<Bytes, Incomplete>>,
    ) {
        while self.from.is_some() {
            let Ok(part) = self.next().await else {
                // Fails if the client has stopped reading.
                let _ = parts.send(Err(Incomplete)).await;
                return;
            };
            let room = tokio::select! {
                room = budget.await_room_for(self.owner, part.len()) => room,
                () = parts.closed() => return,
            };
            let Some(room) = room else { return };
            let part = Bytes::from_owner(Counted::new(part, room));
            if parts.send(Ok(part)).await.is_err() {
                return;
            }
        }
    }

    /// Reads and serializes the next part, in the owner's turn.
    async fn next(&mut self) -> Result<Vec<u8>, Error> {
        let _turn = self.broker.long_read_turn(self.owner).await;
        let Enclosing(before, after) = self.enclosing;
        let mut part = Vec::new();
        if !std::mem::replace(&mut self.has_begun, true) {
            part.extend_from_slice(before.as_bytes());
        }
        while let Some(from) = self.from.filter(|_| part.len() < PART) {
            let page = (self.read)(from)?;
            for row in &page.rows {
                if std::mem::replace(&mut self.has_rows, true) {
                    part.push(b',');
                }
                serde_json::to_writer(&mut part, row).map_err(|_| reply::unwritable())?;
            }
            self.from = page.next;
        }
        if self.from.is_none() {
            part.extend_from_slice(after.as_bytes());
        }
        Ok(part)
    }
}
