//! Finding a provider: an owner's own in the vault, or one that the machine's
//! administrator offers to every owner.
//!
//! The administrator's providers come from files. They are held here and replaced
//! all at once. No call of the API changes them, and the tokens and flows made with
//! them belong to the owner who made them.

use std::sync::{Arc, PoisonError, RwLock};

use super::Error;
use super::context::Context;
use crate::identity::{Owner, ProviderId};
use crate::provider::{Provider, ProviderRef, Source};

/// Finds providers, and holds those of the administrator.
#[derive(Debug)]
pub(super) struct ProviderLookup {
    context: Arc<Context>,
    /// The administrator's providers, newest first.
    platform: RwLock<Arc<[Provider]>>,
}

impl ProviderLookup {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self {
            context,
            platform: RwLock::default(),
        }
    }

    /// Replaces the administrator's providers.
    pub(super) fn set_platform(&self, mut providers: Vec<Provider>) {
        providers.sort_by(|one, other| {
            let age = other.created_at.cmp(&one.created_at);
            age.then_with(|| one.provider_id.cmp(&other.provider_id))
        });
        *self
            .platform
            .write()
            .unwrap_or_else(PoisonError::into_inner) = providers.into();
    }

    /// The administrator's providers, newest first.
    pub(super) fn platform(&self) -> Arc<[Provider]> {
        Arc::clone(&self.platform.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// One of the administrator's providers.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(super) fn of_platform(&self, id: &ProviderId) -> Result<Provider, Error> {
        let all = self.platform();
        let named = |provider: &&Provider| provider.provider_id == *id;
        let found = all.iter().find(named).cloned();
        found.ok_or_else(|| Error::no_provider(id))
    }

    /// An owner's own provider.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Vault`].
    pub(super) fn of_owner(&self, owner: Owner, id: &ProviderId) -> Result<Provider, Error> {
        let found = self.context.vault.read(|view| view.provider(owner, id))?;
        found.ok_or_else(|| Error::no_provider(id))
    }

    /// The owner's provider of that name, or else the administrator's.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Vault`].
    pub(super) fn usable(&self, owner: Owner, id: &ProviderId) -> Result<Provider, Error> {
        match self.of_owner(owner, id) {
            Err(Error::NotFound(_)) => self.of_platform(id),
            other => other,
        }
    }

    /// The provider that a stored token or flow refers to, as it is now.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Vault`].
    pub(super) fn referred(
        &self,
        owner: Owner,
        reference: &ProviderRef,
    ) -> Result<Provider, Error> {
        match reference.source {
            Source::Owner => self.of_owner(owner, &reference.provider_id),
            Source::Platform => self.of_platform(&reference.provider_id),
        }
    }

    /// The provider that a request for a token means: the owner's own, or the
    /// administrator's if the owner has none of that name or `from_platform` is
    /// set. It returns the reference alone, so that a stored token is issued
    /// without opening the client's secret.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Vault`].
    pub(super) fn wanted(
        &self,
        owner: Owner,
        provider_id: &ProviderId,
        from_platform: bool,
    ) -> Result<ProviderRef, Error> {
        if !from_platform
            && self
                .context
                .vault
                .read(|view| view.has_provider(owner, provider_id))?
        {
            return Ok(ProviderRef {
                source: Source::Owner,
                provider_id: provider_id.clone(),
            });
        }
        self.of_platform(provider_id)
            .map(|provider| provider.reference())
    }
}
