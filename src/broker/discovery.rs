//! What is learnt of providers from their own metadata: a whole provider from
//! an MCP server's address, and where a provider's tokens are revoked.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::{Broker, Error};
use crate::api::requests::McpProviderCreateRequest;
use crate::identity::Owner;
use crate::oauth;
use crate::provider::{Pkce, Provider, Source as DefinedBy};
use crate::quota::New;
use crate::vault::{self, Change, Stored};

/// How long a provider's metadata is looked for before its tokens are deleted
/// without having been revoked.
const LOOKING_PATIENCE: Duration = Duration::from_secs(3);

impl Broker {
    /// Creates a provider from an MCP server's address alone, registering a
    /// client of our own with the server that authorizes its callers.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] and [`Error::Reserved`], before anybody is asked; [`Error::Discovery`].
    pub async fn discover_provider(
        &self,
        owner: Owner,
        request: McpProviderCreateRequest,
    ) -> Result<Provider, Error> {
        let McpProviderCreateRequest {
            provider_id,
            name,
            mcp_server_url,
        } = request;
        Error::check_name(&provider_id)?;
        let known = self
            .0
            .vault
            .read(|view| view.provider(owner, &provider_id))?;
        if known.is_some() {
            return Err(Error::provider_exists(&provider_id));
        }
        // Before a client is registered that could not be kept.
        let room = self.room();
        self.0
            .vault
            .read(|view| room.check(view, owner, New::Provider))?;
        let redirect_uri = self.redirect_uri_of(&provider_id);
        let discovered = self.0.oauth.discover(&mcp_server_url, &redirect_uri);
        let discovered = discovered.await.map_err(Error::Discovery)?;
        let now = self.0.ambient.now();
        let provider = Provider {
            id: self.0.ambient.uuid(),
            source: DefinedBy::Owner,
            provider_id,
            name,
            client: discovered.client,
            endpoints: discovered.endpoints,
            pkce: Pkce::S256,
            kind: None,
            authorization_params: BTreeMap::new(),
            allowed_redirect_uris: Vec::new(),
            mcp_server_url: Some(mcp_server_url),
            resource: Some(discovered.resource),
            created_at: now,
            updated_at: now,
        };
        self.store_provider(owner, provider).await
    }

    /// Finds out where those of `tokens` are revoked whose provider was defined
    /// without saying so, and remembers it.
    pub(super) async fn learn_revocation_endpoints(&self, owner: Owner, tokens: &[Stored]) {
        let providers: HashSet<_> = tokens
            .iter()
            .map(|stored| &stored.token.provider)
            // What the administrator defines is the administrator's to complete.
            .filter(|reference| reference.source == DefinedBy::Owner)
            .collect();
        for reference in providers {
            let Ok(provider) = self.provider_of(owner, reference) else {
                continue;
            };
            if !oauth::can_revoke(&provider)
                && let Err(error) = self.learn_revocation_endpoint(owner, provider).await
            {
                tracing::warn!(
                    provider.id = %reference.provider_id, error = %error,
                    "where the provider revokes tokens could not be remembered"
                );
            }
        }
    }

    async fn learn_revocation_endpoint(
        &self,
        owner: Owner,
        provider: Provider,
    ) -> Result<(), vault::Error> {
        let looking = self.0.oauth.find_revocation_endpoint(&provider);
        let Ok(Some(found)) = tokio::time::timeout(LOOKING_PATIENCE, looking).await else {
            return Ok(());
        };
        let remember = move |change: &Change<'_>| {
            let now = change.provider(owner, &provider.provider_id)?;
            // It may have been changed meanwhile, to another server even.
            if let Some(mut now) = now.filter(|now| now.endpoints == provider.endpoints) {
                now.endpoints.revocation = Some(found);
                change.update_provider(owner, &now)?;
            }
            Ok(())
        };
        self.0.vault.write(remember).await
    }
}
