//! The authorization flows and their secrets.

mod changes;
mod row;

use std::sync::LazyLock;

use rusqlite::Row;
use sha2::{Digest as _, Sha256};

use super::cipher::SealContext;
use super::row_authentication;
use super::rows::Named;
use super::{Error, View};
use crate::clock::Timestamp;
use crate::flow::{Flow, FlowSecrets, Status};
use crate::identity::{FlowId, Owner};
use crate::provider::ProviderRef;
use crate::secret::{CodeVerifier, ExposeSecret, State};
use crate::token::Token;

use self::row::{Sealed, read_flow};

const TABLE: &str = "flows";

pub(super) const NAMED: Named = Named {
    table: TABLE,
    row: "id",
};

/// The beginning of every statement that reads flows.
static SELECT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {}, f.* FROM flows f ",
        row_authentication::FLOWS.selected("f")
    )
});

/// A flow as it is stored. Its secrets stay sealed until they are requested.
#[derive(Clone, Debug)]
pub struct StoredFlow {
    /// The flow without its secrets.
    pub flow: Flow,
    sealed: Sealed,
}

impl View<'_> {
    /// One flow of an owner.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the row cannot be read.
    pub fn flow(&self, owner: Owner, id: FlowId) -> Result<Option<StoredFlow>, Error> {
        let mut statement = self
            .connection
            .prepare_cached(&[&**SELECT, "WHERE f.owner = ?1 AND f.id = ?2"].concat())?;
        self.one(NAMED, &mut statement, (owner, id), |row| {
            self.read_flow(row)
        })
    }

    /// A flow as it is now, and the token that it ended with; `None` if it ended
    /// without a token or too long ago, or the token was deleted.
    ///
    /// # Errors
    /// As [`Self::flow`].
    pub fn completed_flow(
        &self,
        flow: &Flow,
        now: Timestamp,
    ) -> Result<Option<(Flow, Token)>, Error> {
        let Some(stored) = self.flow(flow.owner, flow.id)? else {
            return Ok(None);
        };
        let Status::Completed(token_id) = stored.flow.status else {
            return Ok(None);
        };
        let token = self.token(flow.owner, token_id)?;
        let token = token.filter(|_| !stored.flow.is_forgotten(now));
        Ok(token.map(|found| (stored.flow, found.token)))
    }

    /// A flow by its identifier alone. A browser's request has no owner.
    ///
    /// # Errors
    /// As [`Self::flow`].
    pub fn flow_by_id(&self, id: FlowId) -> Result<Option<StoredFlow>, Error> {
        let mut statement = self
            .connection
            .prepare_cached(&[&**SELECT, "WHERE f.id = ?1"].concat())?;
        self.one(NAMED, &mut statement, [id], |row| self.read_flow(row))
    }

    /// The flow of a redirect's `state`, of any owner and status.
    ///
    /// # Errors
    /// As [`Self::flow`].
    pub fn flow_by_state(&self, state: &State) -> Result<Option<StoredFlow>, Error> {
        let mut statement = self
            .connection
            .prepare_cached(&[&**SELECT, "WHERE f.state_hash = ?1"].concat())?;
        let found = self.one(NAMED, &mut statement, [hash(state)], |row| {
            self.read_flow(row)
        })?;
        let Some(stored) = found else { return Ok(None) };
        // The row was found by the hash; this compares the whole value in
        // constant time.
        let FlowSecrets::AuthorizationCode { state: known, .. } = self.flow_secrets(&stored)?;
        Ok(known.matches(state).then_some(stored))
    }

    /// The pending flows of an owner at a provider, newest first.
    ///
    /// # Errors
    /// As [`Self::flow`].
    pub fn pending_flows(
        &self,
        owner: Owner,
        provider: &ProviderRef,
    ) -> Result<Vec<StoredFlow>, Error> {
        let mut statement = self.connection.prepare_cached(
            &[
                &**SELECT,
                "WHERE f.owner = ?1 AND f.provider_id = ?2 AND f.source = ?3 AND f.status = 'pending'
                 ORDER BY f.seq DESC",
            ]
            .concat(),
        )?;
        let rows = statement.query((owner, &provider.provider_id, provider.source))?;
        self.readable(NAMED, rows, |row| self.read_flow(row))
    }

    /// Reads every flow, so that unreadable rows are recorded.
    pub(super) fn survey_flows(&self) -> Result<(), Error> {
        let mut statement = self.connection.prepare(&SELECT)?;
        let rows = statement.query([])?;
        self.readable(NAMED, rows, |row| self.read_flow(row).map(drop))?;
        Ok(())
    }

    fn read_flow(&self, row: &Row<'_>) -> Result<StoredFlow, Error> {
        self.require_authentic(&row_authentication::FLOWS, row)?;
        Ok(read_flow(row)?)
    }

    /// Every flow whose code is being exchanged, or was when the process ended.
    ///
    /// # Errors
    /// As [`Self::flow`].
    pub fn exchanging_flows(&self) -> Result<Vec<StoredFlow>, Error> {
        let mut statement = self
            .connection
            .prepare_cached(&[&**SELECT, "WHERE f.status = 'exchanging'"].concat())?;
        let rows = statement.query([])?;
        self.readable(NAMED, rows, |row| self.read_flow(row))
    }

    /// Whether any flow ended or expired before `limit`.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the file cannot be read.
    pub fn has_flows_before(&self, limit: Timestamp) -> Result<bool, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT 1 FROM flows WHERE coalesce(finished_at, expires_at) < ?1 LIMIT 1",
        )?;
        Ok(statement.exists([limit])?)
    }

    /// Opens a flow's state and verifier.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if a value was altered or copied from another place.
    pub fn flow_secrets(&self, stored: &StoredFlow) -> Result<FlowSecrets, Error> {
        let row = stored.flow.id.to_string();
        let Sealed {
            key_id,
            state,
            verifier,
        } = &stored.sealed;
        let open = |column, text: &str| {
            self.cipher
                .open(context(stored.flow.owner, &row, column), key_id, text)
        };
        Ok(FlowSecrets::AuthorizationCode {
            state: State::new(open("state", state)?),
            verifier: verifier
                .as_deref()
                .map(|text| open("verifier", text).map(CodeVerifier::new))
                .transpose()?,
        })
    }
}

/// The hash by which a `state` or a form's token is found. The secret cannot be
/// derived from it.
#[expect(clippy::disallowed_methods, reason = "hashed for the vault's index")]
pub(super) fn hash(secret: &impl ExposeSecret<str>) -> [u8; 32] {
    Sha256::digest(secret.expose_secret().as_bytes()).into()
}

fn context<'a>(owner: Owner, row: &'a str, column: &'static str) -> SealContext<'a> {
    SealContext {
        owner,
        table: TABLE,
        row,
        column,
    }
}
