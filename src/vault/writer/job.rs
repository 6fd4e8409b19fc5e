//! One change that waits for the writer, with the caller who waits for it.

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::Error;
use crate::identity::Owner;

/// What a change's work gives: its value, and whether it overwrote a secret.
pub(in super::super) type Written<T> = Result<(T, bool), Error>;

/// Work that is done once.
type OnceWork<T> = Box<dyn FnOnce(&Connection) -> Written<T> + Send>;

/// Work that can be done again.
type SaveWork<T> = Box<dyn Fn(&Connection) -> Written<T> + Send>;

/// The work of a change.
pub(in super::super) enum Work<T> {
    /// Done once; `None` when it has been.
    Once(Option<OnceWork<T>>),
    /// Stores what a provider has answered. Done again by itself where the
    /// transaction that it shared cannot be committed.
    Save(SaveWork<T>),
}

/// How a change's own work ended.
pub(super) enum Outcome {
    /// It is to be committed.
    Kept { erases: bool },
    /// It failed, and is to be undone. Why, where the store could not take it.
    Undone { unwritable: Option<Error> },
}

/// A change of any type.
pub(super) trait Job: Send {
    /// Does the work, in a savepoint that is open.
    fn run(&mut self, connection: &Connection) -> Outcome;

    /// Whether it stores what a provider has answered, and so can be run again.
    fn is_save(&self) -> bool;

    /// Whose it is; `None` if it is the daemon's own.
    fn owner(&self) -> Option<Owner>;

    /// Gives the caller the work's own result, or why it was not committed.
    fn answer(self: Box<Self>, committed: Result<(), Error>);
}

/// A change with the caller's end of its answer.
pub(super) struct Task<T> {
    pub(super) owner: Option<Owner>,
    pub(super) work: Work<T>,
    pub(super) result: Option<Result<T, Error>>,
    pub(super) reply: oneshot::Sender<Result<T, Error>>,
}

impl<T: Send> Job for Task<T> {
    fn run(&mut self, connection: &Connection) -> Outcome {
        let written = match &mut self.work {
            Work::Once(work) => match work.take() {
                Some(work) => work(connection),
                None => return Outcome::Undone { unwritable: None },
            },
            Work::Save(work) => work(connection),
        };
        let (result, outcome) = match written {
            Ok((value, erases)) => (Ok(value), Outcome::Kept { erases }),
            Err(error) => {
                let unwritable =
                    Some(error.clone()).filter(|error| matches!(error, Error::Unwritable { .. }));
                (Err(error), Outcome::Undone { unwritable })
            }
        };
        self.result = Some(result);
        outcome
    }

    fn is_save(&self) -> bool {
        matches!(self.work, Work::Save(_))
    }

    fn owner(&self) -> Option<Owner> {
        self.owner
    }

    fn answer(self: Box<Self>, committed: Result<(), Error>) {
        let result = match committed {
            Err(error) => Err(error),
            // Without a result its work panicked: the caller sees a closed channel.
            Ok(()) => match self.result {
                Some(result) => result,
                None => return,
            },
        };
        // The caller may have gone; the work is done all the same.
        let _ = self.reply.send(result);
    }
}
