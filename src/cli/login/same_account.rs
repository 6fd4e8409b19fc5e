//! After a login that renews a token: asks whether it is the same account, if the
//! provider does not say.
//!
//! The final page of the login asks the same question. The first answer counts. An
//! answer on the page is reported here.

use std::io::{IsTerminal as _, stderr, stdin};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::callback_paste::{self, Lines};
use super::output;
use crate::api::replies::{FollowUpResponse, FollowUpToken};
use crate::client::{self, Client};
use crate::identity::{FlowId, ProviderId};
use crate::shell::quoted;

/// The name of this operation in the daemon's `features`.
const FEATURE: &str = "follow_up";

/// How often, once a second, an answer is sent again while the token is being
/// refreshed.
const MAX_RETRIES: u32 = 10;

/// Asks the question if it is open, and reports where the login is stored. `typed` is
/// the person's input, if it is read already.
pub(super) async fn resolve(
    client: &Client,
    provider: &ProviderId,
    flow: FlowId,
    typed: Option<Lines>,
) -> Result<()> {
    let Some(found) = fetch(client, flow).await else {
        return Ok(());
    };
    if !found.asks_same_account {
        if found.same_account == Some(false) {
            report_outcome(&found);
        }
        return Ok(());
    }
    output::note(&format!(
        "{provider} does not say which account this login is for. The login was meant to \
         renew one that is stored already."
    ));
    if !stdin().is_terminal() || !stderr().is_terminal() {
        report_outcome(&found);
        return Ok(());
    }
    let ended = ask(client, flow, &found, typed).await?;
    report_outcome(&ended);
    Ok(())
}

/// The open question; `None` if it cannot be fetched, which does not fail the login.
async fn fetch(client: &Client, flow: FlowId) -> Option<FollowUpResponse> {
    let error = match client.follow_up(flow).await {
        Ok(found) => return Some(found),
        Err(error) => error,
    };
    let is_missing = status_of(&error) == Some(404);
    if !is_missing {
        output::note(&format!(
            "Cannot find out whether this is the same account as before: {error}"
        ));
    } else if !is_known(client).await {
        output::note(
            "The running agent-authd is too old to tell whether this is the same account as \
             before. Upgrade and restart it.",
        );
    }
    None
}

/// Whether the daemon supports the operation.
async fn is_known(client: &Client) -> bool {
    let info = client.info().await;
    info.is_ok_and(|info| info.features.iter().any(|name| name == FEATURE))
}

/// Asks the person until there is an answer, here or on the page, or the input ends.
async fn ask(
    client: &Client,
    flow: FlowId,
    found: &FollowUpResponse,
    typed: Option<Lines>,
) -> Result<FollowUpResponse> {
    let mut typed = match typed.or_else(callback_paste::lines) {
        Some(typed) => typed,
        None => return Ok(found.clone()),
    };
    // Input from before the question does not answer it.
    callback_paste::discard(&mut typed);
    let question = question(found);
    output::prompt(&question);
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            line = typed.recv() => match line.as_deref().map(|line| yes_or_no(line)) {
                Some(Some(same_account)) => return answer(client, flow, same_account).await,
                Some(None) => output::prompt(&format!("Please answer y or n. {question}")),
                None => {
                    output::note("");
                    return Ok(found.clone());
                }
            },
            _ = ticks.tick() => match client.follow_up(flow).await {
                Ok(ended) if !ended.asks_same_account => {
                    leave_prompt("The question was answered on the page.");
                    return Ok(ended);
                }
                Err(error) if status_of(&error) == Some(404) => {
                    leave_prompt("The time for an answer is over.");
                    return Ok(found.clone());
                }
                // The daemon may be restarting.
                Ok(_) | Err(_) => {}
            },
        }
    }
}

/// Ends the line of an unanswered question and says why.
fn leave_prompt(why: &str) {
    output::note("");
    output::note(why);
}

fn question(found: &FollowUpResponse) -> String {
    let label = found.previous.as_ref().map_or_else(String::new, label);
    format!("Is this the same account as before{label}? [y/N] ")
}

/// The answer in a line: an empty line means no; `None` if it is neither yes nor no.
fn yes_or_no(line: &str) -> Option<bool> {
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Some(true),
        "" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// Sends the answer. If another one came first, returns that one.
async fn answer(client: &Client, flow: FlowId, same_account: bool) -> Result<FollowUpResponse> {
    let mut retries = MAX_RETRIES;
    loop {
        match client.answer_follow_up(flow, same_account).await {
            Err(error) if status_of(&error) == Some(409) => {
                output::note("The question was already answered on the page.");
                let found = client.follow_up(flow).await;
                return found.context("cannot fetch that answer");
            }
            Err(error) if retries > 0 && super::is_transient(&error) => {
                retries -= 1;
                sleep(Duration::from_secs(1)).await;
            }
            answered => {
                return answered.context("the login is stored, but your answer is not");
            }
        }
    }
}

fn status_of(error: &client::Error) -> Option<u16> {
    match error {
        client::Error::Refused { status, .. } => Some(status.as_u16()),
        _ => None,
    }
}

/// Reports where the login is stored, and how to change that.
fn report_outcome(found: &FollowUpResponse) {
    let Some(previous) = &found.previous else {
        output::note("The stored login was renewed; the programs that use it get the new token.");
        return;
    };
    output::note(&format!(
        "This login was stored beside the earlier one{}, which is unchanged.",
        label(previous)
    ));
    if !found.current.is_default {
        output::note(&format!(
            "To make it the default:  agent-auth tokens default {}",
            quoted(&found.current.token_id)
        ));
    }
    output::note(&format!(
        "To remove the earlier one: agent-auth tokens remove {}",
        quoted(&previous.token_id)
    ));
    if found.same_account.is_none() {
        output::note(
            "If both are for the same account, removing the earlier one may end this one at \
             the provider, too. Then log in again.",
        );
    }
}

/// The account's label in parentheses after a space; empty if there is none.
fn label(token: &FollowUpToken) -> String {
    let label = token.provider_account_label.as_ref();
    label.map_or_else(String::new, |label| format!(" ({label})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_lines_than_yes_and_no_are_asked_again() {
        for (line, answer) in [
            ("y", Some(true)),
            (" YES\r", Some(true)),
            ("", Some(false)),
            ("n", Some(false)),
            ("No", Some(false)),
            ("yn", None),
            ("http://127.0.0.1/?code=a", None),
        ] {
            assert_eq!(yes_or_no(line), answer, "{line}");
        }
    }
}
