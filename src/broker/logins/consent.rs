//! Asking a person whether an agent may use a stored account.
//!
//! The flow's identifier cannot be guessed, and is the proof of who answers. Each
//! form carries a token. Only the latest form's token is valid, once: the change that
//! stores the answer uses it up.

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

/// The question of a consent page.
#[derive(Debug)]
pub struct ConsentQuestion {
    /// The flow that waits for the answer.
    pub flow: Flow,
    /// The agent that asks.
    pub agent_id: AgentId,
    /// What people call the provider.
    pub provider_name: String,
    /// The accounts that can be used, the preferred one first.
    pub accounts: Vec<OfferedAccount>,
    /// The token that the answer must contain.
    pub form_token: FormToken,
}

/// An account that a person may let an agent use.
#[derive(Debug)]
pub struct OfferedAccount {
    /// Its stored token.
    pub token: Token,
    /// The scopes that the agent is not permitted yet; `None` if it is not permitted
    /// to use the account at all.
    pub added: Option<Scopes>,
}

/// The state of a consent page.
#[derive(Debug)]
pub enum Consented {
    /// It waits for an answer.
    Open(Box<ConsentQuestion>),
    /// It was answered, or has expired.
    Finished(FlowId),
}

/// The result of an answer.
#[derive(Debug)]
pub enum Answered {
    /// The flow has ended, now or before.
    Finished(FlowId),
    /// The person is redirected to the provider.
    RedirectToProvider {
        /// What people call it.
        provider_name: String,
        /// Where it asks them; the address holds a `state`.
        address: url::Url,
    },
    /// The form was not the latest one, or named an account that cannot be used.
    /// Nothing has changed; the person is asked again.
    Stale,
}

/// The consent pages of the logins.
#[derive(Clone, Copy, Debug)]
pub struct Consent<'a>(pub(super) &'a Logins);

impl Consent<'_> {
    /// What to ask a person, with a form token that replaces the previous one.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such consent flow, or it ended too long
    /// ago.
    pub async fn question(&self, flow: FlowId) -> Result<Consented, Error> {
        let StoredFlow { flow, .. } = self.flow(flow)?;
        if flow.status_at(self.0.context.env.now()) != Status::Pending {
            return Ok(Consented::Finished(flow.id));
        }
        let provider = self.0.providers.referred(flow.owner, &flow.provider)?;
        let form_token = FormToken::new(self.0.context.env.token());
        let agent_id = flow.agent_id.clone().ok_or_else(no_consent)?;
        let (asked, agent, issued) = (flow.clone(), agent_id.clone(), form_token.clone());
        let now = self.0.context.env.now();
        // The offer is stored with the form: the answer can permit no more.
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
        let accounts = self.0.context.vault.write_for(flow.owner, issue).await?;
        Ok(Consented::Open(Box::new(ConsentQuestion {
            accounts,
            agent_id,
            provider_name: provider.name,
            form_token,
            flow,
        })))
    }

    /// Stores a person's answer.
    ///
    /// # Errors
    /// As [`Self::question`].
    pub async fn answer(&self, command: AnswerConsent) -> Result<Answered, Error> {
        let AnswerConsent {
            flow,
            form_token,
            answer,
        } = command;
        let stored = self.flow(flow)?;
        let flow = &stored.flow;
        let now = self.0.context.env.now();
        if flow.status_at(now) != Status::Pending {
            return Ok(Answered::Finished(flow.id));
        }
        let (asked, permission) = (
            flow.clone(),
            self.0
                .context
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
        if !self.0.context.vault.write(redeem).await? {
            return Ok(Answered::Stale);
        }
        match answer {
            ConsentAnswer::Allow(token_id) => {
                self.0.waiters.wake(flow.id);
                log_limited!(20, info, token.id = %token_id, provider.id = %flow.provider.provider_id, "a person let an agent use an account");
                Ok(Answered::Finished(flow.id))
            }
            ConsentAnswer::Refuse => {
                let why = "the person did not let the agent use an account";
                let error = "access_denied";
                self.0
                    .deny(flow, Source::Consent, error, Some(why.to_owned()))
                    .await?;
                Ok(Answered::Finished(flow.id))
            }
            ConsentAnswer::ConnectAnother => self.redirect_to_provider(&stored),
        }
    }

    /// The address at the provider, with the flow's own state and verifier, which
    /// were not sent before. The flow ends with the callback; until then the page can
    /// still be answered differently.
    fn redirect_to_provider(&self, stored: &StoredFlow) -> Result<Answered, Error> {
        let provider: Provider = self
            .0
            .providers
            .referred(stored.flow.owner, &stored.flow.provider)?;
        let secrets = self
            .0
            .context
            .vault
            .read(|view| view.flow_secrets(stored))?;
        Ok(Answered::RedirectToProvider {
            address: authorization_address(&provider, &stored.flow, &secrets, true),
            provider_name: provider.name,
        })
    }

    fn flow(&self, id: FlowId) -> Result<StoredFlow, Error> {
        let found = self.0.context.vault.read(|view| view.flow_by_id(id))?;
        let now = self.0.context.env.now();
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
