//! The events. Only the newest of each owner are kept.

use rusqlite::Row;
use rusqlite::types::FromSqlError;
use uuid::Uuid;

use super::columns::{from_json, json, parse};
use super::rows::Named;
use super::totals::EVENTS;
use super::{Change, Error, View};
use crate::event::Event;
use crate::identity::{Owner, ProviderId};

pub(super) const NAMED: Named = Named {
    table: "events",
    row: "id",
};

impl View<'_> {
    /// At most `limit` events of an owner, newest first, of one provider or
    /// all.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if a row cannot be read.
    pub fn events(
        &self,
        owner: Owner,
        provider_id: Option<&ProviderId>,
        limit: u32,
    ) -> Result<Vec<Event>, Error> {
        let mut statement = self.connection.prepare_cached(match provider_id {
            None => {
                "SELECT * FROM events WHERE owner = ?1 AND ?2 IS NULL ORDER BY seq DESC LIMIT ?3"
            }
            Some(_) => {
                "SELECT * FROM events WHERE owner = ?1 AND provider_id = ?2
                 ORDER BY seq DESC LIMIT ?3"
            }
        })?;
        let rows = statement.query((owner, provider_id, limit))?;
        self.readable(NAMED, rows, |row| Ok(read(row)?))
    }

    /// Reads every row, so that unreadable rows are recorded.
    pub(super) fn survey_events(&self) -> Result<(), Error> {
        let mut statement = self.connection.prepare("SELECT * FROM events")?;
        let rows = statement.query([])?;
        self.readable(NAMED, rows, |row| Ok(read(row).map(drop)?))?;
        Ok(())
    }
}

impl Change<'_> {
    /// Adds an event. Deletes the owner's oldest events beyond
    /// [`Options::max_events`](super::Options::max_events).
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn add_event(&self, event: &Event) -> Result<(), Error> {
        let id = event.id.to_string();
        let insert = || self.insert_event(event);
        self.counted(&EVENTS, event.owner, &id, insert)?;
        let oldest = "owner = ?1 AND seq <= (
            SELECT seq FROM events WHERE owner = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)";
        self.delete_counted::<String>(&EVENTS, oldest, (event.owner, self.max_events))?;
        Ok(())
    }

    fn insert_event(&self, event: &Event) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "INSERT INTO events (owner, id, provider_id, agent_id, token_id, event_type, reason, source,
                    account_label, scopes, detail, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(rusqlite::params![
                event.owner,
                event.id.to_string(),
                event.provider_id,
                event.agent_id,
                event.token_id,
                event.kind,
                event.reason,
                event.source,
                event.account_label,
                event.scopes,
                json(&event.detail)?,
                event.created_at,
            ])?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        id: parse(row, "id", |text| {
            Uuid::try_parse(text).map_err(FromSqlError::other)
        })?,
        owner: row.get("owner")?,
        provider_id: row.get("provider_id")?,
        agent_id: row.get("agent_id")?,
        token_id: row.get("token_id")?,
        kind: row.get("event_type")?,
        reason: row.get("reason")?,
        source: row.get("source")?,
        account_label: row.get("account_label")?,
        scopes: row.get("scopes")?,
        detail: from_json(row, "detail")?,
        created_at: row.get("created_at")?,
    })
}
