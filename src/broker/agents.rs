//! Which tokens an agent may use: listing, giving and taking away permissions, and
//! storing a token that was obtained for one agent elsewhere.

use std::sync::Arc;

use super::commands::{ConnectAgent, DisconnectAgent, RowName, SetAgentToken};
use super::context::Context;
use super::provider_lookup::ProviderLookup;
use super::tokens::imports::{
    holder_of, import_event, imported, require_same_account, store_import,
};
use super::{Error, Missing};
use crate::connection::Connection;
use crate::event::{Event, Kind, Source};
use crate::identity::{AgentId, Owner};
use crate::quota::New;
use crate::token::Token;
use crate::vault::{self, Change, Cursor, Page, View};

/// An agent's permission, and the token that it is for.
type Connected = (Connection, Token);

/// The permissions of agents; clones share its state.
#[derive(Clone, Debug)]
pub struct Agents {
    context: Arc<Context>,
    providers: Arc<ProviderLookup>,
}

impl Agents {
    pub(super) fn new(context: Arc<Context>, providers: Arc<ProviderLookup>) -> Self {
        Self { context, providers }
    }

    /// A page of what an agent may use, newest first.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn connections(
        &self,
        owner: Owner,
        agent_id: &AgentId,
        from: Cursor,
    ) -> Result<Page<Connected>, Error> {
        let read = |view: &View<'_>| {
            let page = view.connections_page(owner, agent_id, from)?;
            let mut connected = Vec::new();
            for connection in page.rows {
                match view.token(owner, connection.token_id) {
                    Ok(Some(stored)) => connected.push((connection, stored.token)),
                    // Deleted just now, or damaged; it cannot be used in either case.
                    Ok(None) | Err(vault::Error::UnreadableRow { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(Page {
                rows: connected,
                next: page.next,
            })
        };
        Ok(self.context.vault.read(read)?)
    }

    /// Permits an agent to use a token. A permission that exists already stays as it
    /// is.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the token is not the owner's.
    pub async fn connect(&self, owner: Owner, command: ConnectAgent) -> Result<Connected, Error> {
        let ConnectAgent { agent_id, token_id } = command;
        let permission = self
            .context
            .permission(owner, agent_id, Source::Api, "allowed");
        let room = self.context.room();
        let connect = move |change: &Change<'_>| {
            let stored = change
                .token(owner, token_id)?
                .ok_or(vault::Error::NotFound)?;
            let others = change.connections_of_token(owner, token_id)?;
            if !others
                .iter()
                .any(|other| other.agent_id == permission.agent_id)
            {
                room.check(change, owner, New::Connection)?;
            }
            let scopes = stored.token.scopes_shown();
            let connection = change.permit(&permission, &stored.token, &scopes)?;
            Ok((connection, stored.token))
        };
        self.context
            .vault
            .write_for(owner, connect)
            .await
            .map_err(Error::or_no_token)
    }

    /// Takes away an agent's permission for a token. The token stays.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn disconnect(&self, owner: Owner, command: DisconnectAgent) -> Result<(), Error> {
        let DisconnectAgent {
            agent_id,
            connection,
        } = command;
        let id = match connection {
            RowName::Id(id) => id,
            RowName::Damaged(row) => return self.delete_unreadable(owner, row).await,
        };
        let (env, now) = (self.context.env.clone(), self.context.env.now());
        let disconnect = move |change: &Change<'_>| {
            let connection = change.disconnect(owner, &agent_id, id)?;
            let stored = change
                .token(owner, connection.token_id)?
                .ok_or(vault::Error::NotFound)?;
            let kind = Kind::AgentDisconnected;
            let event = Event::about(&stored.token, kind, Source::Api, env.uuid(), now);
            change.add_event(&Event {
                agent_id: Some(agent_id),
                ..event.because("taken_away")
            })
        };
        match self.context.vault.write_for(owner, disconnect).await {
            Err(vault::Error::UnreadableRow { .. }) => {
                self.delete_unreadable(owner, id.to_string()).await
            }
            disconnected => {
                disconnected.map_err(|error| Error::or_missing(error, Missing::Connection))
            }
        }
    }

    /// Deletes a permission whose row cannot be read.
    async fn delete_unreadable(&self, owner: Owner, row: String) -> Result<(), Error> {
        let delete = move |change: &Change<'_>| change.delete_unreadable_connection(owner, &row);
        let deleted = self.context.vault.write_for(owner, delete).await;
        deleted.map_err(|error| Error::or_missing(error, Missing::Connection))
    }

    /// Stores a token that was obtained elsewhere for one agent. It replaces what that
    /// agent could use of the provider before. A replaced token is deleted unless it
    /// is the user's own or another agent uses it.
    ///
    /// # Errors
    /// As [`super::Tokens::import`].
    pub async fn set_token(
        &self,
        owner: Owner,
        command: SetAgentToken,
    ) -> Result<Connected, Error> {
        let provider = self.providers.of_owner(owner, &command.provider_id)?;
        let agent_id = command.agent_id;
        let imported = Token {
            agent_id: Some(agent_id.clone()),
            own_label: command.label,
            ..imported(&self.context, owner, &provider, &command.token)
        };
        let given = command.token;
        let event = self.context.api_event(&imported, Kind::Imported);
        let permission = self
            .context
            .permission(owner, agent_id, Source::Api, "imported");
        let room = self.context.room();
        let replace = move |change: &Change<'_>| {
            let old = holder_of(change, owner, &given)?.map(|stored| stored.token);
            if let Err(refused) = require_same_account(old.as_ref(), &imported) {
                return Ok(Err(refused));
            }
            let kept = old.as_ref().map(|old| old.id);
            change.retire_tokens_of_agent(&imported, kept, &permission)?;
            if old.is_none() {
                room.check(change, owner, New::Token)?;
            }
            let token = store_import(change, old, imported, &given, true)?;
            change.add_event(&import_event(event, &token))?;
            let scopes = token.scopes_shown();
            let connection = change.permit(&permission, &token, &scopes)?;
            Ok(Ok((connection, token)))
        };
        self.context.vault.write_for(owner, replace).await?
    }
}
