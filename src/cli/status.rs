//! `agent-auth status`: whether the daemon is there and well.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use super::output;
use super::words::{self, count};
use crate::api::replies::{Health, Info, TokenSummary};
use crate::client::Client;
use crate::clock::Timestamp;

/// How long it may take to answer. While it cannot start, a service manager
/// that holds its socket lets everybody wait.
const PATIENCE: Duration = Duration::from_secs(15);

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
    let asked = tokio::time::timeout(PATIENCE, client.info()).await;
    let info = asked.with_context(|| {
        format!(
            "agent-authd does not answer at {}: `agent-auth service logs` may say why",
            client.socket().display()
        )
    })??;
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
        if info.unreadable_rows > 0 {
            output::line(&format!(
                "  damaged    {} cannot be read; `agent-auth vault check` names them",
                count(info.unreadable_rows, "stored row")
            ))?;
        }
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

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_daemon_that_never_answers_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let _listener = UnixListener::bind(&socket).unwrap();
        let args = StatusArgs { json: false };
        let asked = execute(&Client::new(socket), &args, Timestamp::from_millis(0)).await;
        let told = asked.unwrap_err().to_string();
        assert!(told.contains("agent-auth service logs"), "{told}");
    }
}
