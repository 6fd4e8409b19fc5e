//! The authorization flows and their secrets.

use std::sync::LazyLock;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Row, named_params};
use sha2::{Digest as _, Sha256};

use super::cipher::Place;
use super::columns::named_text;
use super::row_authentication;
use super::rows::Named;
use super::totals::FLOWS;
use super::{Change, Error, View};
use crate::clock::Timestamp;
use crate::flow::{Flow, FlowSecrets, Purpose, Status};
use crate::identity::{FlowId, Owner, ProviderId, TokenId};
use crate::provider::{Binding, ProviderRef};
use crate::secret::{CodeVerifier, ExposeSecret, State};

const TABLE: &str = "flows";

pub(super) const NAMED: Named = Named {
    table: TABLE,
    row: "id",
};

/// What every statement that reads flows begins with.
static SELECT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {}, f.* FROM flows f ",
        row_authentication::FLOWS.selected("f")
    )
});

/// A flow as it lies in the vault.
#[derive(Clone, Debug)]
pub struct StoredFlow {
    /// What is known of it.
    pub flow: Flow,
    sealed: Sealed,
}

#[derive(Clone)]
struct Sealed {
    key_id: String,
    state: String,
    verifier: Option<String>,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[sealed]")
    }
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

    /// A flow by its identifier alone, for the browser, which has no owner.
    ///
    /// # Errors
    /// As [`Self::flow`].
    pub fn flow_by_id(&self, id: FlowId) -> Result<Option<StoredFlow>, Error> {
        let mut statement = self
            .connection
            .prepare_cached(&[&**SELECT, "WHERE f.id = ?1"].concat())?;
        self.one(NAMED, &mut statement, [id], |row| self.read_flow(row))
    }

    /// The flow that a redirect's `state` names, whatever its owner and status.
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
        // The hash found the row; the whole value is compared in constant time.
        Ok(self
            .flow_secrets(&stored)?
            .state
            .matches(state)
            .then_some(stored))
    }

    /// The pending flows of an owner with a provider, newest first.
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

    /// Reads every flow, so that those that cannot be read are known.
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

    /// Every flow whose exchange is under way, or was when the process ended.
    ///
    /// # Errors
    /// As [`Self::flow`].
    pub fn exchanging_flows(&self) -> Result<Vec<StoredFlow>, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT * FROM flows WHERE status = 'exchanging'")?;
        let rows = statement.query_map([], read_flow)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether there is a flow that ended, or could no longer be finished,
    /// before `limit`.
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
    /// [`Error::Corrupt`] if a value was damaged or moved.
    pub fn flow_secrets(&self, stored: &StoredFlow) -> Result<FlowSecrets, Error> {
        let row = stored.flow.id.to_string();
        let Sealed {
            key_id,
            state,
            verifier,
        } = &stored.sealed;
        let open = |column, text: &str| {
            self.cipher
                .open(place(stored.flow.owner, &row, column), key_id, text)
        };
        Ok(FlowSecrets {
            state: State::new(open("state", state)?),
            verifier: verifier
                .as_deref()
                .map(|text| open("verifier", text).map(CodeVerifier::new))
                .transpose()?,
        })
    }
}

