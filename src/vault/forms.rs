//! The tokens of consent forms: the flow's row remembers the one shown last.

use super::flows::hash;
use super::{Change, Error};
use crate::identity::{FlowId, Owner};
use crate::secret::FormToken;

impl Change<'_> {
    /// Remembers the token of the consent form that is about to be shown; one
    /// shown before is good no longer.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the store cannot take it.
    pub fn issue_form(&self, owner: Owner, id: FlowId, token: &FormToken) -> Result<(), Error> {
        self.connection.execute(
            "UPDATE flows SET form_hash = ?3 WHERE owner = ?1 AND id = ?2 AND status = 'pending'",
            (owner, id, hash(token)),
        )?;
        Ok(())
    }

    /// Uses up the token that a consent form came back with; `false` if it is
    /// not the one that was shown last, or was used before.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the store cannot take it.
    pub fn redeem_form(&self, owner: Owner, id: FlowId, token: &FormToken) -> Result<bool, Error> {
        let redeemed = self.connection.execute(
            "UPDATE flows SET form_hash = NULL
             WHERE owner = ?1 AND id = ?2 AND status = 'pending' AND form_hash = ?3",
            (owner, id, hash(token)),
        )?;
        Ok(redeemed > 0)
    }
}
