//! Whether rows exist, without reading them.

use super::{Error, View};
use crate::identity::{Owner, ProviderId};

impl View<'_> {
    /// Whether an owner has a token of a provider, the owner's or the
    /// platform's.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the file cannot be read.
    pub fn has_token(&self, owner: Owner, provider_id: &ProviderId) -> Result<bool, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT 1 FROM tokens WHERE owner = ?1 AND provider_id = ?2 LIMIT 1")?;
        Ok(statement.exists((owner, provider_id))?)
    }
}
