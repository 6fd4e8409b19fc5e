//! Deleting what cannot be read: nothing of it is used, so that nothing can be
//! revoked, and its owner deletes it by its identifier.

use serde_json::Map;

use super::revoker::Deleted;
use super::{Broker, Error};
use crate::event::{Event, Kind, Source};
use crate::identity::{FlowId, Owner, ProviderId, Scopes};
use crate::provider::{ProviderRef, Source as DefinedBy};
use crate::vault;

/// Why a token was deleted without being revoked.
const REASON: &str = "deleted; its row could not be read, so it was not revoked";

impl Broker {
    /// How many stored rows of an owner's cannot be read, as far as is known.
    #[must_use]
    pub fn unreadable_rows(&self, owner: Owner) -> usize {
        self.0.vault.unreadable_rows(Some(owner))
    }

    /// Looks at every stored row, if that is due, so that those which cannot be
    /// read are known.
    pub async fn survey(&self) {
        self.0.vault.survey_if_due(self.0.env.now()).await;
    }

    /// Deletes a token whose row cannot be read.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(super) async fn delete_unreadable_token(
        &self,
        owner: Owner,
        token_id: &str,
    ) -> Result<(), Error> {
        let (event_id, now) = (self.0.env.uuid(), self.0.env.now());
        let row = token_id.to_owned();
        let deleted = self.0.vault.write_for(owner, move |change| {
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
                acknowledged_at: None,
                created_at: now,
            })
        });
        match deleted.await {
            Err(vault::Error::NotFound) => Err(Error::no_token()),
            other => Ok(other?),
        }
    }

    /// Deletes a provider whose row cannot be read, with its tokens and flows.
    /// Nothing is revoked: where to is what cannot be read.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(super) async fn delete_unreadable_provider(
        &self,
        owner: Owner,
        provider_id: &str,
    ) -> Result<Deleted, Error> {
        let no_provider = || Error::no_provider(provider_id);
        let id = ProviderId::parse(provider_id).ok_or_else(no_provider)?;
        let (env, now) = (self.0.env.clone(), self.0.env.now());
        let deleted = self.0.vault.write_for(owner, move |change| {
            let provider = ProviderRef {
                source: DefinedBy::Owner,
                provider_id: id,
            };
            let tokens = change.tokens_of_provider(owner, &provider, None, None)?;
            for stored in &tokens {
                let (token, event_id) = (&stored.token, env.uuid());
                change.delete_token(owner, token.id)?;
                let event = Event::about(token, Kind::Deleted, Source::Api, event_id, now);
                change.add_event(&event.because("provider_deleted"))?;
            }
            let flows = change.delete_flows_of_provider(owner, &provider)?;
            change.delete_provider(owner, &provider.provider_id)?;
            Ok((flows, tokens.len()))
        });
        let (flows, tokens): (Vec<FlowId>, _) = match deleted.await {
            Err(vault::Error::NotFound) => return Err(no_provider()),
            other => other?,
        };
        flows.into_iter().for_each(|flow| self.0.waiters.wake(flow));
        Ok(Deleted {
            tokens,
            ..Deleted::default()
        })
    }
}
