//! The person's word on whether an agent may use a stored account.
//!
//! Whoever shows the flow's identifier, which nobody can guess, is the person
//! it was given to. A form carries a token that is good once: the one shown
//! last, used up in the change that its answer makes.

use super::Logins;
use super::begin::authorization_address;
use crate::broker::accounts::preference;
use crate::broker::commands::{AnswerConsent, ConsentAnswer};
use crate::broker::{Error, Missing};
use crate::clock::Timestamp;
use crate::event::Source;
use crate::flow::{Flow, Purpose, Status};
use crate::identity::{AgentId, FlowId, Scopes};
use crate::log_limit::log_limited;
use crate::provider::Provider;
use crate::secret::FormToken;
use crate::token::Token;
use crate::vault::{self, Change, StoredFlow, View};

/// What a person is asked.
#[derive(Debug)]
pub struct ConsentQuestion {
    /// The flow that waits for the answer.
    pub flow: Flow,
    /// The agent that asks.
    pub agent_id: AgentId,
    /// What people call the provider.
    pub provider_name: String,
    /// The accounts that would do, the likeliest first.
    pub accounts: Vec<OfferedAccount>,
    /// What the answer must bring back.
    pub form_token: FormToken,
}

/// An account that a person may let an agent use.
#[derive(Debug)]
pub struct OfferedAccount {
    /// The stored token that stands for it.
    pub token: Token,
    /// What it gives that the agent was not permitted so far; `None` if the
    /// agent was not permitted to use it at all.
    pub added: Option<Scopes>,
}

/// How a consent page stands.
#[derive(Debug)]
pub enum Consented {
    /// It waits for an answer.
    Open(Box<ConsentQuestion>),
    /// It was answered, or its time is over.
    Finished(FlowId),
}

/// What became of an answer.
#[derive(Debug)]
pub enum Answered {
    /// The flow has ended, now or before.
    Finished(FlowId),
    /// The person goes on to the provider.
    RedirectToProvider {
        /// What people call it.
        provider_name: String,
        /// Where it asks them; the address holds a `state`.
        address: url::Url,
    },
    /// The form was not the one shown last, or named an account that would
    /// not do. Nothing has changed; the person is asked again.
    Stale,
}

