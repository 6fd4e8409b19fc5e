//! An owner's providers: making, changing and deleting them.

use super::revoker::{Deleted, DeletedTokens, Deletion};
use super::{Broker, Error};
use crate::api::requests::{ProviderCreateRequest, ProviderUpdateRequest};
use crate::event::{Event, Kind, Source};
use crate::identity::{FlowId, Owner, ProviderId};
use crate::provider::{AuthMethod, Endpoints, Pkce, Provider, Source as DefinedBy};
use crate::quota::New;
use crate::vault::{self, Change, Cursor, Page};

impl Broker {
    /// Creates a provider.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], [`Error::Reserved`].
    pub async fn create_provider(
        &self,
        owner: Owner,
        request: ProviderCreateRequest,
    ) -> Result<Provider, Error> {
        Error::check_name(&request.provider_id)?;
        let (id, now) = (self.0.env.uuid(), self.0.env.now());
        let provider = request.into_provider(id, DefinedBy::Owner, now);
        self.store_provider(owner, provider).await
    }

    pub(super) async fn store_provider(
        &self,
        owner: Owner,
        provider: Provider,
    ) -> Result<Provider, Error> {
        let (stored, room) = (provider.clone(), self.0.room());
        let insert = move |change: &Change<'_>| {
            if change.has_provider(owner, &stored.provider_id)? {
                return Err(vault::Error::AlreadyExists);
            }
            room.check(change, owner, New::Provider)?;
            change.insert_provider(owner, &stored)
        };
        match self.0.vault.write_for(owner, insert).await {
            Ok(()) => Ok(provider),
            Err(vault::Error::AlreadyExists) => Err(Error::provider_exists(&provider.provider_id)),
            Err(error) => Err(error.into()),
        }
    }

    /// A page of an owner's providers, newest first.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn providers(&self, owner: Owner, from: Cursor) -> Result<Page<Provider>, Error> {
        Ok(self.0.vault.read(|view| view.providers_page(owner, from))?)
    }

    /// One provider of an owner.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn provider(&self, owner: Owner, provider_id: &str) -> Result<Provider, Error> {
        self.find_provider(owner, provider_id)
    }

    /// Changes a provider. A secret never goes to an address that it was not
    /// given for: another token endpoint without a new secret drops the
    /// stored one, and tokens obtained under the old client or addresses need
    /// the person again.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Rule`].
    pub async fn update_provider(
        &self,
        owner: Owner,
        provider_id: &str,
        request: ProviderUpdateRequest,
    ) -> Result<Provider, Error> {
        let id = ProviderId::parse(provider_id).ok_or_else(|| Error::no_provider(provider_id))?;
        let now = self.0.env.now();
        let env = self.0.env.clone();
        let updated = self.0.vault.write_for(owner, move |change| {
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
                self.0.refresher.forget_client(owner, &new.binding());
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
    pub async fn delete_provider(&self, owner: Owner, provider_id: &str) -> Result<Deleted, Error> {
        let provider = match self.find_provider(owner, provider_id) {
            Err(Error::Vault(vault::Error::UnreadableRow { .. })) => {
                return self.delete_unreadable_provider(owner, provider_id).await;
            }
            other => other?,
        };
        let deletion = self.0.revoker.deletion("deleted with its provider");
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
        let (deleted, flows) = match self.0.revoker.delete(owner, change).await {
            Err(Error::Vault(vault::Error::NotFound)) => {
                return Err(Error::no_provider(provider_id));
            }
            other => other?,
        };
        let flows: Vec<FlowId> = flows;
        flows.into_iter().for_each(|flow| self.0.waiters.wake(flow));
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
