//! How much there is, without reading any of it.

use super::{Error, View};
use crate::clock::Timestamp;
use crate::identity::{Owner, ProviderId};

impl View<'_> {
    /// Whether an owner has a token of a provider, whoever defined it.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the file cannot be read.
    pub fn has_token(&self, owner: Owner, provider_id: &ProviderId) -> Result<bool, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT 1 FROM tokens WHERE owner = ?1 AND provider_id = ?2 LIMIT 1")?;
        Ok(statement.exists((owner, provider_id))?)
    }

    /// How many providers, tokens and pending flows an owner has, or with
    /// `None` everybody.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the file cannot be read.
    pub fn counts(&self, owner: Option<Owner>, now: Timestamp) -> Result<(u32, u32, u32), Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT (SELECT count(*) FROM providers WHERE ?1 IS NULL OR owner = ?1),
                    (SELECT count(*) FROM tokens WHERE ?1 IS NULL OR owner = ?1),
                    (SELECT count(*) FROM flows WHERE (?1 IS NULL OR owner = ?1) AND status = 'pending' AND expires_at > ?2)",
        )?;
        Ok(statement.query_row((owner, now), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?)
    }
}
