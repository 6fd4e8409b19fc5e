//! A token as a row of its table: which columns are selected, and how they are
//! read. Every request for a token reads one, so none is looked up by its name.

use std::fmt;
use std::sync::LazyLock;

use rusqlite::Row;

use super::Stored;
use crate::provider::{Binding, ProviderRef};
use crate::token::{AccountId, Failure, State, Token};
use crate::vault::columns::{InOrder, Json};
use crate::vault::row_authentication::TOKENS;

/// What every statement that reads tokens begins with: what [`View`] proves the
/// row with, then the columns that [`read`] takes.
///
/// [`View`]: crate::vault::View
pub(super) static SELECT: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {}, {COLUMNS}", TOKENS.selected("t")));

/// The columns are those that [`read`] takes, in the same order.
const COLUMNS: &str = "t.key_id, t.access_token, t.refresh_token, t.id, t.owner, t.source, t.provider_id, t.client_id, t.token_url,
    t.user_id, t.agent_id, t.issuer, t.subject, t.account_label, t.own_label, t.token_type, t.granted, t.requested,
    t.issued_at, t.expires_at, t.is_default, t.person_needed, t.generation, t.metadata,
    t.created_at, t.updated_at, t.refreshed_at, t.last_error, t.last_error_at, t.retry_at,
    t.used_at, t.seq
    FROM tokens t ";

/// A row's secrets, still sealed.
#[derive(Clone)]
pub(super) struct Sealed {
    pub(super) key_id: String,
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sealed]")
    }
}

/// The token in a row of [`SELECT`].
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let columns = &mut InOrder::after(TOKENS.width(), row);
    let sealed = Sealed {
        key_id: columns.take()?,
        access_token: columns.take()?,
        refresh_token: columns.take()?,
    };
    let token = Token {
        id: columns.take()?,
        owner: columns.take()?,
        provider: ProviderRef {
            source: columns.take()?,
            provider_id: columns.take()?,
        },
        binding: Binding {
            client_id: columns.take()?,
            token_url: columns.take()?,
        },
        user_id: columns.take()?,
        agent_id: columns.take()?,
        account_id: account_id(columns)?,
        account_label: columns.take()?,
        own_label: columns.take()?,
        token_type: columns.take()?,
        granted: columns.take()?,
        requested: columns.take()?,
        issued_at: columns.take()?,
        expires_at: columns.take()?,
        is_default: columns.take()?,
        state: state(columns)?,
        generation: columns.take()?,
        metadata: columns.take().map(|Json(metadata)| metadata)?,
        created_at: columns.take()?,
        updated_at: columns.take()?,
        refreshed_at: columns.take()?,
        failure: failure(columns)?,
        used_at: columns.take()?,
        is_refreshable: sealed.refresh_token.is_some(),
    };
    Ok(Stored { token, sealed })
}

fn account_id(columns: &mut InOrder<'_>) -> rusqlite::Result<Option<AccountId>> {
    let (issuer, subject): (_, Option<String>) = (columns.take()?, columns.take()?);
    Ok(subject.map(|subject| AccountId { issuer, subject }))
}

fn state(columns: &mut InOrder<'_>) -> rusqlite::Result<State> {
    let person_needed: Option<String> = columns.take()?;
    Ok(
        person_needed.map_or(State::Active, |reason| State::ReauthorizationRequired {
            reason,
        }),
    )
}

fn failure(columns: &mut InOrder<'_>) -> rusqlite::Result<Option<Failure>> {
    let error: Option<String> = columns.take()?;
    let (at, retry_at): (Option<_>, Option<_>) = (columns.take()?, columns.take()?);
    Ok(error
        .zip(at)
        .zip(retry_at)
        .map(|((error, at), retry_at)| Failure {
            error,
            at,
            retry_at,
        }))
}
