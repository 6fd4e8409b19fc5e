//! Grants to be revoked at their providers. Each is stored in the change that
//! deletes its token, so that a crash does not lose it.

mod client;

use rusqlite::types::FromSqlError;
use rusqlite::{Row, named_params};
use serde_json::Map;
use uuid::Uuid;

use super::cipher::SealContext;
use super::columns::parse;
use super::rows::Named;
use super::{Change, Error, View};
use crate::clock::Timestamp;
use crate::event::{Event, Kind};
use crate::identity::{Owner, ProviderId};
use crate::provider::Provider;
use crate::secret::{AccessToken, ClientSecret, Opened, RefreshToken};

const TABLE: &str = "revocations";

pub(super) const NAMED: Named = Named {
    table: TABLE,
    row: "id",
};

/// A grant to be revoked, and everything that revoking it needs.
#[derive(Clone, Debug)]
pub struct Revocation {
    /// Its identifier.
    pub id: Uuid,
    /// The event to add when the revocation ends. Its `reason` says why the
    /// token was deleted; how the revocation ended is added to it.
    pub event: Event,
    /// The provider as it was when the token was deleted. After a row was read,
    /// only its client and its addresses are set.
    pub provider: Provider,
    /// The access token.
    pub access_token: AccessToken,
    /// The refresh token, if there is one.
    pub refresh_token: Option<RefreshToken>,
}

impl View<'_> {
    /// The revocations that have not ended, oldest first.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the table cannot be read.
    pub fn open_revocations(&self) -> Result<Vec<(Owner, Uuid)>, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT owner, id FROM revocations ORDER BY seq")?;
        let rows = statement.query([])?;
        self.readable(NAMED, rows, |row| Ok((row.get("owner")?, id(row)?)))
    }

    /// Reads every revocation, so that unreadable rows are recorded.
    pub(super) fn survey_revocations(&self) -> Result<(), Error> {
        let mut statement = self
            .connection
            .prepare("SELECT * FROM revocations ORDER BY seq")?;
        let rows = statement.query([])?;
        self.readable(NAMED, rows, |row| self.read_revocation(row)?.map(drop))?;
        Ok(())
    }

    /// One revocation, with its secrets opened.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the row cannot be read or a value does not open.
    pub fn revocation(&self, owner: Owner, id: Uuid) -> Result<Option<Revocation>, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT * FROM revocations WHERE owner = ?1 AND id = ?2")?;
        let parameters = (owner, id.to_string());
        self.one(NAMED, &mut statement, parameters, |row| {
            self.read_revocation(row)?
        })
    }

    /// The outer error is SQLite's or a column's; the inner error is the
    /// cipher's.
    fn read_revocation(&self, row: &Row<'_>) -> rusqlite::Result<Result<Revocation, Error>> {
        let (event, id) = (event(row)?, id(row)?);
        let key_id: String = row.get("key_id")?;
        let name = id.to_string();
        let open = |column: &'static str| -> rusqlite::Result<Result<Option<String>, Error>> {
            let sealed: Option<String> = row.get(column)?;
            let context = context(event.owner, &name, column);
            Ok(sealed
                .map(|sealed| self.cipher.open(context, &key_id, &sealed))
                .transpose())
        };
        let (facts, secret) = (open("client")?, open("client_secret")?);
        let (access, refresh) = (open("access_token")?, open("refresh_token")?);
        let source = row.get("source")?;
        Ok((|| {
            let corrupt = || Error::Corrupt {
                what: format!("{TABLE}.client of row {name}"),
            };
            let secret = secret?.map(ClientSecret::new);
            let reference = (source, event.provider_id.clone());
            let provider = facts?.and_then(|text| client::parse(&text, reference, secret));
            Ok(Revocation {
                id,
                provider: provider.ok_or_else(corrupt)?,
                access_token: access?.map(AccessToken::new).ok_or_else(corrupt)?,
                refresh_token: refresh?.map(RefreshToken::new),
                event,
            })
        })())
    }
}

impl Change<'_> {
    /// Stores a revocation before its request is sent.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn insert_revocation(&self, revocation: &Revocation) -> Result<(), Error> {
        let Revocation {
            id,
            event,
            provider,
            ..
        } = revocation;
        let (name, now) = (id.to_string(), event.created_at);
        let context = |column| context(event.owner, &name, column);
        let facts = Opened::new(client::written(provider)?);
        let seal_secret =
            |secret: &ClientSecret| self.cipher.seal(context("client_secret"), secret, now);
        let seal_refresh =
            |refresh: &RefreshToken| self.cipher.seal(context("refresh_token"), refresh, now);
        self.connection
            .prepare_cached(
                "INSERT INTO revocations (owner, id, token_id, source, provider_id, agent_id, account_label,
                    scopes, reason, event_source, key_id, client, client_secret, access_token,
                    refresh_token, created_at)
                 VALUES (:owner, :id, :token_id, :source, :provider_id, :agent_id, :account_label,
                    :scopes, :reason, :event_source, :key_id, :client, :client_secret, :access_token,
                    :refresh_token, :created_at)",
            )?
            .execute(named_params! {
                ":owner": event.owner,
                ":id": name,
                ":token_id": event.token_id,
                ":source": provider.source,
                ":provider_id": event.provider_id,
                ":agent_id": event.agent_id,
                ":account_label": event.account_label,
                ":scopes": event.scopes,
                ":reason": event.reason.as_deref().unwrap_or_default(),
                ":event_source": event.source,
                ":key_id": self.cipher.key_id().0,
                ":client": self.cipher.seal(context("client"), &facts, now),
                ":client_secret": provider.client.client_secret.as_ref().map(seal_secret),
                ":access_token": self.cipher.seal(context("access_token"), &revocation.access_token, now),
                ":refresh_token": revocation.refresh_token.as_ref().map(seal_refresh),
                ":created_at": now,
            })?;
        Ok(())
    }

    /// Deletes a revocation that has ended. Returns `false` if it was deleted
    /// before.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn delete_revocation(&self, owner: Owner, id: Uuid) -> Result<bool, Error> {
        let deleted = self.connection.execute(
            "DELETE FROM revocations WHERE owner = ?1 AND id = ?2",
            (owner, id.to_string()),
        )?;
        self.erase_after_commit();
        Ok(deleted > 0)
    }
}

fn id(row: &Row<'_>) -> rusqlite::Result<Uuid> {
    parse(row, "id", |text| {
        Uuid::try_parse(text).map_err(FromSqlError::other)
    })
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let provider_id: ProviderId = row.get("provider_id")?;
    let created_at: Timestamp = row.get("created_at")?;
    Ok(Event {
        id: id(row)?,
        owner: row.get("owner")?,
        provider_id,
        agent_id: row.get("agent_id")?,
        token_id: row.get("token_id")?,
        kind: Kind::Deleted,
        reason: row.get("reason")?,
        source: row.get("event_source")?,
        account_label: row.get("account_label")?,
        scopes: row.get("scopes")?,
        detail: Map::new(),
        created_at,
    })
}

fn context<'a>(owner: Owner, row: &'a str, column: &'static str) -> SealContext<'a> {
    SealContext {
        owner,
        table: TABLE,
        row,
        column,
    }
}
