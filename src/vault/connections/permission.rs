//! Giving an agent permission to use a token and taking it away, each with the
//! event that records it.

use crate::clock::{Env, Timestamp};
use crate::connection::Connection;
use crate::event::{Event, Kind, Source};
use crate::identity::{AgentId, ConnectionId, Scopes, TokenId};
use crate::token::Token;
use crate::vault::{Change, Error, View};

/// A permission for an agent, and what its event says about it.
#[derive(Clone, Debug)]
pub struct Permission {
    /// The agent that gets the permission.
    pub agent_id: AgentId,
    /// The `user_id` on whose behalf the permission is given.
    pub created_by: String,
    /// What brought the permission about.
    pub source: Source,
    /// The event's reason.
    pub reason: &'static str,
    /// When the permission is given.
    pub now: Timestamp,
    /// Source of the identifiers of connections and events.
    pub env: Env,
}

impl View<'_> {
    /// Whether an agent may use a token with all the scopes that the token has
    /// now. A caller that names no agent may use any token.
    ///
    /// # Errors
    /// As [`Self::connection`].
    pub fn may_use(&self, agent_id: Option<&AgentId>, token: &Token) -> Result<bool, Error> {
        let Some(agent_id) = agent_id else {
            return Ok(true);
        };
        let connection = self.connection(token.owner, agent_id, token.id)?;
        let is_permitted = |found: Connection| token.widened_beyond(&found.scopes).is_empty();
        Ok(connection.is_some_and(is_permitted))
    }
}

impl Change<'_> {
    /// Lets an agent use a token with these scopes. Adds an event if that is
    /// more than the agent was permitted before.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn permit(
        &self,
        permission: &Permission,
        token: &Token,
        scopes: &Scopes,
    ) -> Result<Connection, Error> {
        let id = ConnectionId::new(permission.env.uuid());
        let before = self.connection(token.owner, &permission.agent_id, token.id)?;
        let connection = self.connect(Connection {
            id,
            owner: token.owner,
            agent_id: permission.agent_id.clone(),
            token_id: token.id,
            scopes: scopes.clone(),
            created_by: permission.created_by.clone(),
            created_at: permission.now,
        })?;
        if before.is_none_or(|before| before.scopes != connection.scopes) {
            self.add_agent_event(permission, token, Kind::AgentConnected, permission.reason)?;
        }
        Ok(connection)
    }

    /// Disconnects an agent from its tokens of the provider of `successor`, except
    /// from `kept`. A token that no user owns and no other agent uses is deleted.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn retire_tokens_of_agent(
        &self,
        successor: &Token,
        kept: Option<TokenId>,
        permission: &Permission,
    ) -> Result<(), Error> {
        let (owner, agent_id) = (successor.owner, &permission.agent_id);
        for connection in self.connections_of_agent(owner, agent_id)? {
            let Some(stored) = self.token(owner, connection.token_id)? else {
                continue;
            };
            let token = stored.token;
            if token.provider != successor.provider || kept == Some(token.id) {
                continue;
            }
            self.disconnect(owner, agent_id, connection.id)?;
            let is_users = token.agent_id.is_none();
            let kind = if is_users || !self.connections_of_token(owner, token.id)?.is_empty() {
                Kind::AgentDisconnected
            } else {
                self.remove_token(&token)?;
                Kind::Deleted
            };
            self.add_agent_event(permission, &token, kind, "replaced")?;
        }
        Ok(())
    }

    fn add_agent_event(
        &self,
        permission: &Permission,
        token: &Token,
        kind: Kind,
        reason: &str,
    ) -> Result<(), Error> {
        let id = permission.env.uuid();
        let event = Event::about(token, kind, permission.source, id, permission.now);
        self.add_event(&Event {
            agent_id: Some(permission.agent_id.clone()),
            ..event.because(reason)
        })
    }
}
