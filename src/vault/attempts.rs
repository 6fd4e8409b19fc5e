//! Refresh tokens that are being spent: written down before the request is
//! sent, taken away in the commit that stores the answer.
//!
//! One that is still there when the daemon starts was cut off; its outcome is
//! in doubt.

use super::rows::Named;
use super::{Change, Error, View};
use crate::clock::Timestamp;
use crate::identity::{Owner, TokenId};
use crate::token::Token;

pub(super) const NAMED: Named = Named {
    table: "refresh_attempts",
    row: "token_id",
};

/// A refresh whose outcome is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Whose token.
    pub owner: Owner,
    /// The token.
    pub token_id: TokenId,
    /// The generation whose refresh token was spent.
    pub generation: i64,
    /// When it began.
    pub started_at: Timestamp,
}

impl View<'_> {
    /// Every attempt that is open.
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

    /// Whether an earlier attempt to spend this token's refresh token was
    /// never answered.
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
    /// Writes an attempt down. That it can be written is also the proof that
    /// the store will take the answer.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the token is gone or holds another generation;
    /// [`Error::Unwritable`] if the store cannot take it.
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

    /// Takes an attempt away: its outcome is known.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the store cannot take it.
    pub fn end_attempt(&self, owner: Owner, token_id: TokenId) -> Result<(), Error> {
        self.connection.execute(
            "DELETE FROM refresh_attempts WHERE owner = ?1 AND token_id = ?2",
            (owner, token_id),
        )?;
        Ok(())
    }
}