impl Change<'_> {
    /// Stores a new flow.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the store cannot take it.
    pub fn insert_flow(&self, flow: &Flow, secrets: &FlowSecrets) -> Result<(), Error> {
        let row = flow.id.to_string();
        let place = |column| place(flow.owner, &row, column);
        let state = self
            .cipher
            .seal(place("state"), &secrets.state, flow.created_at);
        let verifier = secrets.verifier.as_ref().map(|verifier| {
            self.cipher
                .seal(place("verifier"), verifier, flow.created_at)
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
                    purpose, subject, requested, redirect_uri, is_default, is_shareable, state_hash, key_id,
                    state, verifier, status, created_at, expires_at)
                 VALUES (:owner, :id, :source, :provider_id, :client_id, :token_url, :user_id, :agent_id,
                    :purpose, :subject, :requested, :redirect_uri, :is_default, :is_shareable, :state_hash, :key_id,
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
                ":purpose": PurposeName::of(flow.purpose),
                ":subject": subject,
                ":requested": flow.requested,
                ":redirect_uri": flow.redirect_uri,
                ":is_default": flow.is_default,
                ":is_shareable": flow.is_shareable,
                ":state_hash": hash(&secrets.state),
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

    /// Notes that a second caller opens a browser for a pending flow; `false` if
    /// one did before.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the store cannot take it.
    pub fn open_flow_again(&self, flow: &Flow, now: Timestamp) -> Result<bool, Error> {
        let noted = self.connection.execute(
            "UPDATE flows SET second_opening_at = ?3
             WHERE owner = ?1 AND id = ?2 AND status = 'pending' AND second_opening_at IS NULL",
            (flow.owner, flow.id, now),
        )?;
        Ok(noted > 0)
    }

    /// Claims a pending flow for the one exchange of its code; `false` if it
    /// was claimed or ended before.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the store cannot take it.
    pub fn claim_flow(&self, owner: Owner, id: FlowId) -> Result<bool, Error> {
        let claimed = self.connection.execute(
            "UPDATE flows SET status = 'exchanging' WHERE owner = ?1 AND id = ?2 AND status = 'pending'",
            (owner, id),
        )?;
        Ok(claimed > 0)
    }

    /// Ends a flow with a token; `false` if it has ended already.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the store cannot take it.
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

    /// Has a flow that ended with a token name another one, which holds its grant
    /// now.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the store cannot take it.
    pub fn move_flow(&self, flow: &Flow, token_id: TokenId) -> Result<(), Error> {
        self.connection.execute(
            "UPDATE flows SET token_id = ?3
             WHERE owner = ?1 AND id = ?2 AND status = 'completed'",
            (flow.owner, flow.id, token_id),
        )?;
        Ok(())
    }

    /// Ends a flow without a token; `false` if it has ended already.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the store cannot take it.
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

    /// Deletes the flows of a provider.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the store cannot take it.
    pub fn delete_flows_of_provider(
        &self,
        owner: Owner,
        provider: &ProviderRef,
    ) -> Result<Vec<FlowId>, Error> {
        let of_provider = "owner = ?1 AND source = ?2 AND provider_id = ?3";
        let parameters = (owner, provider.source, &provider.provider_id);
        let deleted = self.delete_counted::<String>(&FLOWS, of_provider, parameters)?;
        self.erase_after_commit();
        // Nobody waits for a flow whose identifier cannot be read.
        let ids = deleted.iter().filter_map(|id| FlowId::parse(id));
        Ok(ids.collect())
    }

    /// Deletes the flows that ended, or could no longer be finished, before `limit`.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the store cannot take it.
    pub fn delete_flows_before(&self, limit: Timestamp) -> Result<usize, Error> {
        let over = "coalesce(finished_at, expires_at) < ?1";
        let deleted = self.delete_counted::<String>(&FLOWS, over, [limit])?;
        if !deleted.is_empty() {
            self.erase_after_commit();
        }
        Ok(deleted.len())
    }
}

fn read_flow(row: &Row<'_>) -> rusqlite::Result<StoredFlow> {
    let provider_id: ProviderId = row.get("provider_id")?;
    let purpose = match row.get("purpose")? {
        PurposeName::New => Purpose::New,
        PurposeName::Renew => Purpose::Renew(row.get("subject")?),
        PurposeName::Connect => Purpose::Connect(row.get("subject")?),
    };
    let status = match row.get("status")? {
        StatusName::Pending => Status::Pending,
        StatusName::Exchanging => Status::Exchanging,
        StatusName::Completed => Status::Completed(row.get("token_id")?),
        StatusName::Failed => Status::Failed {
            error: row.get("error")?,
            description: row.get("error_description")?,
        },
    };
    let flow = Flow {
        id: row.get("id")?,
        owner: row.get("owner")?,
        provider: ProviderRef {
            source: row.get("source")?,
            provider_id,
        },
        binding: Binding {
            client_id: row.get("client_id")?,
            token_url: row.get("token_url")?,
        },
        user_id: row.get("user_id")?,
        agent_id: row.get("agent_id")?,
        purpose,
        requested: row.get("requested")?,
        redirect_uri: row.get("redirect_uri")?,
        is_default: row.get("is_default")?,
        is_shareable: row.get("is_shareable")?,
        status,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        second_opening_at: row.get("second_opening_at")?,
        finished_at: row.get("finished_at")?,
    };
    let sealed = Sealed {
        key_id: row.get("key_id")?,
        state: row.get("state")?,
        verifier: row.get("verifier")?,
    };
    Ok(StoredFlow { flow, sealed })
}

#[derive(Clone, Copy)]
enum PurposeName {
    New,
    Renew,
    Connect,
}

impl PurposeName {
    fn of(purpose: Purpose) -> Self {
        match purpose {
            Purpose::New => Self::New,
            Purpose::Renew(_) => Self::Renew,
            Purpose::Connect(_) => Self::Connect,
        }
    }
}

#[derive(Clone, Copy)]
enum StatusName {
    Pending,
    Exchanging,
    Completed,
    Failed,
}

named_text! {
    PurposeName { PurposeName::New => "new", PurposeName::Renew => "renew", PurposeName::Connect => "connect" }
    StatusName {
        StatusName::Pending => "pending",
        StatusName::Exchanging => "exchanging",
        StatusName::Completed => "completed",
        StatusName::Failed => "failed",
    }
}

/// What is looked for in the vault in place of a state or a form's token: it
/// tells nothing of it.
#[expect(clippy::disallowed_methods, reason = "hashed for the vault's index")]
pub(super) fn hash(secret: &impl ExposeSecret<str>) -> [u8; 32] {
    Sha256::digest(secret.expose_secret().as_bytes()).into()
}

fn place<'a>(owner: Owner, row: &'a str, column: &'static str) -> Place<'a> {
    Place {
        owner,
        table: TABLE,
        row,
        column,
    }
}
