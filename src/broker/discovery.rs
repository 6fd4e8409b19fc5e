//! What is learnt of providers from their own metadata: a whole provider from
//! an MCP server's address, and where a provider's tokens are revoked.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use super::{Broker, Error};
use crate::api::requests::McpProviderCreateRequest;
use crate::identity::Owner;
use crate::log_limit::log_limited;
use crate::provider::{Pkce, Provider, Source as DefinedBy};
use crate::quota::New;
use crate::vault::Change;

/// How long a provider's metadata is looked for before its tokens are taken to
/// be such that cannot be revoked.
const LOOKING_TIMEOUT: Duration = Duration::from_secs(10);

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
        let now = self.0.env.now();
        let provider = Provider {
            id: self.0.env.uuid(),
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

    /// Finds out where the tokens of a provider are revoked that was defined
    /// without saying so, and remembers it; `None` if it cannot be found.
    pub(super) async fn learn_revocation_endpoint(
        &self,
        owner: Owner,
        provider: &Provider,
    ) -> Option<Url> {
        let looking = self.0.oauth.find_revocation_endpoint(provider);
        let looked = tokio::time::timeout(LOOKING_TIMEOUT, looking).await;
        let found = looked.ok().flatten()?;
        let (id, token_url) = (&provider.provider_id, &provider.endpoints.token);
        let (id, token_url) = (id.clone(), token_url.clone());
        let endpoint = found.clone();
        let remember = move |change: &Change<'_>| {
            let now = change.provider(owner, &id)?;
            // It may have been changed meanwhile, to another server even.
            let is_same = |now: &Provider| now.endpoints.token == token_url;
            if let Some(mut now) = now.filter(is_same) {
                now.endpoints.revocation.get_or_insert(endpoint);
                change.update_provider(owner, &now)?;
            }
            Ok(())
        };
        if let Err(error) = self.0.vault.write_for(owner, remember).await {
            log_limited!(20, warn,
                provider.id = %provider.provider_id, error = %error,
                "where the provider revokes tokens could not be remembered"
            );
        }
        Some(found)
    }
}
