//! `agent-auth tokens`: lists, chooses and removes stored tokens. Secrets are not shown.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use super::{format, output};
use crate::api::replies::TokenSummary;
use crate::client::{self, Client};
use crate::clock::Timestamp;
use crate::identity::{ProviderId, TokenId};

/// The commands on stored tokens.
#[derive(Clone, Debug, Subcommand)]
pub enum TokensCommand {
    /// List the stored tokens, without their secrets
    List(ListArgs),
    /// Make a token the default for its provider, user and agent
    Default(DefaultArgs),
    /// Revoke and delete a token
    Remove(RemoveArgs),
}

/// The arguments of `tokens remove`.
#[derive(Clone, Debug, Args)]
pub struct RemoveArgs {
    /// The token's ID, as shown by `agent-auth tokens list --json` and
    /// `agent-auth vault check`
    #[arg(value_name = "TOKEN_ID", value_parser = NonEmptyStringValueParser::new())]
    id: String,
}

/// The arguments of `tokens default`.
#[derive(Clone, Debug, Args)]
pub struct DefaultArgs {
    /// The token's ID, as shown by `agent-auth tokens list --json`
    #[arg(value_name = "TOKEN_ID", value_parser = super::token_id)]
    id: TokenId,
}

/// List the stored tokens, without their secrets.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// List only tokens of this provider
    #[arg(long, value_name = "PROVIDER", value_parser = super::provider_id)]
    provider: Option<ProviderId>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) async fn execute(
    client: &Client,
    command: &TokensCommand,
    now: Timestamp,
) -> Result<ExitCode> {
    let args = match command {
        TokensCommand::List(args) => args,
        TokensCommand::Default(args) => return make_default(client, args.id).await,
        TokensCommand::Remove(args) => {
            let also_ended = client.delete_token(&args.id).await.with_context(|| {
                format!(
                    "{} was not removed (`agent-auth tokens list --json` shows the IDs)",
                    args.id
                )
            })?;
            output::note(&format!("Removed the token {}.", args.id));
            if !also_ended.is_empty() {
                output::note(&format!(
                    "At many providers this also ends other logins of the same account: {}. \
                     If one of them no longer works, a person must log in again.",
                    also_ended.join(", ")
                ));
            }
            return Ok(ExitCode::SUCCESS);
        }
    };
    let tokens = client.tokens(args.provider.as_ref()).await?;
    if let (Some(provider), true) = (&args.provider, tokens.is_empty()) {
        require_provider(client, provider).await?;
    }
    if args.json {
        output::json(&tokens)?;
    } else if tokens.is_empty() {
        let provider = args
            .provider
            .as_ref()
            .map_or("PROVIDER", ProviderId::as_str);
        output::note(&format!(
            "No tokens are stored. Log in to get one: agent-auth login {provider}"
        ));
    } else {
        let rows: Vec<_> = tokens.iter().map(|token| row(token, now)).collect();
        let head = [
            "PROVIDER", "ACCOUNT", "USER", "AGENT", "SCOPES", "EXPIRES", "REFRESH", "",
        ];
        output::table(head, &rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn make_default(client: &Client, id: TokenId) -> Result<ExitCode> {
    let token = client.make_default(id).await.with_context(|| {
        format!("{id} was not made the default (`agent-auth tokens list --json` shows the IDs)")
    })?;
    output::note(&format!(
        "{id} is now the default for {}.",
        token.provider_id
    ));
    Ok(ExitCode::SUCCESS)
}

/// Fails if neither this owner nor the platform has the provider.
async fn require_provider(client: &Client, provider: &ProviderId) -> Result<()> {
    let Err(error) = client.provider(provider).await else {
        return Ok(());
    };
    let is_unknown =
        matches!(&error, client::Error::Refused { status, .. } if status.as_u16() == 404);
    if !is_unknown {
        return Err(error.into());
    }
    let platform = client.platform_providers().await?;
    let is_offered = platform
        .iter()
        .any(|offered| offered.provider_id == provider.as_str());
    if is_offered {
        Ok(())
    } else {
        Err(error.into())
    }
}

fn row(token: &TokenSummary, now: Timestamp) -> [String; 8] {
    let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let remark = match (&token.reconnect_reason, token.is_default) {
        (Some(reason), _) => format!("log in again ({reason})"),
        (None, true) => "default".to_owned(),
        (None, false) => String::new(),
    };
    [
        token.provider_id.clone(),
        or_dash(&token.provider_account_label),
        token.user_id.clone(),
        or_dash(&token.agent_id),
        or_dash(&Some(token.scopes.join(" ")).filter(|scopes| !scopes.is_empty())),
        format::expiry(token.expires_at, now),
        format::refreshes(token, now),
        remark,
    ]
}
