//! An owner's providers: creating, discovering, changing and deleting them; and those
//! that the machine's administrator offers.

mod discovery;
mod unreadable;

use std::sync::Arc;

use super::Error;
use super::context::Context;
use super::logins::Logins;
use super::provider_lookup::ProviderLookup;
use super::refresher::Refresher;
use super::revoker::{Deleted, DeletedTokens, Deletion, Revoker};
use crate::api::requests::{ProviderCreateRequest, ProviderUpdateRequest};
use crate::event::{Event, Kind, Source};
use crate::identity::{Owner, ProviderId};
use crate::provider::{AuthMethod, Endpoints, Pkce, Provider, Source as DefinedBy};
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
    pub fn of_platform(&self, provider_id: &str) -> Result<Provider, Error> {
        self.lookup.of_platform(provider_id)
    }

    /// The owner's provider of that name, or else the administrator's.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn usable(&self, owner: Owner, provider_id: &str) -> Result<Provider, Error> {
        self.lookup.usable(owner, provider_id)
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
    pub async fn create(
        &self,
        owner: Owner,
        request: ProviderCreateRequest,
    ) -> Result<Provider, Error> {
        Error::check_name(&request.provider_id)?;
        let (id, now) = (self.context.env.uuid(), self.context.env.now());
        let provider = request.into_provider(id, DefinedBy::Owner, now);
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
    pub fn find(&self, owner: Owner, provider_id: &str) -> Result<Provider, Error> {
        self.lookup.of_owner(owner, provider_id)
    }

    /// Changes a provider. A secret never goes to an address that it was not
    /// given for: another token endpoint without a new secret drops the
    /// stored one, and tokens obtained under the old client or addresses need
    /// the person again.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Rule`].
    pub async fn update(
        &self,
        owner: Owner,
        provider_id: &str,
        request: ProviderUpdateRequest,
    ) -> Result<Provider, Error> {
        let id = ProviderId::parse(provider_id).ok_or_else(|| Error::no_provider(provider_id))?;
        let now = self.context.env.now();
        let env = self.context.env.clone();
        let updated = self.context.vault.write_for(owner, move |change| {
            let old = change.provider(owner, &id)?.ok_or(vault::Error::NotFound)?;
            let new = Provider {
                updated_at: now,
                ..changed(old.clone(), request)
            };
            if let Some(rule) = broken_rule(&new) {
                return Ok(Err(rule));
            }
            change.update_provider(owner, &new)?;
            if old.binding() != new.binding()
                || old.endpoints.authorization != new.endpoints.authorization
            {
                for stored in change.tokens_of_provider(owner, &new.reference(), None, None)? {
                    let reason = "provider_changed";
                    change.mark_person_needed(&stored.token, reason, now)?;
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
            Err(vault::Error::NotFound) => Err(Error::no_provider(provider_id)),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes a provider with its tokens, flows and connections, and has the
    /// tokens revoked.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete(&self, owner: Owner, provider_id: &str) -> Result<Deleted, Error> {
        let provider = match self.lookup.of_owner(owner, provider_id) {
            Err(Error::Vault(vault::Error::UnreadableRow { .. })) => {
                return self.delete_unreadable(owner, provider_id).await;
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
                return Err(Error::no_provider(provider_id));
            }
            other => other?,
        };
        self.logins.wake(flows);
        Ok(deleted)
    }
}

/// The provider with what the request changes.
fn changed(mut provider: Provider, request: ProviderUpdateRequest) -> Provider {
    if let Some(token_url) = request.token_url
        && token_url != provider.endpoints.token
    {
        // What is known of the old server is not true of the new one.
        provider.endpoints = Endpoints {
            authorization: provider.endpoints.authorization,
            token: token_url,
            revocation: None,
            issuer: None,
            sends_iss: false,
        };
        provider.client.client_secret = None;
    }
    if let Some(secret) = request.client_secret {
        if provider.client.auth_method == AuthMethod::None {
            provider.client.auth_method = AuthMethod::ClientSecretPost;
        }
        provider.client.client_secret = Some(secret);
    }
    let pkce = match (request.uses_pkce, request.code_challenge_method) {
        (Some(false), _) => Some(Pkce::Off),
        (Some(true), None) if provider.pkce == Pkce::Off => Some(Pkce::S256),
        (Some(true), method) => method,
        (None, method) => method.filter(|_| provider.pkce != Pkce::Off),
    };
    provider.pkce = pkce.unwrap_or(provider.pkce);
    provider.name = request.name.unwrap_or(provider.name);
    provider.client.client_id = request.client_id.unwrap_or(provider.client.client_id);
    provider.endpoints.authorization = request.auth_url.unwrap_or(provider.endpoints.authorization);
    provider.authorization_params = request
        .authorization_params
        .unwrap_or(provider.authorization_params);
    provider.allowed_redirect_uris = request
        .allowed_redirect_uris
        .unwrap_or(provider.allowed_redirect_uris);
    provider
}

fn broken_rule(provider: &Provider) -> Option<Error> {
    (provider.pkce == Pkce::Off && !provider.client.is_confidential()).then_some(Error::Rule {
        field: "uses_pkce",
        rule: "PKCE cannot be turned off for a public client",
    })
}
