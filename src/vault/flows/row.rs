//! A flow as a row of its table.

use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use strum::{EnumString, IntoStaticStr};

use super::StoredFlow;
use crate::flow::{Flow, FlowKind, Purpose, Status};
use crate::identity::ProviderId;
use crate::provider::{Binding, ProviderRef};
use crate::vault::columns::enum_text;

/// A row's secrets, still sealed.
#[derive(Clone)]
pub(super) struct Sealed {
    pub(super) key_id: String,
    pub(super) state: String,
    pub(super) verifier: Option<String>,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[sealed]")
    }
}

/// Reads a row that has every column.
pub(super) fn read_flow(row: &Row<'_>) -> rusqlite::Result<StoredFlow> {
    let provider_id: ProviderId = row.get("provider_id")?;
    let purpose = match row.get("purpose")? {
        PurposeName::New => Purpose::New,
        PurposeName::Renew => Purpose::Renew(row.get("subject")?),
        PurposeName::Connect => Purpose::Connect(row.get("subject")?),
    };
    let kind = match row.get("kind")? {
        KindName::AuthorizationCode => FlowKind::AuthorizationCode {
            redirect_uri: row.get("redirect_uri")?,
        },
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
        kind,
        purpose,
        requested: row.get("requested")?,
        is_default: row.get("is_default")?,
        is_shareable: row.get("is_shareable")?,
        status,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        second_opening_at: row.get("second_opening_at")?,
        is_other_account: row.get("is_other_account")?,
        finished_at: row.get("finished_at")?,
    };
    let sealed = Sealed {
        key_id: row.get("key_id")?,
        state: row.get("state")?,
        verifier: row.get("verifier")?,
    };
    Ok(StoredFlow { flow, sealed })
}

/// A flow's kind as it is stored.
#[derive(Clone, Copy, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum KindName {
    AuthorizationCode,
}

impl KindName {
    pub(super) fn of(kind: &FlowKind) -> Self {
        match kind {
            FlowKind::AuthorizationCode { .. } => Self::AuthorizationCode,
        }
    }
}

/// A flow's purpose as it is stored.
#[derive(Clone, Copy, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum PurposeName {
    New,
    Renew,
    Connect,
}

impl PurposeName {
    pub(super) fn of(purpose: Purpose) -> Self {
        match purpose {
            Purpose::New => Self::New,
            Purpose::Renew(_) => Self::Renew,
            Purpose::Connect(_) => Self::Connect,
        }
    }
}

/// A flow's status as its column names it.
#[derive(Clone, Copy, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
enum StatusName {
    Pending,
    Exchanging,
    Completed,
    Failed,
}

enum_text!(KindName, PurposeName, StatusName);