impl Logins {
    /// What to ask a person, with a form token that replaces the one before.
    ///
    /// # Errors
    /// [`Error::NotFound`] for what is no consent flow, or is long over.
    pub async fn consent_question(&self, flow: FlowId) -> Result<Consented, Error> {
        let StoredFlow { flow, .. } = self.consent_flow(flow)?;
        if flow.status_at(self.context.env.now()) != Status::Pending {
            return Ok(Consented::Finished(flow.id));
        }
        let provider = self.providers.referred(flow.owner, &flow.provider)?;
        let form_token = FormToken::new(self.context.env.token());
        let agent_id = flow.agent_id.clone().ok_or_else(no_consent)?;
        let (asked, agent, issued) = (flow.clone(), agent_id.clone(), form_token.clone());
        let now = self.context.env.now();
        // What is offered is remembered with the form: its answer is for no more.
        let issue = move |change: &Change<'_>| {
            let accounts = offered(change, &asked, &agent, now)?;
            let scopes = |account: &OfferedAccount| {
                let token = &account.token;
                (token.id.to_string(), token.scopes_shown())
            };
            let offer = accounts.iter().map(scopes).collect();
            change.issue_form(asked.owner, asked.id, &issued, &offer)?;
            Ok(accounts)
        };
        let accounts = self.context.vault.write_for(flow.owner, issue).await?;
        Ok(Consented::Open(Box::new(ConsentQuestion {
            accounts,
            agent_id,
            provider_name: provider.name,
            form_token,
            flow,
        })))
    }

    /// Does what a person answered.
    ///
    /// # Errors
    /// As [`Self::consent_question`].
    pub async fn answer_consent(&self, command: AnswerConsent) -> Result<Answered, Error> {
        let AnswerConsent {
            flow,
            form_token,
            answer,
        } = command;
        let stored = self.consent_flow(flow)?;
        let flow = &stored.flow;
        let now = self.context.env.now();
        if flow.status_at(now) != Status::Pending {
            return Ok(Answered::Finished(flow.id));
        }
        let (asked, permission) = (
            flow.clone(),
            self.context
                .permission_of_flow(flow, Source::Consent, "allowed"),
        );
        let permission = permission.ok_or_else(no_consent)?;
        let redeem = move |change: &Change<'_>| {
            let Some(offer) = change.redeem_form(asked.owner, asked.id, &form_token)? else {
                return Ok(false);
            };
            let ConsentAnswer::Allow(token_id) = answer else {
                return Ok(true);
            };
            let eligible = eligible(change, &asked, now)?;
            let Some(token) = eligible.into_iter().find(|token| token.id == token_id) else {
                return Ok(false);
            };
            let offered = offer.get(&token_id.to_string());
            let is_shown = |scopes: &&Scopes| token.scopes_shown().difference(scopes).is_empty();
            let Some(scopes) = offered.filter(is_shown) else {
                return Ok(false);
            };
            change.permit(&permission, &token, scopes)?;
            change.complete_flow(&asked, token.id, now)
        };
        if !self.context.vault.write(redeem).await? {
            return Ok(Answered::Stale);
        }
        match answer {
            ConsentAnswer::Allow(token_id) => {
                self.waiters.wake(flow.id);
                log_limited!(20, info, token.id = %token_id, provider.id = %flow.provider.provider_id, "a person let an agent use an account");
                Ok(Answered::Finished(flow.id))
            }
            ConsentAnswer::Refuse => {
                let why = "the person did not let the agent use an account";
                let error = "access_denied";
                self.deny(flow, Source::Consent, error, Some(why.to_owned()))
                    .await?;
                Ok(Answered::Finished(flow.id))
            }
            ConsentAnswer::ConnectAnother => self.redirect_to_provider(&stored),
        }
    }

    /// The way to the provider: the flow's own state and verifier, which
    /// nobody has seen so far. The flow ends with whatever comes back, and
    /// until then the page may still be answered otherwise.
    fn redirect_to_provider(&self, stored: &StoredFlow) -> Result<Answered, Error> {
        let provider: Provider = self
            .providers
            .referred(stored.flow.owner, &stored.flow.provider)?;
        let secrets = self.context.vault.read(|view| view.flow_secrets(stored))?;
        Ok(Answered::RedirectToProvider {
            address: authorization_address(&provider, &stored.flow, &secrets, true),
            provider_name: provider.name,
        })
    }

    fn consent_flow(&self, id: FlowId) -> Result<StoredFlow, Error> {
        let found = self.context.vault.read(|view| view.flow_by_id(id))?;
        let now = self.context.env.now();
        found
            .filter(|stored| matches!(stored.flow.purpose, Purpose::Connect(_)))
            .filter(|stored| !stored.flow.is_forgotten(now))
            .ok_or_else(no_consent)
    }
}

/// The accounts that a consent page offers for an agent.
fn offered(
    view: &View<'_>,
    flow: &Flow,
    agent_id: &AgentId,
    now: Timestamp,
) -> Result<Vec<OfferedAccount>, vault::Error> {
    let offer = |token: Token| {
        let connection = view.connection(flow.owner, agent_id, token.id)?;
        let added = connection.map(|found| token.scopes_shown().difference(&found.scopes));
        Ok(OfferedAccount { token, added })
    };
    eligible(view, flow, now)?.into_iter().map(offer).collect()
}

/// The tokens that a person may share in answer to a flow.
fn eligible(view: &View<'_>, flow: &Flow, now: Timestamp) -> Result<Vec<Token>, vault::Error> {
    if let Purpose::Connect(Some(named)) = flow.purpose {
        let stored = view.token(flow.owner, named)?;
        let stored = stored.filter(|stored| stored.token.is_usable(now));
        return Ok(stored.into_iter().map(|stored| stored.token).collect());
    }
    let user = Some(&flow.user_id);
    let all = view.tokens_of_provider(flow.owner, &flow.provider, user, None)?;
    let mut eligible: Vec<_> = all
        .into_iter()
        .map(|stored| stored.token)
        .filter(|token| token.is_usable(now) && token.satisfies(&flow.requested))
        .collect();
    eligible.sort_by_key(preference);
    Ok(eligible)
}

fn no_consent() -> Error {
    Missing::Question.into()
}
