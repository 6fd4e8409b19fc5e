//! `agent-auth login`: sends the person to the provider and waits until the
//! daemon has stored the token.
//!
//! This command opens the browser; the daemon never does. The token is not shown.

mod same_account;

use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde_json::{Map, Value};
use tokio::time::{MissedTickBehavior, interval, sleep};
use url::Url;
use webbrowser::{Browser, BrowserOptions};

use super::callback_paste::Lines;
use super::{TokenQuery, callback_paste, format, output};
use crate::api::replies::{AuthStatus, WaitResponse, WaitStatus};
use crate::client::{self, Client};
use crate::identity::{FlowId, ProviderId};

/// How long one request waits for the flow to end. The command repeats the request,
/// so the login may take as long as the daemon allows.
const WAIT: Duration = Duration::from_secs(60);

/// How often, once a second, a request is repeated while the daemon does not
/// answer. A restart of the daemon does not end a login.
const MAX_RETRIES: u32 = 30;

const EXAMPLES: &str = "\
Examples:
  agent-auth login github --scope repo --scope read:user
  agent-auth login google --scope https://www.googleapis.com/auth/drive.readonly --agent researcher
  agent-auth login github --scope repo --no-browser

Over SSH, the provider redirects the browser on your own machine to an address
that it cannot open (http://127.0.0.1:…). Paste that address here to complete the
login.";

/// Log in at a provider, in a browser.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct LoginArgs {
    /// Which token.
    #[command(flatten)]
    query: TokenQuery,
    /// Print the address instead of opening a browser. You can then paste the
    /// address that the provider redirects the browser to
    #[arg(long)]
    no_browser: bool,
}

/// Runs the command.
pub(super) async fn execute(client: &Client, args: &LoginArgs) -> Result<ExitCode> {
    let provider = &args.query.provider;
    let answer = client
        .authenticate(&args.query.request(false))
        .await
        .with_context(|| format!("cannot log in at {provider}"))?;
    if answer.status == AuthStatus::Completed {
        output::note("A token is stored already; no login is needed.");
        report_account(
            provider,
            answer.user_id.as_deref(),
            answer.metadata.as_ref(),
        );
        return Ok(ExitCode::SUCCESS);
    }
    let flow = answer.auth_id.as_deref().and_then(FlowId::parse);
    let (Some(url), Some(flow)) = (answer.url, flow) else {
        bail!("agent-authd did not start a login for {provider}");
    };
    let is_new = is_new(answer.metadata.as_ref());
    check_scheme(&url)?;
    let is_opened = is_new && !args.no_browser && open(client, flow).await?;
    output::note(if is_opened {
        "Your browser should now show the provider's page. If it does not, open this address:"
    } else if is_new {
        "Open this address in a browser:"
    } else {
        "Another program has started this login already. Finish it in the browser that is \
         open, or open this address:"
    });
    output::line(&url)?;
    let (ended, typed) = wait_or_paste(client, provider, flow, is_opened).await?;
    report_end(provider, &ended)?;
    same_account::resolve(client, provider, flow, typed).await?;
    Ok(ExitCode::SUCCESS)
}

/// Whether this request is the one that opens a browser. Older daemons do not say
/// so; with them, each request opens one.
fn is_new(metadata: Option<&Map<String, Value>>) -> bool {
    let is_new = metadata.and_then(|metadata| metadata.get("is_new"));
    is_new.and_then(Value::as_bool).unwrap_or(true)
}

/// Refuses a login URL that is not http or https.
fn check_scheme(url: &str) -> Result<()> {
    let scheme = Url::parse(url).map(|url| url.scheme().to_owned());
    ensure!(
        scheme.is_ok_and(|scheme| scheme == "https" || scheme == "http"),
        "agent-authd sent a login URL that is not http or https"
    );
    Ok(())
}

/// Opens the browser; `false` if there is none, or the daemon is too old to make a
/// browser link. Other users can read a browser's command line, so the browser is
/// never started with an address that contains the flow's state.
async fn open(client: &Client, flow: FlowId) -> Result<bool> {
    let link = match client.browser_link(flow).await {
        Ok(link) => link.url,
        Err(client::Error::Refused { status, .. }) if status.as_u16() == 404 => {
            output::note(
                "The running agent-authd is too old to open a browser safely: other users could \
                 read the address. Upgrade and restart it, or open the address yourself.",
            );
            return Ok(false);
        }
        Err(error) => return Err(error).context("cannot open the browser"),
    };
    check_scheme(&link)?;
    let quietly = BrowserOptions::new().with_suppress_output(true).to_owned();
    Ok(webbrowser::open_browser_with_options(Browser::Default, &link, &quietly).is_ok())
}

