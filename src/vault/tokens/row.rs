//! A token as a row of its table: which columns are selected, and how they are
//! read.
//!
//! Every request for a token reads a row. SQLite finds a column by its name by
//! comparing it with the names of all columns before it, which took a fifth of
//! the time of such a request. So a column is named by an enum, whose value is
//! its position in [`SELECT`].

use std::fmt;
use std::sync::LazyLock;

use rusqlite::Row;
use rusqlite::types::FromSql;

use super::Stored;
use crate::provider::{Binding, ProviderRef};
use crate::token::{AccountId, Failure, State, Token};
use crate::vault::columns::Json;
use crate::vault::row_authentication::TOKENS;

/// The enum of the selected columns, and their names in the same order.
macro_rules! columns {
    ($($column:ident = $name:literal,)+) => {
        /// A column of [`SELECT`], after those that authenticate the row.
        #[derive(Clone, Copy)]
        enum Column { $($column),+ }

        const NAMES: &[&str] = &[$($name),+];
    };
}

columns! {
    KeyId = "key_id",
    AccessToken = "access_token",
    RefreshToken = "refresh_token",
    Id = "id",
    Owner = "owner",
    Source = "source",
    ProviderId = "provider_id",
    ClientId = "client_id",
    TokenUrl = "token_url",
    UserId = "user_id",
    AgentId = "agent_id",
    Issuer = "issuer",
    Subject = "subject",
    AccountLabel = "account_label",
    OwnLabel = "own_label",
    TokenType = "token_type",
    Granted = "granted",
    Requested = "requested",
    IssuedAt = "issued_at",
    ExpiresAt = "expires_at",
    IsDefault = "is_default",
    PersonNeeded = "person_needed",
    Generation = "generation",
    Metadata = "metadata",
    CreatedAt = "created_at",
    UpdatedAt = "updated_at",
    RefreshedAt = "refreshed_at",
    LastError = "last_error",
    LastErrorAt = "last_error_at",
    RetryAt = "retry_at",
    UsedAt = "used_at",
}

/// The beginning of every statement that reads tokens: the columns that
/// authenticate the row, those of [`Column`], and `seq`, which pages go by.
pub(super) static SELECT: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<_> = NAMES.iter().map(|name| format!("t.{name}")).collect();
    let (authentication, names) = (TOKENS.selected("t"), names.join(", "));
    format!("SELECT {authentication}, {names}, t.seq FROM tokens t ")
});

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

/// A row of [`SELECT`].
struct TokenRow<'a> {
    row: &'a Row<'a>,
    /// The position of the first column of [`Column`].
    first: usize,
}

impl TokenRow<'_> {
    fn get<T: FromSql>(&self, column: Column) -> rusqlite::Result<T> {
        self.row.get(self.first + column as usize)
    }

    fn account_id(&self) -> rusqlite::Result<Option<AccountId>> {
        let issuer = self.get(Column::Issuer)?;
        let subject: Option<String> = self.get(Column::Subject)?;
        Ok(subject.map(|subject| AccountId { issuer, subject }))
    }

    fn state(&self) -> rusqlite::Result<State> {
        let reason: Option<String> = self.get(Column::PersonNeeded)?;
        let required = |reason| State::ReauthorizationRequired { reason };
        Ok(reason.map_or(State::Active, required))
    }

    fn failure(&self) -> rusqlite::Result<Option<Failure>> {
        let error: Option<String> = self.get(Column::LastError)?;
        let at: Option<_> = self.get(Column::LastErrorAt)?;
        let retry_at: Option<_> = self.get(Column::RetryAt)?;
        let failure = error.zip(at).zip(retry_at);
        Ok(failure.map(|((error, at), retry_at)| Failure {
            error,
            at,
            retry_at,
        }))
    }
}

/// The token in a row of [`SELECT`].
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let first = TOKENS.width();
    let row = TokenRow { row, first };
    let sealed = Sealed {
        key_id: row.get(Column::KeyId)?,
        access_token: row.get(Column::AccessToken)?,
        refresh_token: row.get(Column::RefreshToken)?,
    };
    let Json(metadata) = row.get(Column::Metadata)?;
    let token = Token {
        id: row.get(Column::Id)?,
        owner: row.get(Column::Owner)?,
        provider: ProviderRef {
            source: row.get(Column::Source)?,
            provider_id: row.get(Column::ProviderId)?,
        },
        binding: Binding {
            client_id: row.get(Column::ClientId)?,
            token_url: row.get(Column::TokenUrl)?,
        },
        user_id: row.get(Column::UserId)?,
        agent_id: row.get(Column::AgentId)?,
        account_id: row.account_id()?,
        account_label: row.get(Column::AccountLabel)?,
        own_label: row.get(Column::OwnLabel)?,
        token_type: row.get(Column::TokenType)?,
        granted: row.get(Column::Granted)?,
        requested: row.get(Column::Requested)?,
        issued_at: row.get(Column::IssuedAt)?,
        expires_at: row.get(Column::ExpiresAt)?,
        is_refreshable: sealed.refresh_token.is_some(),
        is_default: row.get(Column::IsDefault)?,
        state: row.state()?,
        generation: row.get(Column::Generation)?,
        metadata,
        created_at: row.get(Column::CreatedAt)?,
        updated_at: row.get(Column::UpdatedAt)?,
        refreshed_at: row.get(Column::RefreshedAt)?,
        failure: row.failure()?,
        used_at: row.get(Column::UsedAt)?,
    };
    Ok(Stored { token, sealed })
}
