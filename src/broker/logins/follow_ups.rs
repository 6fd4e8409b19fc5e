//! The final page of a login, where something is left to tell or to ask: whether an
//! account that the provider did not name is the one that was to be renewed, and
//! whether the agents that use a widened token may use it as it is now.
//!
//! As on the consent page, the flow's identifier is the proof of who asks.

use std::collections::BTreeMap;

use super::Logins;
use super::renewed_account::{answer_account, renewed_account};
use crate::broker::Error;
use crate::broker::accounts::sameness;
use crate::broker::commands::{AnswerFollowUp, FollowUpAnswer};
use crate::event::Source;
use crate::flow::{Flow, Purpose, Status};
use crate::identity::{AgentId, FlowId, Scopes, TokenId};
use crate::secret::FormToken;
use crate::token::{Sameness, Token};
use crate::vault::{self, Change, Offer, Permission, Stored, StoredFlow, View};

/// The key in a form's offer for the question about the account; agents have
/// [`AGENT`] before their names.
const ACCOUNT: &str = "account";
const AGENT: &str = "agent ";

/// What is left to tell and to ask after a login.
#[derive(Debug, Default)]
pub struct FollowUp {
    /// Set if the login brought another account than expected.
    pub notice: Option<Notice>,
    /// Whether to ask if it is the account that was to be renewed.
    pub asks_account: bool,
    /// The agents that may not use the token as it is now, with what is new.
    pub agents: BTreeMap<AgentId, Scopes>,
    /// The token that an answer must contain, if there is a question.
    pub form_token: Option<FormToken>,
}

/// Which unexpected account a login brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// One that is connected already, where another was asked for.
    SameAccount,
    /// Another one, where this one was to be renewed.
    AnotherAccount {
        /// What a person calls the one that stays as it was.
        kept: Option<String>,
    },
}

/// What is left to tell and to ask after logins.
#[derive(Clone, Copy, Debug)]
pub struct FollowUps<'a>(pub(super) &'a Logins);

impl FollowUps<'_> {
    /// What is left to tell and to ask after a flow that ended with a token, with a
    /// form token that replaces the previous one.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub async fn page(&self, flow: FlowId) -> Result<FollowUp, Error> {
        let Some((flow, token_id)) = self.completed_flow(flow)? else {
            return Ok(FollowUp::default());
        };
        let found = self
            .0
            .context
            .vault
            .read(|view| follow_up(view, &flow, token_id))?;
        if !found.asks_account && found.agents.is_empty() {
            return Ok(found);
        }
        let form_token = FormToken::new(self.0.context.env.token());
        let issued = form_token.clone();
        let owner = flow.owner;
        let issue = move |change: &Change<'_>| {
            let found = follow_up(change, &flow, token_id)?;
            change.issue_form(flow.owner, flow.id, &issued, &found.offer())?;
            Ok(found)
        };
        Ok(FollowUp {
            form_token: Some(form_token),
            ..self.0.context.vault.write_for(owner, issue).await?
        })
    }

    /// Stores a person's answer. One that the latest form did not offer changes
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub async fn answer(&self, command: AnswerFollowUp) -> Result<(), Error> {
        let AnswerFollowUp {
            flow,
            form_token,
            answer,
        } = command;
        let Some((flow, token_id)) = self.completed_flow(flow)? else {
            return Ok(());
        };
        let permission = |agent: AgentId| Permission {
            created_by: flow.user_id.to_string(),
            ..self
                .0
                .context
                .permission(flow.owner, agent, Source::Consent, "allowed")
        };
        let permissions: Vec<_> = match &answer {
            FollowUpAnswer::SameAccount => Vec::new(),
            FollowUpAnswer::AllowAgents(agents) => agents.iter().cloned().map(permission).collect(),
        };
        let same_account = self.account_answer(&flow, true, Source::Consent);
        let redeem = move |change: &Change<'_>| {
            let Some(offer) = change.redeem_form(flow.owner, flow.id, &form_token)? else {
                return Ok(());
            };
            if answer != FollowUpAnswer::SameAccount {
                return allow_offered(change, &flow, token_id, &offer, &permissions);
            }
            let completed = change.completed_flow(&flow, same_account.now)?;
            if let (Some((flow, token)), true) = (completed, offer.contains_key(ACCOUNT)) {
                // If it cannot be stored now, the page asks again.
                answer_account(change, &flow, &token, &same_account)?;
            }
            Ok(())
        };
        self.0.context.vault.write(redeem).await?;
        self.0.refresher.note_new_grant();
        Ok(())
    }

    /// A flow that ended with a token not long ago, and the token.
    fn completed_flow(&self, id: FlowId) -> Result<Option<(Flow, TokenId)>, Error> {
        let found = self.0.context.vault.read(|view| view.flow_by_id(id))?;
        let now = self.0.context.env.now();
        let found = found.filter(|stored| !stored.flow.is_forgotten(now));
        Ok(found.and_then(|StoredFlow { flow, .. }| match flow.status {
            Status::Completed(token_id) => Some((flow, token_id)),
            _ => None,
        }))
    }
}

