//! A queued change and the channel to its caller.

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::Error;
use crate::identity::Owner;

/// The result of a change's work: its value, and whether it overwrote a secret.
pub(in super::super) type Written<T> = Result<(T, bool), Error>;

/// Work that can run once.
type OnceWork<T> = Box<dyn FnOnce(&Connection) -> Written<T> + Send>;

/// Work that can run again.
type SaveWork<T> = Box<dyn Fn(&Connection) -> Written<T> + Send>;

/// The work of a change.
pub(in super::super) enum Work<T> {
    /// Runs once; `None` after it has run.
    Once(Option<OnceWork<T>>),
    /// Stores an answer of a provider. Runs again, alone, if its shared
    /// transaction cannot be committed.
    Save(SaveWork<T>),
}

/// The outcome of a change's work.
pub(super) enum Outcome {
    /// The change is to be committed.
    Kept { erases: bool },
    /// The change failed and is to be rolled back. `unwritable` is the error if
    /// the vault could not be written.
    Undone { unwritable: Option<Error> },
}

/// A change, whatever its result's type.
pub(super) trait Job: Send {
    /// Runs the work in an open savepoint.
    fn run(&mut self, connection: &Connection) -> Outcome;

    /// Whether it stores an answer of a provider, and so can run again.
    fn is_save(&self) -> bool;

    /// The owner; `None` for a change of the daemon itself.
    fn owner(&self) -> Option<Owner>;

    /// Sends the caller the work's result, or the reason why it was not
    /// committed.
    fn answer(self: Box<Self>, committed: Result<(), Error>);
}

/// A change and the sender of its result.
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
            // Without a result the work has panicked; the caller sees a closed
            // channel.
            Ok(()) => match self.result {
                Some(result) => result,
                None => return,
            },
        };
        // A caller that stopped waiting does not affect the change.
        let _ = self.reply.send(result);
    }
}
