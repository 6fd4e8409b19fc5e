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

/// Add the provider that authorizes an MCP server's callers, by the server's
/// address alone
///
/// A client is registered there by itself; nothing needs to be copied.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DiscoverArgs {
    /// The identifier to give it: a letter or digit, then letters, digits,
    /// dots, underscores or hyphens
    #[arg(value_name = "PROVIDER", value_parser = crate::cli::provider_id)]
    id: ProviderId,

    /// The MCP server's address
    #[arg(value_name = "URL", value_parser = super::endpoint)]
    url: String,

    /// What people call it [default: the identifier]
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
        "Added {}, which logs in at {}.",
        added.provider_id, added.auth_url
    ));
    output::note(&format!(
        "Then log in: agent-auth login {}",
        added.provider_id
    ));
    Ok(())
}
