//! The owners' providers.

use std::sync::LazyLock;

use rusqlite::types::FromSqlError;
use rusqlite::{Row, named_params};
use url::Url;
use uuid::Uuid;

use super::cipher::SealContext;
use super::columns::{from_json, json, parse};
use super::pages::{Cursor, PAGE_ROWS, Page};
use super::row_authentication;
use super::rows::Named;
use super::totals::{PROVIDERS, TOKENS};
use super::{Change, Error, View};
use crate::clock::Timestamp;
use crate::identity::{Owner, ProviderId};
use crate::provider::{Client, Endpoints, Provider, Source};
use crate::secret::ClientSecret;

const TABLE: &str = "providers";

pub(super) const NAMED: Named = Named {
    table: TABLE,
    row: "provider_id",
};

/// The beginning of every statement that reads providers.
static SELECT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {}, p.* FROM providers p ",
        row_authentication::PROVIDERS.selected("p")
    )
});

impl View<'_> {
    /// One provider of an owner, with its client secret.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the row cannot be read.
    pub fn provider(
        &self,
        owner: Owner,
        provider_id: &ProviderId,
    ) -> Result<Option<Provider>, Error> {
        let mut statement = self
            .connection
            .prepare_cached(&[&**SELECT, "WHERE p.owner = ?1 AND p.provider_id = ?2"].concat())?;
        self.one(NAMED, &mut statement, (owner, provider_id), |row| {
            self.read_provider(row)
        })
    }

    /// Whether the owner has a provider with this identifier.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the table cannot be read.
    pub fn has_provider(&self, owner: Owner, provider_id: &ProviderId) -> Result<bool, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT 1 FROM providers WHERE owner = ?1 AND provider_id = ?2")?;
        Ok(statement.exists((owner, provider_id))?)
    }

    /// A page of an owner's providers, newest first.
    ///
    /// # Errors
    /// As [`Self::provider`].
    pub fn providers_page(&self, owner: Owner, from: Cursor) -> Result<Page<Provider>, Error> {
        let condition = "WHERE p.owner = ?1 AND p.seq < ?2 ORDER BY p.seq DESC LIMIT ?3";
        let mut statement = self
            .connection
            .prepare_cached(&[&**SELECT, condition].concat())?;
        let rows = statement.query((owner, from.0, PAGE_ROWS))?;
        self.page(NAMED, rows, |row| self.read_provider(row))
    }

    /// Reads every provider, so that unreadable rows are recorded.
    pub(super) fn survey_providers(&self) -> Result<(), Error> {
        let mut statement = self.connection.prepare(&SELECT)?;
        let rows = statement.query([])?;
        self.readable(NAMED, rows, |row| self.read_provider(row).map(drop))?;
        Ok(())
    }

    fn read_provider(&self, row: &Row<'_>) -> Result<Provider, Error> {
        self.require_authentic(&row_authentication::PROVIDERS, row)?;
        let owner: Owner = row.get("owner")?;
        let provider_id: ProviderId = row.get("provider_id")?;
        let sealed: Option<String> = row.get("client_secret")?;
        let key_id: String = row.get("key_id")?;
        let open = |sealed: String| {
            let context = context(owner, &provider_id);
            self.cipher.open(context, &key_id, &sealed)
        };
        let client_secret = sealed.map(open).transpose()?.map(ClientSecret::new);
        let url = |text: &str| Url::parse(text).map_err(FromSqlError::other);
        let optional_url = |column: &str| match row.get_ref(column)? {
            rusqlite::types::ValueRef::Null => Ok(None),
            _ => parse(row, column, url).map(Some),
        };
        Ok(Provider {
            id: parse(row, "id", |text| {
                Uuid::try_parse(text).map_err(FromSqlError::other)
            })?,
            source: Source::Owner,
            provider_id,
            name: row.get("name")?,
            client: Client {
                client_id: row.get("client_id")?,
                client_secret,
                auth_method: row.get("auth_method")?,
                is_dynamic: row.get("is_dynamic")?,
            },
            endpoints: Endpoints {
                authorization: parse(row, "authorization_url", url)?,
                token: parse(row, "token_url", url)?,
                revocation: optional_url("revocation_url")?,
                issuer: row.get("issuer")?,
                sends_iss: row.get("sends_iss")?,
            },
            pkce: row.get("pkce")?,
            kind: row.get("kind")?,
            authorization_params: from_json(row, "authorization_params")?,
            allowed_redirect_uris: from_json(row, "allowed_redirect_uris")?,
            mcp_server_url: optional_url("mcp_server_url")?,
            resource: row.get("resource")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

impl Change<'_> {
    /// Stores a new provider of an owner.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if the owner has a provider with this
    /// identifier.
    pub fn insert_provider(&self, owner: Owner, provider: &Provider) -> Result<(), Error> {
        let insert = || {
            self.write_provider(
            owner,
            provider,
            "INSERT INTO providers (owner, provider_id, id, name, client_id, key_id, client_secret,
                auth_method, is_dynamic, authorization_url, token_url, revocation_url, issuer, sends_iss,
                pkce, kind, authorization_params, allowed_redirect_uris, mcp_server_url, resource, created_at, updated_at)
             VALUES (:owner, :provider_id, :id, :name, :client_id, :key_id, :client_secret,
                :auth_method, :is_dynamic, :authorization_url, :token_url, :revocation_url, :issuer, :sends_iss,
                :pkce, :kind, :authorization_params, :allowed_redirect_uris, :mcp_server_url, :resource, :created_at, :updated_at)
             ON CONFLICT (owner, provider_id) DO NOTHING",
        )
        };
        let inserted = self.counted(&PROVIDERS, owner, &provider.provider_id, insert)?;
        if inserted == 0 {
            Err(Error::AlreadyExists)
        } else {
            Ok(())
        }
    }

    /// Replaces the owner's provider that has the same identifier.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such provider.
    pub fn update_provider(&self, owner: Owner, provider: &Provider) -> Result<(), Error> {
        let update = || {
            self.write_provider(
            owner,
            provider,
            "UPDATE providers SET id = :id, name = :name, client_id = :client_id, key_id = :key_id,
                client_secret = :client_secret, auth_method = :auth_method, is_dynamic = :is_dynamic,
                authorization_url = :authorization_url, token_url = :token_url,
                revocation_url = :revocation_url, issuer = :issuer, sends_iss = :sends_iss, pkce = :pkce,
                kind = :kind, authorization_params = :authorization_params,
                allowed_redirect_uris = :allowed_redirect_uris, mcp_server_url = :mcp_server_url,
                resource = :resource, created_at = :created_at, updated_at = :updated_at
             WHERE owner = :owner AND provider_id = :provider_id",
        )
        };
        let updated = self.counted(&PROVIDERS, owner, &provider.provider_id, update)?;
        self.erase_after_commit();
        if updated == 0 {
            Err(Error::NotFound)
        } else {
            Ok(())
        }
    }

    /// Deletes a provider, and its tokens whose rows cannot be read. The caller
    /// must delete its other tokens, its flows and its connections in the same
    /// change.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such provider.
    pub fn delete_provider(&self, owner: Owner, provider_id: &ProviderId) -> Result<(), Error> {
        let unreadable = "owner = ?1 AND provider_id = ?2 AND source = 'owner'";
        self.delete_counted::<String>(&TOKENS, unreadable, (owner, provider_id))?;
        let row = "owner = ?1 AND provider_id = ?2";
        let deleted = self.delete_counted::<String>(&PROVIDERS, row, (owner, provider_id))?;
        self.erase_after_commit();
        self.unreadable.forget(TABLE, owner, provider_id.as_str());
        if deleted.is_empty() {
            Err(Error::NotFound)
        } else {
            Ok(())
        }
    }

    fn write_provider(
        &self,
        owner: Owner,
        provider: &Provider,
        statement: &str,
    ) -> Result<usize, Error> {
        let Provider {
            client, endpoints, ..
        } = provider;
        let context = context(owner, &provider.provider_id);
        let secret = client.client_secret.as_ref();
        let sealed = secret.map(|secret| self.cipher.seal(context, secret, provider.updated_at));
        let created_at: Timestamp = provider.created_at;
        let written = self
            .connection
            .prepare_cached(statement)?
            .execute(named_params! {
                ":owner": owner,
                ":provider_id": provider.provider_id,
                ":id": provider.id.to_string(),
                ":name": provider.name,
                ":client_id": client.client_id,
                ":key_id": self.cipher.key_id().0,
                ":client_secret": sealed,
                ":auth_method": client.auth_method,
                ":is_dynamic": client.is_dynamic,
                ":authorization_url": endpoints.authorization.as_str(),
                ":token_url": endpoints.token.as_str(),
                ":revocation_url": endpoints.revocation.as_ref().map(Url::as_str),
                ":issuer": endpoints.issuer,
                ":sends_iss": endpoints.sends_iss,
                ":pkce": provider.pkce,
                ":kind": provider.kind,
                ":authorization_params": json(&provider.authorization_params)?,
                ":allowed_redirect_uris": json(&provider.allowed_redirect_uris)?,
                ":mcp_server_url": provider.mcp_server_url.as_ref().map(Url::as_str),
                ":resource": provider.resource,
                ":created_at": created_at,
                ":updated_at": provider.updated_at,
            })?;
        if written > 0 {
            let row = provider.provider_id.as_str();
            self.authenticate_row(&row_authentication::PROVIDERS, owner, row)?;
            self.unreadable.forget(TABLE, owner, row);
        }
        Ok(written)
    }
}

fn context(owner: Owner, provider_id: &ProviderId) -> SealContext<'_> {
    SealContext {
        owner,
        table: TABLE,
        row: provider_id.as_str(),
        column: "client_secret",
    }
}
