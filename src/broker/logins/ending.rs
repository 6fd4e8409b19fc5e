//! How flows end, and what is known of one that has.

use super::Logins;
use super::refusal::UNAVAILABLE;
use crate::broker::Error;
use crate::event::{Event, Kind, Source};
use crate::flow::{AFTERLIFE, Flow, Status};
use crate::identity::{AgentId, FlowId, Owner};
use crate::log_limit::log_limited;
use crate::token::Token;
use crate::vault::{self, Change, StoredFlow};

/// A flow that has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The flow.
    pub flow: FlowId,
    /// The provider's name for people.
    pub provider_name: String,
    /// The agent that it was for, if any.
    pub agent_id: Option<AgentId>,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a flow has ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// With a token.
    Connected(Box<Token>),
    /// Without a token: the person or the provider refused.
    Refused {
        /// The OAuth error code, or one of ours.
        error: String,
        /// For a person.
        description: Option<String>,
    },
    /// The provider could not be reached for the exchange.
    Unavailable,
}

impl Logins {
    /// The provider's name, for a flow whose code is being exchanged; `None` for any
    /// other flow.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn exchanging(&self, id: FlowId) -> Result<Option<String>, Error> {
        let found = self.context.vault.read(|view| view.flow_by_id(id))?;
        let exchanging = found.filter(|stored| stored.flow.status == Status::Exchanging);
        exchanging
            .map(|StoredFlow { flow, .. }| {
                let provider = self.providers.referred(flow.owner, &flow.provider)?;
                Ok(provider.name)
            })
            .transpose()
    }

    /// Whether a flow belongs to an owner. `false` if it is unknown or unreadable.
    #[must_use]
    pub fn is_flow_of(&self, owner: Owner, id: FlowId) -> bool {
        let found = self.context.vault.read(|view| view.flow(owner, id));
        found.is_ok_and(|flow| flow.is_some())
    }

    /// How a flow has ended, for the page that the browser is sent to; `None` if it
    /// has not ended, is unknown, or ended too long ago.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn ended(&self, id: FlowId) -> Result<Option<Ended>, Error> {
        let Some(stored) = self.context.vault.read(|view| view.flow_by_id(id))? else {
            return Ok(None);
        };
        let flow = stored.flow;
        let now = self.context.env.now();
        let outcome = match flow.status_at(now) {
            _ if flow.is_forgotten(now) => return Ok(None),
            Status::Pending | Status::Exchanging => return Ok(None),
            Status::Failed { error, .. } if error == UNAVAILABLE => Outcome::Unavailable,
            Status::Failed { error, description } => Outcome::Refused { error, description },
            Status::Completed(token_id) => {
                match self
                    .context
                    .vault
                    .read(|view| view.token(flow.owner, token_id))?
                {
                    Some(stored) => Outcome::Connected(Box::new(stored.token)),
                    None => return Ok(None),
                }
            }
        };
        let provider = self.providers.referred(flow.owner, &flow.provider)?;
        Ok(Some(Ended {
            flow: id,
            provider_name: provider.name,
            agent_id: flow.agent_id,
            outcome,
        }))
    }

    /// Ends a flow without a token, adds the event, and wakes its waiters.
    pub(super) async fn deny(
        &self,
        flow: &Flow,
        source: Source,
        error: &str,
        description: Option<String>,
    ) -> Result<(), Error> {
        let event = self.flow_event(flow, Kind::Denied, source).because(error);
        let now = event.created_at;
        let (ended, code, text) = (flow.clone(), error.to_owned(), description);
        let failed = move |change: &Change<'_>| {
            let is_first = change.fail_flow(&ended, &code, text.as_deref(), now)?;
            if is_first {
                change.add_event(&event)
            } else {
                Ok(())
            }
        };
        self.context.vault.write(failed).await?;
        self.waiters.wake(flow.id);
        log_limited!(20, info, provider.id = %flow.provider.provider_id, error, "a login ended without a token");
        Ok(())
    }

    /// An event about a flow that has no token.
    pub(super) fn flow_event(&self, flow: &Flow, kind: Kind, source: Source) -> Event {
        Event {
            id: self.context.env.uuid(),
            owner: flow.owner,
            provider_id: flow.provider.provider_id.clone(),
            agent_id: flow.agent_id.clone(),
            token_id: None,
            kind,
            reason: None,
            source,
            account_label: None,
            scopes: flow.requested.clone(),
            detail: serde_json::Map::new(),
            created_at: self.context.env.now(),
        }
    }

    /// Ends every flow whose exchange was interrupted by the end of the process: its
    /// code may have been spent, and must not be sent again.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub(in crate::broker) async fn end_interrupted_flows(&self) -> Result<(), Error> {
        let why = "agent-authd was restarted while the provider was asked; start the login again";
        for StoredFlow { flow, .. } in self.context.vault.read(|view| view.exchanging_flows())? {
            self.deny(&flow, Source::Startup, "interrupted", Some(why.to_owned()))
                .await?;
        }
        Ok(())
    }

    /// Deletes the flows that ended, or expired, too long ago to be asked about.
    pub(in crate::broker) async fn delete_old_flows(&self) -> Result<(), vault::Error> {
        let vault = &self.context.vault;
        let limit = self.context.env.now().minus(AFTERLIFE);
        if vault.read(|view| view.has_flows_before(limit))? {
            vault
                .write(move |change| change.delete_flows_before(limit))
                .await?;
        }
        Ok(())
    }
}
