//! `agent-auth status`: whether the daemon is there and well.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::output;
use super::words::count;
use crate::api::replies::Health;
use crate::client::Client;

/// Show how the daemon is.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows it. A daemon that works only in part is a failure.
pub(super) async fn execute(client: &Client, args: &StatusArgs) -> Result<ExitCode> {
    let info = client.info().await?;
    let is_well = info.status == Health::Ok;
    if args.json {
        output::json(&info)?;
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
    }
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
