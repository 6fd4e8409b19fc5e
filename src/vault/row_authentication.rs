//! The columns that decide where a secret is sent, and the code in each row
//! that authenticates them (MAC).
//!
//! A row with a wrong or missing code is unreadable and is never used. Each
//! write of a row makes its code, with the key that `key_id` names. An address
//! column that is added to a table must be added here.

#[cfg(test)]
mod tests;
pub(super) mod upgrade;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::cipher::Cipher;
use super::{Change, Error, View};
use crate::identity::Owner;

/// A table whose rows have a code. It has the columns `seq`, `owner`, `key_id`
/// and `mac`.
#[derive(Debug)]
pub(super) struct AuthenticatedTable {
    pub(super) name: &'static str,
    /// The column that identifies a row within its owner's rows.
    pub(super) row: &'static str,
    /// The authenticated columns besides `owner` and `row`.
    columns: &'static [&'static str],
}

/// Where codes, client secrets and tokens are sent, and for which client. The
/// sealed secret is included, so that an older secret cannot be combined with a
/// newer address.
pub(super) const PROVIDERS: AuthenticatedTable = AuthenticatedTable {
    name: "providers",
    row: "provider_id",
    columns: &[
        "client_id",
        "client_secret",
        "auth_method",
        "is_dynamic",
        "authorization_url",
        "token_url",
        "revocation_url",
        "issuer",
        "sends_iss",
        "pkce",
        "kind",
        "authorization_params",
        "allowed_redirect_uris",
        "mcp_server_url",
        "resource",
    ],
};

/// The client and token endpoint that a grant is bound to.
pub(super) const TOKENS: AuthenticatedTable = AuthenticatedTable {
    name: "tokens",
    row: "id",
    columns: &[
        "source",
        "provider_id",
        "client_id",
        "token_url",
        "access_token",
        "refresh_token",
    ],
};

/// Where a flow's code is sent, and the address that the provider redirects to.
pub(super) const FLOWS: AuthenticatedTable = AuthenticatedTable {
    name: "flows",
    row: "id",
    columns: &[
        "source",
        "provider_id",
        "client_id",
        "token_url",
        "kind",
        "redirect_uri",
        "state",
    ],
};

/// Every table whose rows have a code.
pub(super) const TABLES: [&AuthenticatedTable; 3] = [&PROVIDERS, &TOKENS, &FLOWS];

/// The reason why a row with a wrong or missing code is refused.
const UNAUTHENTIC: &str = "it was damaged, or written without the key of this vault";

/// The number of columns before the authenticated ones: the code and its key.
const BEFORE: usize = 2;

impl AuthenticatedTable {
    /// The columns that a statement must select first for
    /// [`View::require_authentic`]. `alias` is the table's name in the
    /// statement.
    pub(super) fn selected(&self, alias: &str) -> String {
        let authenticated = self.authenticated();
        let columns = ["mac", "key_id"].into_iter().chain(authenticated);
        let columns: Vec<_> = columns.map(|column| format!("{alias}.{column}")).collect();
        columns.join(", ")
    }

    /// The number of columns in [`Self::selected`].
    pub(super) fn width(&self) -> usize {
        BEFORE + self.authenticated().count()
    }

    /// The authenticated columns.
    fn authenticated(&self) -> impl Iterator<Item = &'static str> {
        ["owner", self.row]
            .into_iter()
            .chain(self.columns.iter().copied())
    }

    fn values<'a>(
        &self,
        row: &'a Row<'_>,
    ) -> Result<impl Iterator<Item = ValueRef<'a>> + use<'a>, Error> {
        let columns = BEFORE..self.width();
        let values: Result<Vec<_>, _> = columns.map(|column| row.get_ref(column)).collect();
        Ok(values?.into_iter())
    }

    /// Whether a row, selected by [`Self::selected`], has a valid code.
    pub(super) fn is_authentic(&self, cipher: &Cipher, row: &Row<'_>) -> Result<bool, Error> {
        let (tag, key_id) = (row.get_ref(0)?, row.get_ref(1)?);
        let (Ok(tag), Ok(key_id)) = (tag.as_blob(), key_id.as_str()) else {
            return Ok(false);
        };
        Ok(cipher.verifies_row(key_id, tag, self.name, self.values(row)?))
    }

    /// Whether the row with this `seq` has a valid code.
    pub(super) fn has_authentic(
        &self,
        connection: &Connection,
        cipher: &Cipher,
        seq: i64,
    ) -> Result<bool, Error> {
        let mut statement = connection.prepare_cached(&self.by_seq())?;
        let mut rows = statement.query([seq])?;
        match rows.next()? {
            Some(row) => self.is_authentic(cipher, row),
            None => Ok(false),
        }
    }

    /// Makes the code of the row with this `seq`. If its key is unknown, the
    /// row keeps the code it has.
    pub(super) fn authenticate(
        &self,
        connection: &Connection,
        cipher: &Cipher,
        seq: i64,
    ) -> Result<(), Error> {
        let mut statement = connection.prepare_cached(&self.by_seq())?;
        let mut rows = statement.query([seq])?;
        let Some(row) = rows.next()? else {
            return Ok(());
        };
        let key_id: String = row.get(1)?;
        if let Some(tag) = cipher.tag_row(&key_id, self.name, self.values(row)?) {
            connection
                .prepare_cached(&format!("UPDATE {} SET mac = ?2 WHERE seq = ?1", self.name))?
                .execute((seq, tag))?;
        }
        Ok(())
    }

    fn by_seq(&self) -> String {
        let selected = self.selected("r");
        format!("SELECT {selected} FROM {} r WHERE r.seq = ?1", self.name)
    }
}

/// Refuses a vault in which a row has no valid code.
///
/// # Errors
/// [`Error::UnreadableRow`] for the first such row.
pub(super) fn require_all_authentic(connection: &Connection, cipher: &Cipher) -> Result<(), Error> {
    for table in TABLES {
        let AuthenticatedTable { name, row: key, .. } = table;
        let selected = table.selected("r");
        let query =
            format!("SELECT {selected}, CAST(r.{key} AS TEXT) FROM {name} r ORDER BY r.seq");
        let mut statement = connection.prepare(&query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if !table.is_authentic(cipher, row)? {
                return Err(Error::UnreadableRow {
                    table: name,
                    row: row.get(table.width())?,
                    why: UNAUTHENTIC.to_owned(),
                });
            }
        }
    }
    Ok(())
}

impl View<'_> {
    /// Refuses a row, selected by [`AuthenticatedTable::selected`], without a
    /// valid code.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for such a row.
    pub(super) fn require_authentic(
        &self,
        table: &AuthenticatedTable,
        row: &Row<'_>,
    ) -> Result<(), Error> {
        if table.is_authentic(self.cipher, row)? {
            return Ok(());
        }
        Err(Error::Corrupt {
            what: UNAUTHENTIC.to_owned(),
        })
    }
}

impl Change<'_> {
    /// Makes the code of a row that was written in this change.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub(super) fn authenticate_row(
        &self,
        table: &AuthenticatedTable,
        owner: Owner,
        row: &str,
    ) -> Result<(), Error> {
        let query = format!(
            "SELECT seq FROM {} WHERE owner = ?1 AND {} = ?2",
            table.name, table.row
        );
        let mut statement = self.connection.prepare_cached(&query)?;
        let seq: Option<i64> = statement
            .query_row((owner, row), |found| found.get(0))
            .optional()?;
        if let Some(seq) = seq {
            table.authenticate(self.connection, self.cipher, seq)?;
        }
        Ok(())
    }
}
