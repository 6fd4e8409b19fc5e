//! Lists, which can be long: put together some rows at a time, one list of an
//! owner at a time, and sent while the rest is still to be read.
//!
//! So a list of any length takes a part of its bytes, and an owner who asks for
//! many of them keeps nobody else waiting. What is not read yet is counted
//! (`budget.rs`): the next part is read once there is room for it.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame};
use serde::Serialize;
use tokio::sync::mpsc;

use super::reply::{self, Answer, Error};
use super::request::Call;
use super::response_budget::{Counted, ResponseBudget};
use crate::broker::{self, Broker};
use crate::identity::Owner;
use crate::vault::{Cursor, Page};

/// After how many bytes a part is sent.
const PART: usize = 64 * 1024;

/// The body of an answer: whole, or a list in parts.
pub type ReplyBody = Either<Full<Bytes>, Parts>;

/// The rest of a list could not be read: the connection is cut, so that nobody
/// takes what came for all of it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the rest of a list could not be read")]
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

/// A list that is being read; `read` gives a page of it.
struct List<R> {
    broker: Broker,
    owner: Owner,
    enclosing: Enclosing,
    read: R,
    /// Where it goes on; `None` at its end.
    from: Option<Cursor>,
    /// Whether a part was made, and whether a row is in one.
    has_begun: bool,
    has_rows: bool,
}

/// 200 with all the rows that `read` gives, page by page.
///
/// # Errors
/// Those of the first part; a later one cuts the connection.
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
        // Counted as it is, by what counts every answer.
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
    /// Sends all but the first part, until nobody reads any more.
    async fn send_rest(
        mut self,
        budget: &ResponseBudget,
        parts: mpsc::Sender<Result<Bytes, Incomplete>>,
    ) {
        while self.from.is_some() {
            let Ok(part) = self.next().await else {
                // Nobody reads any more if this fails.
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

    /// Reads and writes down the next part, in the owner's turn.
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
