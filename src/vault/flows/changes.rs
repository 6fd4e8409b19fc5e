//! Storing flows, and their progress and end.

use rusqlite::named_params;

use super::row::{KindName, PurposeName};
use super::{context, hash};
use crate::clock::Timestamp;
use crate::flow::{Flow, FlowKind, FlowSecrets, Purpose};
use crate::identity::{FlowId, Owner, TokenId};
use crate::provider::ProviderRef;
use crate::vault::row_authentication;
use crate::vault::totals::FLOWS;
use crate::vault::{Change, Error};

impl Change<'_> {
    /// Stores a new flow.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn insert_flow(&self, flow: &Flow, secrets: &FlowSecrets) -> Result<(), Error> {
        let row = flow.id.to_string();
        let context = |column| context(flow.owner, &row, column);
        let FlowKind::AuthorizationCode { redirect_uri } = &flow.kind;
        let FlowSecrets::AuthorizationCode { state, verifier } = secrets;
        let state_hash = hash(state);
        let state = self.cipher.seal(context("state"), state, flow.created_at);
        let verifier = verifier.as_ref().map(|verifier| {
            self.cipher
                .seal(context("verifier"), verifier, flow.created_at)
        });
        let subject = match flow.purpose {
            Purpose::New => None,
            Purpose::Renew(token_id) => Some(token_id),
            Purpose::Connect(token_id) => token_id,
        };
        let insert = || {
            Ok(self.connection
            .prepare_cached(
                "INSERT INTO flows (owner, id, source, provider_id, client_id, token_url, user_id, agent_id,
                    kind, purpose, subject, requested, redirect_uri, is_default, is_shareable, state_hash, key_id,
                    state, verifier, status, created_at, expires_at)
                 VALUES (:owner, :id, :source, :provider_id, :client_id, :token_url, :user_id, :agent_id,
                    :kind, :purpose, :subject, :requested, :redirect_uri, :is_default, :is_shareable, :state_hash, :key_id,
                    :state, :verifier, 'pending', :created_at, :expires_at)",
            )?
            .execute(named_params! {
                ":owner": flow.owner,
                ":id": flow.id,
                ":source": flow.provider.source,
                ":provider_id": flow.provider.provider_id,
                ":client_id": flow.binding.client_id,
                ":token_url": flow.binding.token_url,
                ":user_id": flow.user_id,
                ":agent_id": flow.agent_id,
                ":kind": KindName::of(&flow.kind),
                ":purpose": PurposeName::of(flow.purpose),
                ":subject": subject,
                ":requested": flow.requested,
                ":redirect_uri": redirect_uri,
                ":is_default": flow.is_default,
                ":is_shareable": flow.is_shareable,
                ":state_hash": state_hash,
                ":key_id": self.cipher.key_id().0,
                ":state": state,
                ":verifier": verifier,
                ":created_at": flow.created_at,
                ":expires_at": flow.expires_at,
            })?)
        };
        self.counted(&FLOWS, flow.owner, &flow.id, insert)?;
        self.authenticate_row(&row_authentication::FLOWS, flow.owner, &row)
    }

    /// Records that a second caller opens a browser for a pending flow. Returns
    /// `false` if that was recorded before.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn open_flow_again(&self, flow: &Flow, now: Timestamp) -> Result<bool, Error> {
        let noted = self.connection.execute(
            "UPDATE flows SET second_opening_at = ?3
             WHERE owner = ?1 AND id = ?2 AND status = 'pending' AND second_opening_at IS NULL",
            (flow.owner, flow.id, now),
        )?;
        Ok(noted > 0)
    }

    /// Claims a pending flow for the exchange of its code. Returns `false` if
    /// it was claimed before or has ended.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn claim_flow(&self, owner: Owner, id: FlowId) -> Result<bool, Error> {
        let claimed = self.connection.execute(
            "UPDATE flows SET status = 'exchanging' WHERE owner = ?1 AND id = ?2 AND status = 'pending'",
            (owner, id),
        )?;
        Ok(claimed > 0)
    }

    /// Ends a flow with a token. Returns `false` if it had ended before.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn complete_flow(
        &self,
        flow: &Flow,
        token_id: TokenId,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let ended = self.counted(&FLOWS, flow.owner, &flow.id, || {
            Ok(self.connection.execute(
                "UPDATE flows SET status = 'completed', token_id = ?3, finished_at = ?4, verifier = NULL,
                    form_hash = NULL, form_offer = NULL
                 WHERE owner = ?1 AND id = ?2 AND status IN ('pending', 'exchanging')",
                (flow.owner, flow.id, token_id, now),
            )?)
        })?;
        self.erase_after_commit();
        Ok(ended > 0)
    }

    /// Replaces the token of a completed flow with the one that now has its
    /// grant.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn move_flow(&self, flow: &Flow, token_id: TokenId) -> Result<(), Error> {
        self.connection.execute(
            "UPDATE flows SET token_id = ?3
             WHERE owner = ?1 AND id = ?2 AND status = 'completed'",
            (flow.owner, flow.id, token_id),
        )?;
        Ok(())
    }

    /// Ends a flow without a token. Returns `false` if it had ended before.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn fail_flow(
        &self,
        flow: &Flow,
        error: &str,
        description: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let ended = self.connection.execute(
            "UPDATE flows SET status = 'failed', error = ?3, error_description = ?4, finished_at = ?5,
                verifier = NULL
             WHERE owner = ?1 AND id = ?2 AND status IN ('pending', 'exchanging')",
            (flow.owner, flow.id, error, description, now),
        )?;
        self.erase_after_commit();
        Ok(ended > 0)
    }

    /// Deletes the flows of a provider and returns their identifiers.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn delete_flows_of_provider(
        &self,
        owner: Owner,
        provider: &ProviderRef,
    ) -> Result<Vec<FlowId>, Error> {
        let of_provider = "owner = ?1 AND source = ?2 AND provider_id = ?3";
        let parameters = (owner, provider.source, &provider.provider_id);
        let deleted = self.delete_counted::<String>(&FLOWS, of_provider, parameters)?;
        self.erase_after_commit();
        // A flow without a readable identifier has no waiters.
        let ids = deleted.iter().filter_map(|id| FlowId::parse(id));
        Ok(ids.collect())
    }

    /// Deletes the flows that ended or expired before `limit`. Returns how
    /// many.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn delete_flows_before(&self, limit: Timestamp) -> Result<usize, Error> {
        let over = "coalesce(finished_at, expires_at) < ?1";
        let deleted = self.delete_counted::<String>(&FLOWS, over, [limit])?;
        if !deleted.is_empty() {
            self.erase_after_commit();
        }
        Ok(deleted.len())
    }
}
