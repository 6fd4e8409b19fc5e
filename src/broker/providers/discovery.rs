//! Creating a provider from the metadata of an MCP server.

use std::collections::BTreeMap;

use super::Providers;
use crate::broker::Error;
use crate::broker::commands::DiscoverProvider;
use crate::identity::Owner;
use crate::provider::{Pkce, Provider, Source as DefinedBy};
use crate::quota::New;

impl Providers {
    /// Creates a provider from an MCP server's address, and registers a client with
    /// its authorization server.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] and [`Error::Reserved`], before any request is sent;
    /// [`Error::Discovery`].
    pub async fn discover(
        &self,
        owner: Owner,
        command: DiscoverProvider,
    ) -> Result<Provider, Error> {
        let DiscoverProvider {
            provider_id,
            name,
            mcp_server_url,
        } = command;
        Error::check_name(&provider_id)?;
        let known = self
            .context
            .vault
            .read(|view| view.provider(owner, &provider_id))?;
        if known.is_some() {
            return Err(Error::provider_exists(&provider_id));
        }
        // Checked before a client is registered that could not be stored.
        let room = self.context.room();
        self.context
            .vault
            .read(|view| room.check(view, owner, New::Provider))?;
        let redirect_uri = self.context.redirect_uri_of(&provider_id);
        let discovered = self.context.oauth.discover(&mcp_server_url, &redirect_uri);
        let discovered = discovered.await.map_err(Error::Discovery)?;
        let now = self.context.env.now();
        let provider = Provider {
            id: self.context.env.uuid(),
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
        self.store(owner, provider).await
    }
}
