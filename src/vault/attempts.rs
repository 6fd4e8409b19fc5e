//! Refresh attempts. A row is written before the request is sent, and deleted
//! in the commit that stores the answer.
//!
//! If a row exists when the daemon starts, the attempt was interrupted and its
//! outcome is unknown.

use super::rows::Named;
use super::{Change, Error, View};
use crate::clock::Timestamp;
use crate::identity::{Owner, TokenId};
use crate::token::Token;

pub(super) const NAMED: Named = Named {
    table: "refresh_attempts",
    row: "token_id",
};

/// A refresh whose outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The owner.
    pub owner: Owner,
    /// The token.
    pub token_id: TokenId,
    /// The generation whose refresh token was sent.
    pub generation: i64,
    /// When the attempt began.
    pub started_at: Timestamp,
}

impl View<'_> {
    /// Every open attempt.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if a row cannot be read.
    pub fn open_attempts(&self) -> Result<Vec<Attempt>, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT * FROM refresh_attempts")?;
        let rows = statement.query([])?;
        self.readable(NAMED, rows, |row| {
            Ok(Attempt {
                owner: row.get("owner")?,
                token_id: row.get("token_id")?,
                generation: row.get("generation")?,
                started_at: row.get("started_at")?,
            })
        })
    }

    /// Whether the outcome of an earlier refresh of this grant is unknown.
    ///
    /// # Errors
    /// As [`Self::open_attempts`].
    pub fn is_in_doubt(&self, token: &Token) -> Result<bool, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT 1 FROM refresh_attempts WHERE owner = ?1 AND token_id = ?2 AND generation = ?3",
        )?;
        Ok(statement.exists((token.owner, token.id, token.generation))?)
    }
}

impl Change<'_> {
    /// Records an attempt. The write also shows that the answer can be stored.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the token was deleted or has another generation;
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn begin_attempt(&self, token: &Token, now: Timestamp) -> Result<(), Error> {
        let begun = self.connection.execute(
            "INSERT INTO refresh_attempts (owner, token_id, generation, started_at)
             SELECT owner, id, generation, ?4 FROM tokens WHERE owner = ?1 AND id = ?2 AND generation = ?3
             ON CONFLICT (owner, token_id) DO UPDATE SET generation = excluded.generation",
            (token.owner, token.id, token.generation, now),
        )?;
        if begun == 0 {
            Err(Error::NotFound)
        } else {
            Ok(())
        }
    }

    /// Deletes an attempt whose outcome is known.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn end_attempt(&self, owner: Owner, token_id: TokenId) -> Result<(), Error> {
        self.connection.execute(
            "DELETE FROM refresh_attempts WHERE owner = ?1 AND token_id = ?2",
            (owner, token_id),
        )?;
        Ok(())
    }
}