/// Waits for the flow to end. Meanwhile it shows the time, or completes the flow with
/// the address that the person pastes. Returns the person's further input, too.
async fn wait_or_paste(
    client: &Client,
    provider: &ProviderId,
    flow: FlowId,
    is_opened: bool,
) -> Result<(WaitResponse, Option<Lines>)> {
    let mut typed = if is_opened {
        None
    } else {
        callback_paste::lines()
    };
    if typed.is_some() {
        output::note(
            "If the browser cannot open the address that it is redirected to, paste that address here.",
        );
    }
    let mut ended = pin!(wait(client, flow));
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut waited = 0;
    loop {
        let is_pasting = typed.is_some();
        let line = async {
            match &mut typed {
                Some(typed) => typed.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = &mut ended => {
                output::progress("");
                return Ok((ended?, typed));
            }
            line = line => match line {
                Some(line) => complete(client, provider, &line).await?,
                None => typed = None,
            },
            _ = ticks.tick(), if !is_pasting => {
                output::progress(&format!("Waiting for the login ({}) … ", format::span(waited)));
                waited += 1;
            }
        }
    }
}

/// Waits for the flow to end, also while the daemon restarts.
async fn wait(client: &Client, flow: FlowId) -> Result<WaitResponse> {
    let mut retries = MAX_RETRIES;
    loop {
        match client.wait(flow, WAIT).await {
            Ok(answer) if matches!(answer.status, WaitStatus::Pending | WaitStatus::Timeout) => {
                retries = MAX_RETRIES;
            }
            Err(error) if retries > 0 && is_transient(&error) => {
                retries -= 1;
                sleep(Duration::from_secs(1)).await;
            }
            answer => return answer.context("cannot learn whether the login has ended"),
        }
    }
}

/// Whether a request may succeed if it is repeated.
fn is_transient(error: &client::Error) -> bool {
    match error {
        client::Error::NotRunning { .. } | client::Error::Broken(_) => true,
        client::Error::Refused { status, .. } => status.as_u16() == 503,
        _ => false,
    }
}

/// Completes the flow with the address that the person pasted. If a line cannot be
/// used, it says why, and the person may paste another.
async fn complete(client: &Client, provider: &ProviderId, line: &str) -> Result<()> {
    if line.trim().is_empty() {
        return Ok(());
    }
    match callback_paste::parse(line) {
        Ok(redirect) => {
            let completed = client.finalize(provider, redirect.code, redirect.state, redirect.iss);
            if let Err(error) = completed.await {
                output::note(&format!("The login was not completed: {error}"));
            }
        }
        Err(refused @ callback_paste::Error::Refused(_)) => return Err(refused.into()),
        Err(error) => output::note(&error.to_string()),
    }
    Ok(())
}

/// Reports how the login ended.
fn report_end(provider: &ProviderId, ended: &WaitResponse) -> Result<()> {
    if ended.status == WaitStatus::Completed {
        report_account(provider, ended.user_id.as_deref(), ended.metadata.as_ref());
        return Ok(());
    }
    match (&ended.error, &ended.error_description) {
        (Some(error), Some(description)) => bail!("the login failed: {description} ({error})"),
        (Some(error), None) => bail!("the login failed: {error}"),
        (None, _) => bail!("the login was not completed in time; start it again"),
    }
}

/// Reports the account that is connected and the scopes that were not granted.
fn report_account(
    provider: &ProviderId,
    user: Option<&str>,
    metadata: Option<&Map<String, Value>>,
) {
    let about = |name: &str| metadata.and_then(|metadata| metadata.get(name));
    let account = about("provider_account_label").and_then(Value::as_str);
    let account = account.map_or_else(String::new, |account| format!(" as {account}"));
    let user = user.map_or_else(String::new, |user| format!(", for {user}"));
    output::note(&format!("Connected to {provider}{account}{user}."));

    let missing = about("missing_scopes").and_then(Value::as_array);
    let missing: Vec<_> = missing
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !missing.is_empty() {
        output::note(&format!("Not granted: {}", missing.join(" ")));
    }
}
