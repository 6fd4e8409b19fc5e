//! `agent-auth status`: whether the daemon is there and well.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::output;
use super::words::{self, count};
use crate::api::replies::{Health, Info, TokenSummary};
use crate::client::Client;
use crate::clock::Timestamp;

/// Show how the daemon is.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Status<'a> {
    #[serde(flatten)]
    info: &'a Info,
    token_list: &'a [TokenSummary],
}

/// Shows it. A daemon that works only in part is a failure.
pub(super) async fn execute(
    client: &Client,
    args: &StatusArgs,
    now: Timestamp,
) -> Result<ExitCode> {
    let info = client.info().await?;
    let tokens = client.tokens(None).await?;
    let is_well = info.status == Health::Ok;
    if args.json {
        output::json(&Status {
            info: &info,
            token_list: &tokens,
        })?;
    } else {
        output::line(&format!("agent-authd {}", info.version))?;
        output::line(&format!("  socket     {}", client.socket().display()))?;
        output::line(&format!("  redirects  {}", info.redirect_base))?;
        output::line(&format!(
            "  holds      {}, {}, {} under way",
            count(info.providers, "provider"),
            count(info.tokens, "token"),
            count(info.flows_pending, "login"),
        ))?;
        let health = match (&info.degraded_reason, is_well) {
            (Some(reason), false) => format!("degraded: {reason}"),
            (None, false) => "degraded".to_owned(),
            (_, true) => "ok".to_owned(),
        };
        output::line(&format!("  status     {health}"))?;
        for token in &tokens {
            output::line(&format!("  token      {}", described(token, now)))?;
        }
    }
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A token in a line: whose it is, and how its refreshes go.
fn described(token: &TokenSummary, now: Timestamp) -> String {
    let account = token.provider_account_label.as_ref();
    let account = account.map_or(String::new(), |account| format!(" ({account})"));
    let state = match &token.reconnect_reason {
        Some(reason) => format!("log in again ({reason})"),
        None => words::refreshes(token, now),
    };
    let name = format!("{}{account}", token.provider_id);
    if state.is_empty() {
        name
    } else {
        format!("{name}: {state}")
    }
}
