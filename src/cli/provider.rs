//! `agent-auth provider`: list, show and remove. `add` and `discover` are in files of
//! their own.

mod add;
mod discover;
mod secret;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::output;
use crate::api::replies::ProviderResponse;
use crate::client::Client;
use crate::identity::ProviderId;
use crate::provider::catalog::PRESETS;
use crate::provider::{EndpointError, parse_endpoint};

/// The commands on providers.
#[derive(Clone, Debug, Subcommand)]
pub enum ProviderCommand {
    /// Add a provider and print the redirect address to register with it
    Add(Box<add::AddArgs>),
    /// Add the provider of an MCP server from the server's address
    Discover(discover::DiscoverArgs),
    /// List the providers
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a provider, without its client secret
    Show {
        /// Which provider.
        #[command(flatten)]
        which: Which,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the well-known providers, whose addresses are built in
    Presets,
    /// Remove a provider; revoke and delete its tokens
    Remove(Which),
}

/// The provider that a command is about.
#[derive(Clone, Debug, Args)]
pub struct Which {
    /// The provider's ID
    #[arg(value_name = "PROVIDER", value_parser = super::provider_id)]
    id: ProviderId,
}

/// A provider in the list.
#[derive(Debug, Serialize)]
struct Listed {
    #[serde(flatten)]
    provider: ProviderResponse,
    /// Whether the machine's administrator provides it for every user.
    is_platform: bool,
}

impl Listed {
    fn row(self) -> [String; 4] {
        let note = if self.is_platform {
            "provided by this machine"
        } else {
            ""
        };
        let Self { provider, .. } = self;
        [
            provider.provider_id,
            provider.name,
            provider.auth_url,
            note.to_owned(),
        ]
    }
}

/// Parses an endpoint's address; it is sent to the daemon as typed.
fn endpoint(text: &str) -> Result<String, EndpointError> {
    parse_endpoint(text).map(|_| text.to_owned())
}

/// Runs the command.
pub(super) async fn execute(client: &Client, command: ProviderCommand) -> Result<ExitCode> {
    match command {
        ProviderCommand::Add(args) => add::execute(client, *args).await?,
        ProviderCommand::Discover(args) => discover::execute(client, args).await?,
        ProviderCommand::List { json } => list(client, json).await?,
        ProviderCommand::Show { which, json } => show(client, &which.id, json).await?,
        ProviderCommand::Presets => presets()?,
        ProviderCommand::Remove(which) => {
            let removed = client.delete_provider(&which.id).await?;
            output::note(&format!("{}.", removed.message));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn presets() -> Result<()> {
    let rows = PRESETS.map(|preset| [preset.id, preset.name, preset.auth_url].map(str::to_owned));
    output::table(["PRESET", "NAME", "LOGIN AT"], &rows)?;
    Ok(())
}

async fn list(client: &Client, json: bool) -> Result<()> {
    let own = client.providers().await?;
    let platform = client.platform_providers().await?;
    let providers: Vec<_> = own
        .into_iter()
        .map(|provider| (provider, false))
        .chain(platform.into_iter().map(|provider| (provider, true)))
        .map(|(provider, is_platform)| Listed {
            provider,
            is_platform,
        })
        .collect();
    if json {
        output::json(&providers)?;
    } else if providers.is_empty() {
        output::note("No providers are stored. To add one: agent-auth provider add --help");
    } else {
        let rows: Vec<_> = providers.into_iter().map(Listed::row).collect();
        output::table(["PROVIDER", "NAME", "LOGIN AT", ""], &rows)?;
    }
    Ok(())
}

async fn show(client: &Client, id: &ProviderId, json: bool) -> Result<()> {
    let provider = client.provider(id).await?;
    if json {
        output::json(&provider)?;
        return Ok(());
    }
    for (name, value) in described(&provider) {
        output::line(&format!("{name:<16}{value}"))?;
    }
    Ok(())
}

/// A provider's properties as pairs of name and value.
fn described(provider: &ProviderResponse) -> Vec<(&'static str, String)> {
    let some = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    let mut lines = vec![
        ("provider", provider.provider_id.clone()),
        ("name", provider.name.clone()),
        ("client id", provider.client_id.clone()),
        ("auth url", provider.auth_url.clone()),
        ("token url", provider.token_url.clone()),
        ("auth method", provider.token_endpoint_auth_method.clone()),
        ("pkce", some(&provider.code_challenge_method)),
        ("type", some(&provider.provider_type)),
        ("redirect uri", some(&provider.default_redirect_uri)),
    ];
    if let Some(server) = &provider.mcp_server_url {
        lines.push(("mcp server", server.clone()));
    }
    let params = provider.authorization_params.iter();
    lines.extend(params.map(|(key, value)| ("param", format!("{key}={value}"))));
    let allowed = provider.allowed_redirect_uris.iter();
    lines.extend(allowed.map(|uri| ("also allowed", uri.clone())));
    lines.push(("created", provider.created_at.to_string()));
    lines.push(("changed", provider.updated_at.to_string()));
    lines
}
