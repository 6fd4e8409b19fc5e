//! `agent-auth status`: the state of the daemon and of the stored tokens.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use super::format::{self, count};
use super::{LOGIN_REQUIRED, output};
use crate::api::replies::{Health, Info, TokenSummary};
use crate::client::Client;
use crate::clock::Timestamp;

/// How long the daemon may take to answer. If it cannot start, its service manager
/// still accepts connections, and they get no answer.
const TIMEOUT: Duration = Duration::from_secs(15);

const EXIT_CODES: &str = "\
The exit code is 1 if the daemon is degraded, the vault is damaged or a token could not be
refreshed; otherwise 3 if a person must log in again; otherwise 0.";

/// Show the state of the daemon and of the stored tokens.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The output of `--json`.
#[derive(Serialize)]
struct Status<'a> {
    #[serde(flatten)]
    info: &'a Info,
    #[serde(flatten)]
    attention: Attention,
    token_list: &'a [TokenSummary],
}

/// How many tokens need attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Attention {
    /// Tokens that only a new login can renew.
    tokens_to_log_in: u64,
    /// Tokens whose last refresh failed and will be repeated.
    tokens_failing: u64,
}

impl Attention {
    fn of(tokens: &[TokenSummary], now: Timestamp) -> Self {
        let mut attention = Self {
            tokens_to_log_in: 0,
            tokens_failing: 0,
        };
        for token in tokens {
            if login_reason(token, now).is_some() {
                attention.tokens_to_log_in += 1;
            } else if token.last_error.is_some() {
                attention.tokens_failing += 1;
            }
        }
        attention
    }

    /// One clause for each problem.
    fn clauses(self) -> impl Iterator<Item = String> {
        let of = |number: u64, what: &str| {
            (number > 0).then(|| format!("{} {what}", count(number, "token")))
        };
        let to_log_in = of(self.tokens_to_log_in, "must be renewed by a new login");
        let failing = of(self.tokens_failing, "could not be refreshed");
        to_log_in.into_iter().chain(failing)
    }
}

/// Why only a new login can renew a token; `None` if none is needed.
fn login_reason(token: &TokenSummary, now: Timestamp) -> Option<&str> {
    let has_expired = token.expires_at.is_some_and(|expires_at| expires_at <= now);
    let is_spent = has_expired && token.next_refresh_at.is_none() && token.last_error.is_none();
    let spent = is_spent.then_some("it has expired and cannot be refreshed");
    token.reconnect_reason.as_deref().or(spent)
}

/// Runs the command. The exit code is 1 if the daemon is degraded, the vault is
/// damaged or a refresh has failed, else 3 if a person must log in again, else 0.
pub(super) async fn execute(
    client: &Client,
    args: &StatusArgs,
    now: Timestamp,
) -> Result<ExitCode> {
    let asked = tokio::time::timeout(TIMEOUT, client.info()).await;
    let info = asked.with_context(|| {
        format!(
            "agent-authd does not answer at {}; `agent-auth service logs` may show the reason",
            client.socket().display()
        )
    })??;
    let tokens = client.tokens(None).await?;
    let attention = Attention::of(&tokens, now);
    if args.json {
        output::json(&Status {
            info: &info,
            attention,
            token_list: &tokens,
        })?;
    } else {
        show(client, &info, attention)?;
        for token in &tokens {
            output::line(&format!("  token      {}", described(token, now)))?;
        }
    }
    let is_whole = info.status == Health::Ok && info.unreadable_rows == 0;
    Ok(if !is_whole || attention.tokens_failing > 0 {
        ExitCode::FAILURE
    } else if attention.tokens_to_log_in > 0 {
        ExitCode::from(LOGIN_REQUIRED)
    } else {
        ExitCode::SUCCESS
    })
}

/// Prints the state of the daemon, the summary first.
fn show(client: &Client, info: &Info, attention: Attention) -> Result<()> {
    let degraded = (info.status != Health::Ok).then(|| match &info.degraded_reason {
        Some(reason) => format!("degraded: {reason}"),
        None => "degraded".to_owned(),
    });
    let damaged = (info.unreadable_rows > 0).then(|| "the vault is damaged".to_owned());
    let wrong: Vec<_> = degraded
        .into_iter()
        .chain(damaged)
        .chain(attention.clauses())
        .collect();
    let health = if wrong.is_empty() {
        "ok".to_owned()
    } else {
        wrong.join("; ")
    };
    output::line(&format!("agent-authd {}", info.version))?;
    output::line(&format!("  status     {health}"))?;
    output::line(&format!("  socket     {}", client.socket().display()))?;
    output::line(&format!("  redirects  {}", info.redirect_base))?;
    output::line(&format!(
        "  holds      {}, {}, {} under way",
        count(info.providers, "provider"),
        count(info.tokens, "token"),
        count(info.flows_pending, "login"),
    ))?;
    if info.unreadable_rows > 0 {
        output::line(&format!(
            "  damaged    {} cannot be read; `agent-auth vault check` names them",
            count(info.unreadable_rows, "stored row")
        ))?;
    }
    Ok(())
}

/// A token in one line: its provider and account, and its refreshes.
fn described(token: &TokenSummary, now: Timestamp) -> String {
    let account = token.provider_account_label.as_ref();
    let account = account.map_or(String::new(), |account| format!(" ({account})"));
    let state = match login_reason(token, now) {
        Some(reason) => format!("log in again ({reason})"),
        None => format::refreshes(token, now),
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
    async fn a_daemon_that_does_not_answer_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let _listener = UnixListener::bind(&socket).unwrap();
        let args = StatusArgs { json: false };
        let asked = execute(&Client::new(socket), &args, Timestamp::from_millis(0)).await;
        let error = asked.unwrap_err().to_string();
        assert!(error.contains("agent-auth service logs"), "{error}");
    }
}
