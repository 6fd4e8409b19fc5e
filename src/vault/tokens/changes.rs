//! Storing, replacing and deleting tokens.

use rusqlite::named_params;

use super::{NAMED, Secrets, TABLE, context};
use crate::clock::Timestamp;
use crate::identity::{Owner, ProviderId, TokenId};
use crate::token::{Failure, State, Token};
use crate::vault::columns::json;
use crate::vault::row_authentication;
use crate::vault::totals::{CONNECTIONS, TOKENS};
use crate::vault::{Change, Error};

impl Change<'_> {
    /// Stores a new token.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn insert_token(&self, token: &Token, secrets: Secrets<'_>) -> Result<(), Error> {
        let insert = || {
            self.write_token(
            token,
            secrets,
            "INSERT INTO tokens (owner, id, source, provider_id, client_id, token_url, user_id, agent_id,
                issuer, subject, account_label, own_label, key_id, access_token, refresh_token, refresh_token_hash, token_type, granted, requested,
                issued_at, expires_at, is_default, person_needed, generation, metadata,
                created_at, updated_at, refreshed_at, last_error, last_error_at, retry_at, used_at)
             VALUES (:owner, :id, :source, :provider_id, :client_id, :token_url, :user_id, :agent_id,
                :issuer, :subject, :account_label, :own_label, :key_id, :access_token, :refresh_token, :refresh_token_hash, :token_type, :granted, :requested,
                :issued_at, :expires_at, :is_default, :person_needed, :generation, :metadata,
                :created_at, :updated_at, :refreshed_at, :last_error, :last_error_at, :retry_at, :used_at)",
        )
        };
        self.counted(&TOKENS, token.owner, &token.id, insert)?;
        Ok(())
    }

    /// Stores a new grant over a token, if its row still has the generation
    /// before `token.generation` (compare and set).
    ///
    /// # Errors
    /// [`Error::NotFound`] if the token was deleted or has another generation.
    pub fn replace_token(&self, token: &Token, secrets: Secrets<'_>) -> Result<(), Error> {
        let update = || {
            self.write_token(
            token,
            secrets,
            "UPDATE tokens SET source = :source, provider_id = :provider_id, client_id = :client_id,
                token_url = :token_url, user_id = :user_id, agent_id = :agent_id,
                issuer = :issuer, subject = :subject, account_label = :account_label, own_label = :own_label, key_id = :key_id, access_token = :access_token,
                refresh_token = :refresh_token, refresh_token_hash = :refresh_token_hash,
                token_type = :token_type, granted = :granted,
                requested = :requested, issued_at = :issued_at, expires_at = :expires_at,
                is_default = :is_default, person_needed = :person_needed, generation = :generation,
                metadata = :metadata, created_at = :created_at, updated_at = :updated_at,
                refreshed_at = :refreshed_at, last_error = :last_error,
                last_error_at = :last_error_at, retry_at = :retry_at, used_at = :used_at
             WHERE owner = :owner AND id = :id AND generation = :generation - 1",
        )
        };
        let updated = self.counted(&TOKENS, token.owner, &token.id, update)?;
        self.erase_after_commit();
        if updated == 0 {
            Err(Error::NotFound)
        } else {
            Ok(())
        }
    }

    /// Records that only a person can renew the token, if its row still has the
    /// same generation. Returns whether it had.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn require_reauthorization(
        &self,
        token: &Token,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let updated = self.connection.execute(
            "UPDATE tokens SET person_needed = ?4, updated_at = ?5
             WHERE owner = ?1 AND id = ?2 AND generation = ?3",
            (token.owner, token.id, token.generation, reason, now),
        )?;
        Ok(updated > 0)
    }

    /// Records why a refresh failed, if the token's row still has the
    /// generation that was to be refreshed.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn note_failure(&self, token: &Token, failure: &Failure) -> Result<(), Error> {
        self.connection.execute(
            "UPDATE tokens SET last_error = ?4, last_error_at = ?5, retry_at = ?6
             WHERE owner = ?1 AND id = ?2 AND generation = ?3",
            (
                token.owner,
                token.id,
                token.generation,
                &failure.error,
                failure.at,
                failure.retry_at,
            ),
        )?;
        Ok(())
    }

    /// Stores the label that a person gave to a token's account; `None` restores
    /// the provider's label.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn set_label(
        &self,
        token: &Token,
        label: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.connection.execute(
            "UPDATE tokens SET own_label = ?3, updated_at = ?4 WHERE owner = ?1 AND id = ?2",
            (token.owner, token.id, label, now),
        )?;
        Ok(())
    }

    /// Deletes a token, its connections and its refresh attempt.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such token.
    pub fn delete_token(&self, owner: Owner, id: TokenId) -> Result<(), Error> {
        // The foreign key would delete them without updating the totals.
        let of_token = "owner = ?1 AND token_id = ?2";
        self.delete_counted::<String>(&CONNECTIONS, of_token, (owner, id))?;
        let row = "owner = ?1 AND id = ?2";
        let deleted = self.delete_counted::<TokenId>(&TOKENS, row, (owner, id))?;
        self.erase_after_commit();
        self.unreadable.forget(TABLE, owner, &id.to_string());
        if deleted.is_empty() {
            Err(Error::NotFound)
        } else {
            Ok(())
        }
    }

    /// Deletes a token whose row cannot be read. Returns the identifier of its
    /// provider if that can be read.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such row.
    pub fn delete_unreadable_token(
        &self,
        owner: Owner,
        id: &str,
    ) -> Result<Option<ProviderId>, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT provider_id FROM tokens WHERE owner = ?1 AND id = ?2")?;
        let provider_id = statement.query_row((owner, id), |row| row.get(0)).ok();
        self.delete_counted::<String>(&CONNECTIONS, "owner = ?1 AND token_id = ?2", (owner, id))?;
        if self.delete_unreadable(NAMED, &TOKENS, owner, id)? {
            Ok(provider_id)
        } else {
            Err(Error::NotFound)
        }
    }

    /// Stores when tokens were last issued.
    pub(in crate::vault) fn write_usage(&self, uses: &[(TokenId, Timestamp)]) -> Result<(), Error> {
        let mut statement = self.connection.prepare_cached(
            "UPDATE tokens SET used_at = max(coalesce(used_at, ?2), ?2) WHERE id = ?1",
        )?;
        for (id, used_at) in uses {
            statement.execute((id, used_at))?;
        }
        Ok(())
    }

    /// Seals the access token and the refresh token for a row.
    fn seal_secrets(
        &self,
        token: &Token,
        row: &str,
        secrets: Secrets<'_>,
    ) -> (String, Option<String>) {
        let (owner, now) = (token.owner, token.updated_at);
        let access = context(owner, row, "access_token");
        let refresh = context(owner, row, "refresh_token");
        (
            self.cipher.seal(access, secrets.access_token, now),
            secrets
                .refresh_token
                .map(|secret| self.cipher.seal(refresh, secret, now)),
        )
    }

    fn write_token(
        &self,
        token: &Token,
        secrets: Secrets<'_>,
        statement: &str,
    ) -> Result<usize, Error> {
        let row = token.id.to_string();
        let (access_token, refresh_token) = self.seal_secrets(token, &row, secrets);
        let fingerprint = secrets
            .refresh_token
            .map(|secret| self.cipher.fingerprint(token.owner, secret));
        let person_needed = match &token.state {
            State::Active => None,
            State::ReauthorizationRequired { reason } => Some(reason),
        };
        let failure = token.failure.as_ref();
        let written = self
            .connection
            .prepare_cached(statement)?
            .execute(named_params! {
                ":owner": token.owner,
                ":id": token.id,
                ":source": token.provider.source,
                ":provider_id": token.provider.provider_id,
                ":client_id": token.binding.client_id,
                ":token_url": token.binding.token_url,
                ":user_id": token.user_id,
                ":agent_id": token.agent_id,
                ":issuer": token.account_id.as_ref().and_then(|id| id.issuer.as_ref()),
                ":subject": token.account_id.as_ref().map(|id| &id.subject),
                ":account_label": token.account_label,
                ":own_label": token.own_label,
                ":key_id": self.cipher.key_id().0,
                ":access_token": access_token,
                ":refresh_token": refresh_token,
                ":refresh_token_hash": fingerprint,
                ":token_type": token.token_type,
                ":granted": token.granted,
                ":requested": token.requested,
                ":issued_at": token.issued_at,
                ":expires_at": token.expires_at,
                ":is_default": token.is_default,
                ":person_needed": person_needed,
                ":generation": token.generation,
                ":metadata": json(&token.metadata)?,
                ":created_at": token.created_at,
                ":updated_at": token.updated_at,
                ":refreshed_at": token.refreshed_at,
                ":last_error": failure.map(|failure| &failure.error),
                ":last_error_at": failure.map(|failure| failure.at),
                ":retry_at": failure.map(|failure| failure.retry_at),
                ":used_at": token.used_at,
            })?;
        if written > 0 {
            self.authenticate_row(&row_authentication::TOKENS, token.owner, &row)?;
            self.unreadable.forget(TABLE, token.owner, &row);
        }
        Ok(written)
    }
}
