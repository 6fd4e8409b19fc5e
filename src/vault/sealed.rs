//! The list of the vault's sealed columns, for everything that checks or
//! reseals all of them.

use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use super::Error;
use super::cipher::{Cipher, SealContext};
use super::row_authentication::{AuthenticatedTable, FLOWS, PROVIDERS, TOKENS};
use crate::clock::Timestamp;
use crate::identity::Owner;
use crate::secret::Opened;

/// A table with sealed columns. It also has the columns `seq`, `owner` and
/// `key_id`.
#[derive(Clone, Copy, Debug)]
pub(super) struct SealedTable {
    pub(super) name: &'static str,
    /// How its rows are authenticated, if they contain addresses in clear.
    authentication: Option<&'static AuthenticatedTable>,
    /// The column that identifies a row in its envelopes.
    row: &'static str,
    pub(super) columns: &'static [&'static str],
    /// A sealed column and the column of its fingerprint.
    fingerprint: Option<(&'static str, &'static str)>,
}

/// Every table that has sealed columns.
pub(super) const TABLES: &[SealedTable] = &[
    SealedTable {
        name: "providers",
        authentication: Some(&PROVIDERS),
        row: "provider_id",
        columns: &["client_secret"],
        fingerprint: None,
    },
    SealedTable {
        name: "tokens",
        authentication: Some(&TOKENS),
        row: "id",
        columns: &["access_token", "refresh_token"],
        fingerprint: Some(("refresh_token", "refresh_token_hash")),
    },
    SealedTable {
        name: "flows",
        authentication: Some(&FLOWS),
        row: "id",
        columns: &["state", "verifier"],
        fingerprint: None,
    },
    SealedTable {
        name: "revocations",
        // The addresses of this table are sealed.
        authentication: None,
        row: "id",
        columns: &["client", "client_secret", "access_token", "refresh_token"],
        fingerprint: None,
    },
];

/// Rows that [`check_all`] reads at a time.
const CHECKED: u32 = 1000;

/// Opens every sealed value of a vault. Returns how many open, and an error for
/// each that does not.
///
/// # Errors
/// [`Error::Corrupt`] or [`Error::Unwritable`] if a table cannot be read.
pub(super) fn check_all(
    connection: &Connection,
    cipher: &Cipher,
) -> Result<(usize, Vec<Error>), Error> {
    let (mut opened, mut faults) = (0, Vec::new());
    for table in TABLES {
        let mut after = 0;
        loop {
            // No key has an empty name, so no row is excluded.
            let batch = table.rows(connection, "", after, CHECKED)?;
            for row in &batch.rows {
                let (well, wrong) = row.check(cipher);
                opened += well;
                faults.extend(wrong);
            }
            match batch.last {
                Some(last) => after = last,
                None => break,
            }
        }
    }
    Ok((opened, faults))
}

/// The sealed values of one row.
#[derive(Debug)]
pub(super) struct SealedRow {
    pub(super) table: SealedTable,
    pub(super) seq: i64,
    owner: Owner,
    row: String,
    key_id: String,
    /// The values that are not null.
    values: Vec<(&'static str, String)>,
}

/// Some rows of a table, without those that cannot be read, which
/// `rows::survey` reports.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) rows: Vec<SealedRow>,
    /// The `seq` of the last row, readable or not.
    pub(super) last: Option<i64>,
}

