//! `agent-auth provider discover`.

use anyhow::Result;
use clap::Args;

use crate::cli::output;
use crate::client::{Client, NewMcpProvider};
use crate::identity::ProviderId;

const EXAMPLES: &str = "\
Example:
  agent-auth provider discover linear https://mcp.linear.app/mcp
  agent-auth login linear";

/// Add the provider of an MCP server from the server's address
///
/// agent-authd finds the server's authorization server and registers a client there.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DiscoverArgs {
    /// The ID for the provider: a letter or digit, then letters, digits, dots,
    /// underscores or hyphens
    #[arg(value_name = "PROVIDER", value_parser = crate::cli::provider_id)]
    id: ProviderId,

    /// The MCP server's address
    #[arg(value_name = "URL", value_parser = super::endpoint)]
    url: String,

    /// The display name [default: the ID]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Finds the provider and adds it.
pub(super) async fn execute(client: &Client, args: DiscoverArgs) -> Result<()> {
    let server = NewMcpProvider {
        name: args.name.unwrap_or_else(|| args.id.to_string()),
        provider_id: args.id,
        mcp_server_url: args.url,
    };
    let added = client.discover_provider(&server).await?;
    output::note(&format!(
        "Added {}. Its login page is {}.",
        added.provider_id, added.auth_url
    ));
    output::note(&format!(
        "Then log in: agent-auth login {}",
        added.provider_id
    ));
    Ok(())
}
