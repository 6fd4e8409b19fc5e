//! The providers that the machine's administrator offers to every owner.
//!
//! They lie in files (see [`crate::config::platform`]) and are held here,
//! replaced all at once. Nobody changes one over the API, and their tokens and
//! flows are each owner's own.

use std::sync::{Arc, PoisonError, RwLock};

use super::{Broker, Error};
use crate::api::requests::AuthenticateRequest;
use crate::identity::{Owner, ProviderId};
use crate::provider::{Provider, ProviderRef, Source};

/// The providers, newest first.
#[derive(Debug, Default)]
pub(super) struct Platform(RwLock<Arc<[Provider]>>);

impl Platform {
    fn all(&self) -> Arc<[Provider]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Broker {
    /// Offers these providers from now on, and no others.
    pub fn set_platform_providers(&self, mut providers: Vec<Provider>) {
        providers.sort_by(|one, other| {
            let age = other.created_at.cmp(&one.created_at);
            age.then_with(|| one.provider_id.cmp(&other.provider_id))
        });
        let held = &self.0.platform.0;
        *held.write().unwrap_or_else(PoisonError::into_inner) = providers.into();
    }

    /// What the administrator offers, newest first.
    #[must_use]
    pub fn platform_providers(&self) -> Arc<[Provider]> {
        self.0.platform.all()
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn platform_provider(&self, provider_id: &str) -> Result<Provider, Error> {
        let all = self.0.platform.all();
        let named = |provider: &&Provider| provider.provider_id.as_str() == provider_id;
        let found = all.iter().find(named).cloned();
        found.ok_or_else(|| Error::no_provider(provider_id))
    }

    /// The provider that a request for a token means: the owner's own, and the
    /// platform's where the owner has none of that name or the request insists.
    /// Only its name: a stored token is handed out without opening the
    /// client's secret.
    pub(super) fn wanted_provider(
        &self,
        owner: Owner,
        request: &AuthenticateRequest,
    ) -> Result<ProviderRef, Error> {
        if !request.use_platform_provider
            && let Some(provider_id) = ProviderId::parse(&request.provider)
            && self
                .0
                .vault
                .read(|view| view.has_provider(owner, &provider_id))?
        {
            return Ok(ProviderRef {
                source: Source::Owner,
                provider_id,
            });
        }
        self.platform_provider(&request.provider)
            .map(|provider| provider.reference())
    }

    /// The owner's provider of that name, else the platform's.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn usable_provider(&self, owner: Owner, provider_id: &str) -> Result<Provider, Error> {
        match self.find_provider(owner, provider_id) {
            Err(Error::NotFound { .. }) => self.platform_provider(provider_id),
            other => other,
        }
    }
}
