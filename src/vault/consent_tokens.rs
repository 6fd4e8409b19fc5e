//! The tokens of the forms on the pages. A flow's row holds the token of the
//! form that was shown last, and what that form offered.

use std::collections::BTreeMap;

use rusqlite::OptionalExtension as _;

use super::columns::{Json, json};
use super::flows::hash;
use super::totals::FLOWS;
use super::{Change, Error};
use crate::identity::{FlowId, Owner, Scopes};
use crate::secret::FormToken;

/// What a form offers: the scopes, by the identifier of a token or an agent.
pub type Offer = BTreeMap<String, Scopes>;

impl Change<'_> {
    /// Stores the token of a form that is about to be shown, and what the form
    /// offers. The token of an earlier form becomes invalid.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn issue_form(
        &self,
        owner: Owner,
        id: FlowId,
        token: &FormToken,
        offer: &Offer,
    ) -> Result<(), Error> {
        let (hash, offer) = (hash(token), json(offer)?);
        self.counted(&FLOWS, owner, &id, || {
            self.connection.execute(
                "UPDATE flows SET form_hash = ?3, form_offer = ?4
                 WHERE owner = ?1 AND id = ?2 AND status IN ('pending', 'completed')",
                (owner, id, hash, offer),
            )?;
            Ok(())
        })
    }

    /// Uses up a form's token and returns what the form offered; `None` if it
    /// is not the token of the form that was shown last, or was used before.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn redeem_form(
        &self,
        owner: Owner,
        id: FlowId,
        token: &FormToken,
    ) -> Result<Option<Offer>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT coalesce(form_offer, '{}') FROM flows
             WHERE owner = ?1 AND id = ?2 AND status IN ('pending', 'completed')
               AND form_hash = ?3",
        )?;
        let offer = statement.query_row((owner, id, hash(token)), |row| row.get(0));
        let Some(Json(offer)) = offer.optional()? else {
            return Ok(None);
        };
        self.counted(&FLOWS, owner, &id, || {
            Ok(self.connection.execute(
                "UPDATE flows SET form_hash = NULL, form_offer = NULL WHERE owner = ?1 AND id = ?2",
                (owner, id),
            )?)
        })?;
        Ok(Some(offer))
    }

    /// Stores a person's answer that the account of a completed flow is not the
    /// account that the flow was to renew.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn note_other_account(&self, owner: Owner, id: FlowId) -> Result<(), Error> {
        self.connection.execute(
            "UPDATE flows SET is_other_account = 1
             WHERE owner = ?1 AND id = ?2 AND status = 'completed'",
            (owner, id),
        )?;
        Ok(())
    }
}
