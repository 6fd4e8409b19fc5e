//! What happened to an owner's tokens.

use super::Tokens;
use crate::broker::Error;
use crate::event::Event;
use crate::identity::{Owner, ProviderId};

impl Tokens {
    /// At most `limit` events of an owner, newest first, of one provider or
    /// all.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn events(
        &self,
        owner: Owner,
        provider_id: Option<&ProviderId>,
        limit: u32,
    ) -> Result<Vec<Event>, Error> {
        let events = self
            .context
            .vault
            .read(|view| view.events(owner, provider_id, limit))?;
        Ok(events)
    }
}
