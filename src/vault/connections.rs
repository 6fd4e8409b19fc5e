//! Which agents may use which tokens.

mod permission;

use rusqlite::Row;

use super::pages::{Cursor, PAGE_ROWS, Page};
use super::rows::Named;
use super::totals::CONNECTIONS;
use super::{Change, Error, View};
use crate::connection::Connection;
use crate::identity::{AgentId, ConnectionId, Owner, TokenId};

pub use self::permission::Permission;

pub(super) const NAMED: Named = Named {
    table: "connections",
    row: "id",
};

impl View<'_> {
    /// The connections of an agent, newest first.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if a row cannot be read.
    pub fn connections_of_agent(
        &self,
        owner: Owner,
        agent_id: &AgentId,
    ) -> Result<Vec<Connection>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT * FROM connections WHERE owner = ?1 AND agent_id = ?2 ORDER BY seq DESC",
        )?;
        let rows = statement.query((owner, agent_id))?;
        self.readable(NAMED, rows, |row| Ok(read(row)?))
    }

    /// A page of the connections of an agent, newest first.
    ///
    /// # Errors
    /// As [`Self::connections_of_agent`].
    pub fn connections_page(
        &self,
        owner: Owner,
        agent_id: &AgentId,
        from: Cursor,
    ) -> Result<Page<Connection>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT * FROM connections WHERE owner = ?1 AND agent_id = ?2 AND seq < ?3
             ORDER BY seq DESC LIMIT ?4",
        )?;
        let rows = statement.query((owner, agent_id, from.0, PAGE_ROWS))?;
        self.page(NAMED, rows, |row| Ok(read(row)?))
    }

    /// The connections of a token, newest first.
    ///
    /// # Errors
    /// As [`Self::connections_of_agent`].
    pub fn connections_of_token(
        &self,
        owner: Owner,
        token_id: TokenId,
    ) -> Result<Vec<Connection>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT * FROM connections WHERE owner = ?1 AND token_id = ?2 ORDER BY seq DESC",
        )?;
        let rows = statement.query((owner, token_id))?;
        self.readable(NAMED, rows, |row| Ok(read(row)?))
    }

    /// Reads every row, so that unreadable rows are recorded.
    pub(super) fn survey_connections(&self) -> Result<(), Error> {
        let mut statement = self.connection.prepare("SELECT * FROM connections")?;
        let rows = statement.query([])?;
        self.readable(NAMED, rows, |row| Ok(read(row).map(drop)?))?;
        Ok(())
    }

    /// An agent's connection to a token.
    ///
    /// # Errors
    /// As [`Self::connections_of_agent`].
    pub fn connection(
        &self,
        owner: Owner,
        agent_id: &AgentId,
        token_id: TokenId,
    ) -> Result<Option<Connection>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT * FROM connections WHERE owner = ?1 AND agent_id = ?2 AND token_id = ?3",
        )?;
        let parameters = (owner, agent_id, token_id);
        self.one(NAMED, &mut statement, parameters, |row| Ok(read(row)?))
    }
}

impl Change<'_> {
    /// Lets an agent use a token with these scopes. If there is a connection,
    /// the missing scopes are added to it, and it is returned.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn connect(&self, connection: Connection) -> Result<Connection, Error> {
        let Connection {
            id,
            owner,
            agent_id,
            token_id,
            scopes,
            created_by,
            created_at,
        } = &connection;
        let insert = || {
            Ok(self.connection.execute(
                "INSERT INTO connections (owner, id, agent_id, token_id, scopes, created_by, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (owner, agent_id, token_id) DO NOTHING",
                (owner, id, agent_id, token_id, scopes, created_by, created_at),
            )?)
        };
        let inserted = self.counted(&CONNECTIONS, *owner, id, insert)?;
        if inserted > 0 {
            return Ok(connection);
        }
        let found = self.connection(*owner, agent_id, *token_id)?;
        let found = found.ok_or(Error::NotFound)?;
        let scopes = found.scopes.union(scopes);
        if scopes != found.scopes {
            self.counted(&CONNECTIONS, *owner, &found.id, || {
                Ok(self.connection.execute(
                    "UPDATE connections SET scopes = ?3 WHERE owner = ?1 AND id = ?2",
                    (owner, found.id, &scopes),
                )?)
            })?;
        }
        Ok(Connection { scopes, ..found })
    }

    /// Deletes a connection whose row cannot be read.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such row.
    pub fn delete_unreadable_connection(&self, owner: Owner, id: &str) -> Result<(), Error> {
        if self.delete_unreadable(NAMED, &CONNECTIONS, owner, id)? {
            Ok(())
        } else {
            Err(Error::NotFound)
        }
    }

    /// Deletes an agent's connection to a token and returns it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such connection.
    pub fn disconnect(
        &self,
        owner: Owner,
        agent_id: &AgentId,
        id: ConnectionId,
    ) -> Result<Connection, Error> {
        let delete = || {
            let mut statement = self.connection.prepare_cached(
                "DELETE FROM connections WHERE owner = ?1 AND agent_id = ?2 AND id = ?3 RETURNING *",
            )?;
            let parameters = (owner, agent_id, id);
            self.one(NAMED, &mut statement, parameters, |row| Ok(read(row)?))
        };
        self.counted(&CONNECTIONS, owner, &id, delete)?
            .ok_or(Error::NotFound)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Connection> {
    Ok(Connection {
        id: row.get("id")?,
        owner: row.get("owner")?,
        agent_id: row.get("agent_id")?,
        token_id: row.get("token_id")?,
        scopes: row.get("scopes")?,
        created_by: row.get("created_by")?,
        created_at: row.get("created_at")?,
    })
}
