//! Deleting a provider whose row cannot be read.

use super::Providers;
use crate::broker::Error;
use crate::broker::revoker::Deleted;
use crate::event::{Event, Kind, Source};
use crate::identity::{FlowId, Owner, ProviderId};
use crate::provider::{ProviderRef, Source as DefinedBy};
use crate::vault;

impl Providers {
    /// Deletes a provider whose row cannot be read, with its tokens and flows.
    /// Nothing is revoked, since the provider's addresses cannot be read.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(super) async fn delete_unreadable(
        &self,
        owner: Owner,
        id: &ProviderId,
    ) -> Result<Deleted, Error> {
        let provider_id = id.clone();
        let (env, now) = (self.context.env.clone(), self.context.env.now());
        let deleted = self.context.vault.write_for(owner, move |change| {
            let provider = ProviderRef {
                source: DefinedBy::Owner,
                provider_id,
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
            Err(vault::Error::NotFound) => return Err(Error::no_provider(id)),
            other => other?,
        };
        self.logins.wake(flows);
        Ok(Deleted {
            tokens,
            ..Deleted::default()
        })
    }
}
