//! Commands about providers.

use url::Url;

use crate::identity::ProviderId;
use crate::provider::Changes;

/// Changes a provider.
#[derive(Clone, Debug)]
pub struct UpdateProvider {
    /// The provider.
    pub provider_id: ProviderId,
    /// What changes.
    pub changes: Changes,
}

/// Makes a provider from an MCP server's address.
#[derive(Clone, Debug)]
pub struct DiscoverProvider {
    /// The identifier to give the provider.
    pub provider_id: ProviderId,
    /// What people call it.
    pub name: String,
    /// The MCP server.
    pub mcp_server_url: Url,
}
