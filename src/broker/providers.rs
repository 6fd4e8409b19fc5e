//! An owner's providers: creating, discovering, changing and deleting them; and those
//! that the machine's administrator offers.

mod discovery;
mod unreadable;

use std::sync::Arc;

use super::Error;
use super::commands::UpdateProvider;
use super::context::Context;
use super::logins::Logins;
use super::provider_lookup::ProviderLookup;
use super::refresher::Refresher;
use super::revoker::{Deleted, DeletedTokens, Deletion, Revoker};
use crate::event::{Event, Kind, Source};
use crate::identity::{Owner, ProviderId};
use crate::provider::{Definition, Provider, Source as DefinedBy};
use crate::quota::New;
use crate::vault::{self, Change, Cursor, Page};

/// The providers; clones share its state.
#[derive(Clone, Debug)]
pub struct Providers {
    context: Arc<Context>,
    lookup: Arc<ProviderLookup>,
    revoker: Revoker,
    refresher: Refresher,
    logins: Logins,
}

impl Providers {
    pub(super) fn new(
        context: Arc<Context>,
        lookup: Arc<ProviderLookup>,
        revoker: Revoker,
        refresher: Refresher,
        logins: Logins,
    ) -> Self {
        Self {
            context,
            lookup,
            revoker,
            refresher,
            logins,
        }
    }

    /// Replaces the administrator's providers.
    pub fn set_platform(&self, providers: Vec<Provider>) {
        self.lookup.set_platform(providers);
    }

    /// The administrator's providers, newest first.
    #[must_use]
    pub fn platform(&self) -> Arc<[Provider]> {
        self.lookup.platform()
    }

    /// One of the administrator's providers.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn of_platform(&self, id: &ProviderId) -> Result<Provider, Error> {
        self.lookup.of_platform(id)
    }

    /// The owner's provider of that name, or else the administrator's.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn usable(&self, owner: Owner, id: &ProviderId) -> Result<Provider, Error> {
        self.lookup.usable(owner, id)
    }

    /// What to register with `provider` as its redirect address.
    #[must_use]
    pub fn default_redirect_uri(&self, provider: &Provider) -> String {
        self.context.default_redirect_uri(provider)
    }

    /// Creates a provider.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], [`Error::Reserved`].
    pub async fn create(&self, owner: Owner, definition: Definition) -> Result<Provider, Error> {
        Error::check_name(&definition.provider_id)?;
        let (id, now) = (self.context.env.uuid(), self.context.env.now());
        let provider = definition.into_provider(id, DefinedBy::Owner, now);
        self.store(owner, provider).await
    }

    pub(super) async fn store(&self, owner: Owner, provider: Provider) -> Result<Provider, Error> {
        let (stored, room) = (provider.clone(), self.context.room());
        let insert = move |change: &Change<'_>| {
            if change.has_provider(owner, &stored.provider_id)? {
                return Err(vault::Error::AlreadyExists);
            }
            room.check(change, owner, New::Provider)?;
            change.insert_provider(owner, &stored)
        };
        match self.context.vault.write_for(owner, insert).await {
            Ok(()) => Ok(provider),
            Err(vault::Error::AlreadyExists) => Err(Error::provider_exists(&provider.provider_id)),
            Err(error) => Err(error.into()),
        }
    }

    /// A page of an owner's providers, newest first.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn list(&self, owner: Owner, from: Cursor) -> Result<Page<Provider>, Error> {
        Ok(self
            .context
            .vault
            .read(|view| view.providers_page(owner, from))?)
    }

    /// One provider of an owner.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn find(&self, owner: Owner, id: &ProviderId) -> Result<Provider, Error> {
        self.lookup.of_owner(owner, id)
    }

    /// Changes a provider. A secret is never sent to an address that it was not given
    /// for: a new token endpoint without a new secret removes the stored secret, and
    /// tokens obtained under the old client or addresses need a person again.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Rule`].
    pub async fn update(&self, owner: Owner, command: UpdateProvider) -> Result<Provider, Error> {
        let UpdateProvider {
            provider_id,
            changes,
        } = command;
        let id = provider_id.clone();
        let now = self.context.env.now();
        let env = self.context.env.clone();
        let updated = self.context.vault.write_for(owner, move |change| {
            let old = change.provider(owner, &id)?.ok_or(vault::Error::NotFound)?;
            let new = match old.clone().changed(changes) {
                Ok(changed) => Provider {
                    updated_at: now,
                    ..changed
                },
                Err(rule) => return Ok(Err(rule.into())),
            };
            change.update_provider(owner, &new)?;
            if old.binding() != new.binding()
                || old.endpoints.authorization != new.endpoints.authorization
            {
                for stored in change.tokens_of_provider(owner, &new.reference(), None, None)? {
                    let reason = "provider_changed";
                    change.require_reauthorization(&stored.token, reason, now)?;
                    let event = Event::about(
                        &stored.token,
                        Kind::ReconnectRequired,
                        Source::Api,
                        env.uuid(),
                        now,
                    );
                    change.add_event(&event.because(reason))?;
                }
            }
            Ok(Ok(new))
        });
        match updated.await {
            Ok(updated) => updated.inspect(|new| {
                self.refresher.forget_client(owner, &new.binding());
            }),
            Err(vault::Error::NotFound) => Err(Error::no_provider(&provider_id)),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes a provider with its tokens, flows and connections, and has the
    /// tokens revoked.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete(&self, owner: Owner, id: &ProviderId) -> Result<Deleted, Error> {
        let provider = match self.lookup.of_owner(owner, id) {
            Err(Error::Vault(vault::Error::UnreadableRow { .. })) => {
                return self.delete_unreadable(owner, id).await;
            }
            other => other?,
        };
        let deletion = self.revoker.deletion("deleted with its provider");
        let change = move |change: &Change<'_>| {
            let reference = provider.reference();
            let mut deleted = DeletedTokens::default();
            for stored in change.tokens_of_provider(owner, &reference, None, None)? {
                let at = Deletion::require_same_client(provider.clone(), &stored.token);
                let revocation = deletion.record(change, &stored, at)?;
                deleted.add(&stored.token, revocation);
                change.delete_token(owner, stored.token.id)?;
            }
            let flows = change.delete_flows_of_provider(owner, &reference)?;
            change.delete_provider(owner, &provider.provider_id)?;
            Ok((deleted, flows))
        };
        let (deleted, flows) = match self.revoker.delete(owner, change).await {
            Err(Error::Vault(vault::Error::NotFound)) => {
                return Err(Error::no_provider(id));
            }
            other => other?,
        };
        self.logins.wake(flows);
        Ok(deleted)
    }
}
