//! After a login that was to renew a token: whether it came back with the same
//! account, where the provider does not say.
//!
//! The login's final page asks the same. The first answer counts, and what was
//! answered there is told here.

use std::io::{IsTerminal as _, stderr, stdin};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::callback_paste::{self, Lines};
use super::{format, output};
use crate::api::replies::{FollowUpResponse, FollowUpToken};
use crate::client::{self, Client};
use crate::identity::{FlowId, ProviderId};

/// The name of the operation in the daemon's `features`.
const FEATURE: &str = "follow_up";

/// How often an answer is sent again while the token is being refreshed, once a
/// second.
const MAX_RETRIES: u32 = 10;

/// Asks the question if there is one, and says what became of the login. `typed` is
/// what the person types, if that is read already.
pub(super) async fn settle(
    client: &Client,
    provider: &ProviderId,
    flow: FlowId,
    typed: Option<Lines>,
) -> Result<()> {
    let Some(found) = look(client, flow).await else {
        return Ok(());
    };
    if !found.asks_same_account {
        if found.same_account == Some(false) {
            say_outcome(&found);
        }
        return Ok(());
    }
    output::note(&format!(
        "{provider} does not say whose account this is. The login was to renew one that is \
         stored already."
    ));
    if !stdin().is_terminal() || !stderr().is_terminal() {
        say_outcome(&found);
        return Ok(());
    }
    let ended = ask(client, flow, &found, typed).await?;
    say_outcome(&ended);
    Ok(())
}

/// What there is to ask; `None` if that cannot be found out, which is no failure of
/// the login.
async fn look(client: &Client, flow: FlowId) -> Option<FollowUpResponse> {
    let error = match client.follow_up(flow).await {
        Ok(found) => return Some(found),
        Err(error) => error,
    };
    let is_missing = status_of(&error) == Some(404);
    if !is_missing {
        output::note(&format!(
            "Whether this is the account from before is not known: {error}"
        ));
    } else if !is_known(client).await {
        output::note(
            "The running agent-authd is older than this command and cannot say whether this is \
             the account from before; upgrade and restart it.",
        );
    }
    None
}

/// Whether the daemon knows the operation.
async fn is_known(client: &Client) -> bool {
    let info = client.info().await;
    info.is_ok_and(|info| info.features.iter().any(|name| name == FEATURE))
}

/// Asks the person until there is an answer, here or elsewhere, or no more is read.
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
    // What was typed before the question is no answer to it.
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
                    leave_prompt("It was answered elsewhere.");
                    return Ok(ended);
                }
                Err(error) if status_of(&error) == Some(404) => {
                    leave_prompt("It is asked no more.");
                    return Ok(found.clone());
                }
                // A restart of the daemon passes.
                Ok(_) | Err(_) => {}
            },
        }
    }
}

/// Ends the line of a question that is not answered here, and says why.
fn leave_prompt(why: &str) {
    output::note("");
    output::note(why);
}

fn question(found: &FollowUpResponse) -> String {
    let label = found.previous.as_ref().map_or_else(String::new, label);
    format!("Is this the same account as before{label}? [y/N] ")
}

/// What a line answers: no without a word, `None` if it is neither.
fn yes_or_no(line: &str) -> Option<bool> {
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Some(true),
        "" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// Sends the answer; where another came first, gives that.
async fn answer(client: &Client, flow: FlowId, same_account: bool) -> Result<FollowUpResponse> {
    let mut retries = MAX_RETRIES;
    loop {
        match client.answer_follow_up(flow, same_account).await {
            Err(error) if status_of(&error) == Some(409) => {
                output::note("It was answered elsewhere before.");
                let found = client.follow_up(flow).await;
                return found.context("the other answer is not known");
            }
            Err(error) if retries > 0 && super::is_passing(&error) => {
                retries -= 1;
                sleep(Duration::from_secs(1)).await;
            }
            answered => {
                return answered.context("the login is stored, and your answer is not");
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

/// Says where the login is stored, and how to change that.
fn say_outcome(found: &FollowUpResponse) {
    let Some(previous) = &found.previous else {
        output::note("The stored login was renewed; what used it goes on with this one.");
        return;
    };
    output::note(&format!(
        "This login was stored beside the one from before{}, which stays as it was.",
        label(previous)
    ));
    if !found.current.is_default {
        output::note(&format!(
            "To make it the default:  agent-auth tokens default {}",
            format::quoted(&found.current.token_id)
        ));
    }
    output::note(&format!(
        "To remove the other one: agent-auth tokens remove {}",
        format::quoted(&previous.token_id)
    ));
    if found.same_account.is_none() {
        output::note(
            "If both are of one account, many providers end this login with the other one; \
             then log in again.",
        );
    }
}

/// The account's label in brackets, with a blank before; empty if it has none.
fn label(token: &FollowUpToken) -> String {
    let label = token.provider_account_label.as_ref();
    label.map_or_else(String::new, |label| format!(" ({label})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_renews_and_what_is_neither_is_asked_again() {
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
