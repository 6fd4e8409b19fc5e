//! `agent-auth login`: sends the person to the provider and waits until the
//! daemon has the token.
//!
//! The browser is opened here and never by the daemon. The token itself is not
//! shown.

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
use super::{Wanted, callback_paste, format, output};
use crate::api::replies::{AuthStatus, WaitResponse, WaitStatus};
use crate::client::{self, Client};
use crate::identity::{FlowId, ProviderId};

/// How long one request waits. Short enough that whatever lies between cuts
/// nothing off; the login may take as long as the daemon allows.
const WAIT: Duration = Duration::from_secs(60);

/// How often a daemon that has gone is looked for again, once a second: a
/// restart in the middle of a login costs the person nothing.
const TIMEOUT: u32 = 30;

const EXAMPLES: &str = "\
Examples:
  agent-auth login github --scope repo --scope read:user
  agent-auth login google --scope https://www.googleapis.com/auth/drive.readonly --agent researcher
  agent-auth login github --scope repo --no-browser

Over SSH, the browser on your own machine ends on an address that it cannot
open (http://127.0.0.1:…). Paste that address here, and the login goes on.";

/// Log in at a provider, in the browser.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct LoginArgs {
    /// Which token.
    #[command(flatten)]
    wanted: Wanted,
    /// Print the address instead of opening it; the address that the browser
    /// ends on may then be pasted here
    #[arg(long)]
    no_browser: bool,
}

/// Logs in.
pub(super) async fn execute(client: &Client, args: &LoginArgs) -> Result<ExitCode> {
    let provider = &args.wanted.provider;
    let answer = client
        .authenticate(&args.wanted.request(false))
        .await
        .with_context(|| format!("cannot log in at {provider}"))?;
    if answer.status == AuthStatus::Completed {
        output::note("There is a token already; nobody needs to log in.");
        tell(
            provider,
            answer.user_id.as_deref(),
            answer.metadata.as_ref(),
        );
        return Ok(ExitCode::SUCCESS);
    }
    let flow = answer.auth_id.as_deref().and_then(FlowId::parse);
    let (Some(url), Some(flow)) = (answer.url, flow) else {
        bail!("agent-authd started no login for {provider}");
    };
    let is_new = is_new(answer.metadata.as_ref());
    check_scheme(&url)?;
    let is_opened = is_new && !args.no_browser && open(client, flow).await?;
    output::note(if is_opened {
        "Your browser should now show the provider's page. If it does not, open:"
    } else if is_new {
        "Open this address in a browser:"
    } else {
        "Another program waits for this login already. Finish it in the browser that was \
         opened for it, or open:"
    });
    output::line(&url)?;
    let (ended, typed) = follow(client, provider, flow, is_opened).await?;
    conclude(provider, &ended)?;
    same_account::settle(client, provider, flow, typed).await?;
    Ok(ExitCode::SUCCESS)
}

/// Whether this request is the one that opens a browser. A daemon that does not
/// say so is older than the question, and each request opened one then.
fn is_new(metadata: Option<&Map<String, Value>>) -> bool {
    let is_new = metadata.and_then(|metadata| metadata.get("is_new"));
    is_new.and_then(Value::as_bool).unwrap_or(true)
}

/// Refuses an address that a browser should not be given.
fn check_scheme(url: &str) -> Result<()> {
    let scheme = Url::parse(url).map(|url| url.scheme().to_owned());
    ensure!(
        scheme.is_ok_and(|scheme| scheme == "https" || scheme == "http"),
        "agent-authd gave a login address that is not http or https"
    );
    Ok(())
}

/// Opens the browser; `false` if there is none, or the daemon is too old to give
/// an address for it. Other users can read a browser's command line, so it is
/// never started on an address that holds the flow's state.
async fn open(client: &Client, flow: FlowId) -> Result<bool> {
    let link = match client.browser_link(flow).await {
        Ok(link) => link.url,
        Err(client::Error::Refused { status, .. }) if status.as_u16() == 404 => {
            output::note(
                "The running agent-authd cannot start a browser without showing the login to \
                 other users; upgrade and restart it, or go on by hand.",
            );
            return Ok(false);
        }
        Err(error) => return Err(error).context("cannot start the browser"),
    };
    check_scheme(&link)?;
    let quietly = BrowserOptions::new().with_suppress_output(true).to_owned();
    Ok(webbrowser::open_browser_with_options(Browser::Default, &link, &quietly).is_ok())
}

/// Waits for the flow to end, and meanwhile shows that it waits, or takes what
/// the person pastes. Gives what the person types after that, too.
async fn follow(
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
        output::note("If the browser ends on an address it cannot open, paste that address here.");
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
                Some(line) => finish(client, provider, &line).await?,
                None => typed = None,
            },
            _ = ticks.tick(), if !is_pasting => {
                output::progress(&format!("Waiting for the login, {} … ", format::span(waited)));
                waited += 1;
            }
        }
    }
}

/// Waits for the flow to end, through restarts of the daemon.
async fn wait(client: &Client, flow: FlowId) -> Result<WaitResponse> {
    let mut timeout = TIMEOUT;
    loop {
        match client.wait(flow, WAIT).await {
            Ok(answer) if matches!(answer.status, WaitStatus::Pending | WaitStatus::Timeout) => {
                timeout = TIMEOUT;
            }
            Err(error) if timeout > 0 && is_passing(&error) => {
                timeout -= 1;
                sleep(Duration::from_secs(1)).await;
            }
            answer => return answer.context("cannot wait for the login to end"),
        }
    }
}

/// Whether an error may be gone in a moment.
fn is_passing(error: &client::Error) -> bool {
    match error {
        client::Error::NotRunning { .. } | client::Error::Broken(_) => true,
        client::Error::Refused { status, .. } => status.as_u16() == 503,
        _ => false,
    }
}

/// Hands on what the person pasted. A line that cannot be used is explained;
/// the person may try another.
async fn finish(client: &Client, provider: &ProviderId, line: &str) -> Result<()> {
    if line.trim().is_empty() {
        return Ok(());
    }
    match callback_paste::parse(line) {
        Ok(redirect) => {
            let taken = client.finalize(provider, redirect.code, redirect.state, redirect.iss);
            if let Err(error) = taken.await {
                output::note(&format!("That did not work: {error}"));
            }
        }
        Err(refused @ callback_paste::Error::Refused(_)) => return Err(refused.into()),
        Err(error) => output::note(&error.to_string()),
    }
    Ok(())
}

/// Says how the login ended.
fn conclude(provider: &ProviderId, ended: &WaitResponse) -> Result<()> {
    if ended.status == WaitStatus::Completed {
        tell(provider, ended.user_id.as_deref(), ended.metadata.as_ref());
        return Ok(());
    }
    match (&ended.error, &ended.error_description) {
        (Some(error), Some(description)) => bail!("the login failed: {description} ({error})"),
        (Some(error), None) => bail!("the login failed: {error}"),
        (None, _) => bail!("the login was not finished in time; start it again"),
    }
}

/// Says who is connected, and what was not granted.
fn tell(provider: &ProviderId, user: Option<&str>, metadata: Option<&Map<String, Value>>) {
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
