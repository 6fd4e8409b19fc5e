//! What a person chooses of a token: what its account is called, and whether
//! it is the default.

use super::{Change, Error};
use crate::clock::Timestamp;
use crate::token::Token;

impl Change<'_> {
    /// Makes `token` the default of its owner, provider, user and agent; the
    /// one before it no longer is.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the store cannot take it.
    pub fn set_default(&self, token: &Token) -> Result<(), Error> {
        self.clear_default(token)?;
        self.connection.execute(
            "UPDATE tokens SET is_default = 1 WHERE owner = ?1 AND id = ?2",
            (token.owner, token.id),
        )?;
        Ok(())
    }

    /// Takes the default away from whichever token of the same owner,
    /// provider, user and agent has it.
    ///
    /// # Errors
    /// As [`Self::set_default`].
    pub fn clear_default(&self, token: &Token) -> Result<(), Error> {
        self.connection.execute(
            "UPDATE tokens SET is_default = 0
             WHERE owner = ?1 AND source = ?2 AND provider_id = ?3 AND user_id = ?4
               AND agent_id IS ?5 AND is_default = 1",
            (
                token.owner,
                token.provider.source,
                &token.provider.provider_id,
                &token.user_id,
                &token.agent_id,
            ),
        )?;
        Ok(())
    }

    /// Stores what a person calls a token's account; `None` leaves it with the
    /// provider's name for it.
    ///
    /// # Errors
    /// As [`Self::set_default`].
    pub fn set_label(
        &self,
        token: &Token,
        label: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.connection.execute(
            "UPDATE tokens SET own_label = ?3, updated_at = ?4 WHERE owner = ?1 AND id = ?2",
            (token.owner, token.id, label, now),
        )?;
        Ok(())
    }
}