impl FollowUp {
    fn offer(&self) -> Offer {
        let account = self
            .asks_account
            .then(|| (ACCOUNT.to_owned(), Scopes::default()));
        let agents = self.agents.iter();
        let agents = agents.map(|(agent, scopes)| (format!("{AGENT}{agent}"), scopes.clone()));
        account.into_iter().chain(agents).collect()
    }
}

fn follow_up(view: &View<'_>, flow: &Flow, token_id: TokenId) -> Result<FollowUp, vault::Error> {
    let mut found = FollowUp::default();
    let Some(Stored { token, .. }) = view.token(flow.owner, token_id)? else {
        return Ok(found);
    };
    match flow.purpose {
        Purpose::Renew(renewed) if renewed == token.id => {
            for connection in view.connections_of_token(flow.owner, token.id)? {
                let added = token.widened_beyond(&connection.scopes);
                if !added.is_empty() {
                    found.agents.insert(connection.agent_id, added);
                }
            }
        }
        Purpose::Renew(_) => {
            let account = renewed_account(view, flow, token)?;
            found.asks_account = account.is_asked;
            if let (Some(false), Some(old)) = (account.is_same, account.previous) {
                let kept = old.label().map(str::to_owned);
                found.notice = Some(Notice::AnotherAccount { kept });
            }
        }
        Purpose::Connect(_) => {
            let is_known =
                token.created_at < flow.created_at || is_connected_already(view, &token)?;
            found.notice = is_known.then_some(Notice::SameAccount);
        }
        Purpose::New => {}
    }
    Ok(found)
}

/// Whether another token of the same user is for the same account.
fn is_connected_already(view: &View<'_>, token: &Token) -> Result<bool, vault::Error> {
    let user_id = Some(&token.user_id);
    let all = view.tokens_of_provider(token.owner, &token.provider, user_id, None)?;
    let mut others = all.iter().filter(|other| other.token.id != token.id);
    Ok(others.any(|other| sameness(&other.token, &token.account()) == Sameness::Same))
}

/// Lets agents use a token with what the form offered them; one that was
/// taken off the token meanwhile stays off.
fn allow_offered(
    change: &Change<'_>,
    flow: &Flow,
    token_id: TokenId,
    offer: &Offer,
    permissions: &[Permission],
) -> Result<(), vault::Error> {
    let Some(Stored { token, .. }) = change.token(flow.owner, token_id)? else {
        return Ok(());
    };
    for permission in permissions {
        let agent = &permission.agent_id;
        let offered = offer.get(&format!("{AGENT}{agent}"));
        let connection = change.connection(flow.owner, agent, token_id)?;
        if let (Some(scopes), Some(_)) = (offered, connection) {
            change.permit(permission, &token, scopes)?;
        }
    }
    Ok(())
}
