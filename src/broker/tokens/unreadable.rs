//! Deleting a token whose row cannot be read. Nothing of such a row is used, so the
//! token cannot be revoked; its owner deletes it by its identifier.

use serde_json::Map;

use super::Tokens;
use crate::broker::Error;
use crate::event::{Event, Kind, Source};
use crate::identity::{Owner, Scopes};

/// Why a token was deleted without being revoked.
const REASON: &str = "deleted; its row could not be read, so it was not revoked";

impl Tokens {
    /// Deletes a token whose row cannot be read.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(super) async fn delete_unreadable(&self, owner: Owner, row: String) -> Result<(), Error> {
        let (event_id, now) = (self.context.env.uuid(), self.context.env.now());
        let deleted = self.context.vault.write_for(owner, move |change| {
            let Some(provider_id) = change.delete_unreadable_token(owner, &row)? else {
                return Ok(());
            };
            change.add_event(&Event {
                id: event_id,
                owner,
                provider_id,
                agent_id: None,
                token_id: None,
                kind: Kind::Deleted,
                reason: Some(REASON.to_owned()),
                source: Source::Api,
                account_label: None,
                scopes: Scopes::default(),
                detail: Map::from_iter([("row".to_owned(), row.into())]),
                created_at: now,
            })
        });
        deleted.await.map_err(Error::or_no_token)
    }
}
