//! What a read and a change of the vault work with.
//!
//! Each table's file adds its own methods to [`View`] and [`Change`].

use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;

use rusqlite::Connection;

use super::Error;
use super::cipher::Cipher;
use super::rows::Unreadable;
use super::usage::Usage;
use super::writer::Written;

/// Reads from the vault.
pub struct View<'a> {
    pub(super) connection: &'a Connection,
    pub(super) cipher: &'a Cipher,
    pub(super) usage: &'a Usage,
    pub(super) unreadable: &'a Unreadable,
}

/// A transaction that is not committed yet. It reads, too.
pub struct Change<'a> {
    view: View<'a>,
    pub(super) max_events: u32,
    erases: Cell<bool>,
}

impl<'a> Deref for Change<'a> {
    type Target = View<'a>;

    fn deref(&self) -> &View<'a> {
        &self.view
    }
}

impl View<'_> {
    /// Whether the vault has neither a provider nor a token.
    pub(super) fn is_empty(&self) -> Result<bool, Error> {
        let query =
            "SELECT NOT EXISTS (SELECT 1 FROM providers) AND NOT EXISTS (SELECT 1 FROM tokens)";
        Ok(self.connection.query_row(query, [], |row| row.get(0))?)
    }
}

impl Change<'_> {
    /// Records that the change overwrites or deletes a secret. After the commit
    /// the writer then removes the old ciphertext from the write-ahead log.
    pub(super) fn erase_after_commit(&self) {
        self.erases.set(true);
    }

    /// Writes a page without changing its content. Two updates are needed: SQLite
    /// does not write a page for an update to the same value.
    pub(super) fn touch(&self) -> Result<(), Error> {
        for update in [
            "UPDATE vault SET created_at = created_at + 1",
            "UPDATE vault SET created_at = created_at - 1",
        ] {
            self.connection.execute(update, [])?;
        }
        Ok(())
    }
}

/// What a change needs besides a connection.
pub(super) struct Context {
    pub(super) cipher: Arc<Cipher>,
    pub(super) usage: Arc<Usage>,
    pub(super) unreadable: Arc<Unreadable>,
    pub(super) max_events: u32,
}

impl Context {
    /// Runs `work` in the open transaction of `connection`. Returns its value and
    /// whether it overwrote a secret.
    pub(super) fn run<T>(
        &self,
        connection: &Connection,
        work: impl FnOnce(&Change<'_>) -> Result<T, Error>,
    ) -> Written<T> {
        let view = View {
            connection,
            cipher: &self.cipher,
            usage: &self.usage,
            unreadable: &self.unreadable,
        };
        let change = Change {
            view,
            max_events: self.max_events,
            erases: Cell::new(false),
        };
        let value = work(&change)?;
        Ok((value, change.erases.get()))
    }
}