impl SealedTable {
    /// At most `limit` rows after `after` whose key is not `but_key`.
    pub(super) fn rows(
        &self,
        connection: &Connection,
        but_key: &str,
        after: i64,
        limit: u32,
    ) -> Result<Batch, Error> {
        let Self {
            name, row, columns, ..
        } = self;
        let mut statement = connection.prepare_cached(&format!(
            "SELECT seq, owner, {row}, key_id, {} FROM {name}
             WHERE seq > ?1 AND key_id <> ?2 ORDER BY seq LIMIT ?3",
            columns.join(", ")
        ))?;
        let mut found = statement.query((after, but_key, limit))?;
        let mut batch = Batch::default();
        let read = |found: &Row<'_>| {
            let mut values = Vec::new();
            for (index, column) in columns.iter().enumerate() {
                if let Some(value) = found.get(4 + index)? {
                    values.push((*column, value));
                }
            }
            Ok::<_, rusqlite::Error>(SealedRow {
                table: *self,
                seq: found.get(0)?,
                owner: found.get(1)?,
                row: found.get(2)?,
                key_id: found.get(3)?,
                values,
            })
        };
        while let Some(row) = found.next()? {
            batch.last = Some(row.get(0)?);
            batch.rows.extend(read(row));
        }
        Ok(batch)
    }
}

impl SealedRow {
    /// Opens the row's values. Returns how many open, and an error for each
    /// that does not.
    pub(super) fn check(&self, cipher: &Cipher) -> (usize, Vec<Error>) {
        let opened = self.values.iter().map(|(column, value)| {
            let opened = cipher.open(self.context(column), &self.key_id, value);
            opened.map(Opened::new)
        });
        let (well, faults): (Vec<_>, Vec<_>) = opened.partition(Result::is_ok);
        (
            well.len(),
            faults.into_iter().filter_map(Result::err).collect(),
        )
    }

    /// Seals the row's values again, with the primary key.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the row is not authentic or a value does not open.
    pub(super) fn reseal(
        &self,
        connection: &Connection,
        cipher: &Cipher,
        now: Timestamp,
    ) -> Result<(), Error> {
        let authentication = self.table.authentication;
        if let Some(table) = authentication
            && !table.has_authentic(connection, cipher, self.seq)?
        {
            return Err(Error::Corrupt {
                what: format!("row {} of {} is not authentic", self.row, self.table.name),
            });
        }
        let mut assignments = vec!["key_id = ?2".to_owned()];
        let mut parameters: Vec<Value> = vec![self.seq.into(), cipher.key_id().0.clone().into()];
        for (column, value) in &self.values {
            let context = self.context(column);
            let secret = Opened::new(cipher.open(context, &self.key_id, value)?);
            parameters.push(cipher.seal(context, &secret, now).into());
            assignments.push(format!("{column} = ?{}", parameters.len()));
            if let Some((_, hash)) = self.table.fingerprint.filter(|(of, _)| of == column) {
                let fingerprint = cipher.fingerprint(self.owner, &secret);
                parameters.push(fingerprint.to_vec().into());
                assignments.push(format!("{hash} = ?{}", parameters.len()));
            }
        }
        let (table, assignments) = (self.table.name, assignments.join(", "));
        connection
            .prepare_cached(&format!("UPDATE {table} SET {assignments} WHERE seq = ?1"))?
            .execute(rusqlite::params_from_iter(parameters))?;
        if let Some(table) = authentication {
            table.authenticate(connection, cipher, self.seq)?;
        }
        Ok(())
    }

    fn context(&self, column: &'static str) -> SealContext<'_> {
        SealContext {
            owner: self.owner,
            table: self.table.name,
            row: &self.row,
            column,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::schema;

    /// Compares the list with the comments of the schema.
    #[test]
    fn no_sealed_column_is_missing_from_the_list() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        let mut statement = connection
            .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")
            .unwrap();
        let tables = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        let mut found = Vec::new();
        for table in tables.unwrap() {
            let (name, sql): (String, String) = table.unwrap();
            let sealed = sql.lines().filter(|line| line.contains("-- sealed"));
            let columns: Vec<String> = sealed
                .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
                .collect();
            if !columns.is_empty() {
                found.push((name, columns));
            }
        }
        let listed = |table: &SealedTable| {
            let columns = table.columns.iter().map(|column| (*column).to_owned());
            (table.name.to_owned(), columns.collect::<Vec<_>>())
        };
        assert_eq!(found, TABLES.iter().map(listed).collect::<Vec<_>>());
    }
}
