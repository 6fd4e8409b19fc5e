//! How much each owner stores. The table `totals` is updated by each change in
//! its own transaction, so that reading a total reads one row.
//!
//! The size of a row is that of the texts that callers and providers can make
//! long, plus a fixed number of bytes for the other columns. An update of any
//! column that counts must go through [`Change::counted`].

use std::collections::BTreeMap;

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension as _, Params, Row, ToSql};

use super::{Change, Error, View, writer};
use crate::clock::Timestamp;
use crate::identity::Owner;
use crate::quota::Totals;

/// A table whose rows are counted. `totals` has a column with the table's name.
#[derive(Debug)]
pub(super) struct Counted {
    name: &'static str,
    /// The column that identifies a row within its owner's rows.
    key: &'static str,
    /// The size of a row in bytes, as an SQL expression.
    size: &'static str,
}

pub(super) const PROVIDERS: Counted = Counted {
    name: "providers",
    key: "provider_id",
    size: "512 + octet_length(name) + octet_length(client_id) + coalesce(octet_length(client_secret), 0)
        + octet_length(authorization_url) + octet_length(token_url)
        + coalesce(octet_length(issuer), 0) + octet_length(authorization_params)
        + octet_length(allowed_redirect_uris) + coalesce(octet_length(resource), 0)",
};

pub(super) const TOKENS: Counted = Counted {
    name: "tokens",
    key: "id",
    size: "512 + octet_length(user_id) + coalesce(octet_length(agent_id), 0)
        + octet_length(client_id) + octet_length(token_url) + octet_length(access_token)
        + coalesce(octet_length(refresh_token), 0) + octet_length(granted)
        + octet_length(requested) + octet_length(metadata)",
};

pub(super) const CONNECTIONS: Counted = Counted {
    name: "connections",
    key: "id",
    size: "256 + octet_length(agent_id) + octet_length(created_by) + octet_length(scopes)",
};

pub(super) const FLOWS: Counted = Counted {
    name: "flows",
    key: "id",
    size: "1024 + octet_length(user_id) + coalesce(octet_length(agent_id), 0)
        + octet_length(client_id) + octet_length(token_url) + octet_length(requested)
        + octet_length(redirect_uri) + coalesce(octet_length(form_offer), 0)",
};

pub(super) const EVENTS: Counted = Counted {
    name: "events",
    key: "id",
    size: "256 + coalesce(octet_length(agent_id), 0) + coalesce(octet_length(reason), 0)
        + coalesce(octet_length(account_label), 0) + octet_length(scopes)
        + coalesce(octet_length(detail), 0)",
};

const ALL: [&Counted; 5] = [&PROVIDERS, &TOKENS, &CONNECTIONS, &FLOWS, &EVENTS];

/// The number of rows of each table of [`ALL`], and the size of all of them in
/// bytes.
type Counts = ([i64; ALL.len()], i64);

impl View<'_> {
    /// How many tokens an owner has.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the file cannot be read.
    pub fn token_count(&self, owner: Owner) -> Result<u64, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT tokens FROM totals WHERE owner = ?1")?;
        let found = statement
            .query_row([owner], |row| count(row, 0))
            .optional()?;
        Ok(found.unwrap_or_default())
    }

    /// What an owner stores at `now`; with `None`, what all owners store.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the file cannot be read.
    pub fn totals(&self, owner: Option<Owner>, now: Timestamp) -> Result<Totals, Error> {
        // For all owners, the statement sums one row per owner.
        let mut statement = self.connection.prepare_cached(match owner {
            Some(_) => "SELECT providers, tokens, connections, bytes FROM totals WHERE owner = ?1",
            None => {
                "SELECT coalesce(sum(providers), 0), coalesce(sum(tokens), 0),
                    coalesce(sum(connections), 0), coalesce(sum(bytes), 0) FROM totals WHERE ?1 IS NULL"
            }
        })?;
        let stored = statement.query_row([owner], |row| {
            Ok(Totals {
                providers: count(row, 0)?,
                tokens: count(row, 1)?,
                connections: count(row, 2)?,
                bytes: count(row, 3)?,
                ..Totals::default()
            })
        });
        let totals = stored.optional()?.unwrap_or_default();
        self.with_flows_under_way(totals, owner, now)
    }

    fn with_flows_under_way(
        &self,
        totals: Totals,
        owner: Option<Owner>,
        now: Timestamp,
    ) -> Result<Totals, Error> {
        let mut statement = self.connection.prepare_cached(match owner {
            Some(_) => {
                "SELECT count(*), coalesce(sum(purpose = 'renew'), 0), coalesce(sum(status = 'pending'), 0)
                 FROM flows WHERE status IN ('pending', 'exchanging') AND owner = ?1 AND expires_at > ?2"
            }
            None => {
                "SELECT count(*), coalesce(sum(purpose = 'renew'), 0), coalesce(sum(status = 'pending'), 0)
                 FROM flows WHERE status IN ('pending', 'exchanging') AND ?1 IS NULL AND expires_at > ?2"
            }
        })?;
        Ok(statement.query_row((owner, now), |row| {
            let (all, renewals) = (count(row, 0)?, count(row, 1)?);
            Ok(Totals {
                logins: all.saturating_sub(renewals),
                renewals,
                flows_pending: count(row, 2)?,
                ..totals
            })
        })?)
    }

    fn size_of(
        &self,
        table: &Counted,
        owner: Owner,
        row: &dyn ToSql,
    ) -> Result<Option<i64>, Error> {
        let Counted { name, key, size } = table;
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {size} FROM {name} WHERE owner = ?1 AND {key} = ?2"
        ))?;
        let size = statement.query_row((owner, row), |found| found.get(0));
        Ok(size.optional()?)
    }
}

impl Change<'_> {
    /// Runs `work`, which may write or delete only the row of `table` named
    /// `row`, and adds the difference to the owner's totals.
    pub(super) fn counted<T>(
        &self,
        table: &Counted,
        owner: Owner,
        row: &dyn ToSql,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let before = self.size_of(table, owner, row)?;
        let value = work()?;
        let after = self.size_of(table, owner, row)?;
        let rows = i64::from(after.is_some()) - i64::from(before.is_some());
        let bytes = after.unwrap_or(0) - before.unwrap_or(0);
        self.enter(table, i64::from(owner.uid()), (rows, bytes))?;
        Ok(value)
    }

    /// Deletes the rows of `table`, of any owner, that match `condition`.
    /// Updates the totals and returns the names of the rows.
    pub(super) fn delete_counted<K: FromSql>(
        &self,
        table: &Counted,
        condition: &str,
        parameters: impl Params,
    ) -> Result<Vec<K>, Error> {
        let Counted { name, key, size } = table;
        let mut statement = self.connection.prepare_cached(&format!(
            "DELETE FROM {name} WHERE {condition} RETURNING owner, {size}, {key}"
        ))?;
        let mut gone: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        let mut names = Vec::new();
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            let bytes: i64 = row.get(1)?;
            let (rows, total) = gone.entry(row.get(0)?).or_default();
            *rows -= 1;
            *total -= bytes;
            names.push(row.get(2)?);
        }
        for (owner, difference) in gone {
            self.enter(table, owner, difference)?;
        }
        Ok(names)
    }

    fn enter(&self, table: &Counted, owner: i64, (rows, bytes): (i64, i64)) -> Result<(), Error> {
        if (rows, bytes) == (0, 0) {
            return Ok(());
        }
        let name = table.name;
        self.connection
            .prepare_cached(&format!(
                "INSERT INTO totals (owner, {name}, bytes) VALUES (?1, ?2, ?3)
                 ON CONFLICT (owner) DO UPDATE SET {name} = {name} + ?2, bytes = bytes + ?3"
            ))?
            .execute((owner, rows, bytes))?;
        Ok(())
    }
}

/// A count in a row. Only in a tampered file is it negative.
fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get(column)
        .map(|count: i64| u64::try_from(count).unwrap_or(0))
}

/// Corrects totals that differ from the tables. Returns how many owners' totals
/// were wrong.
///
/// # Errors
/// [`Error::Unwritable`] if the vault cannot be written.
pub(super) fn repair(connection: &mut Connection) -> Result<usize, Error> {
    let wrong = faults(connection)?;
    if wrong.is_empty() {
        return Ok(0);
    }
    writer::transact(connection, |connection| {
        connection.execute("DELETE FROM totals", [])?;
        let columns = ALL.map(|table| table.name).join(", ");
        let mut insert = connection.prepare(&format!(
            "INSERT INTO totals (owner, bytes, {columns}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        ))?;
        for (owner, ([providers, tokens, connections, flows, events], bytes)) in held(connection)? {
            insert.execute((owner, bytes, providers, tokens, connections, flows, events))?;
        }
        Ok(())
    })?;
    Ok(wrong.len())
}

/// The owners whose totals differ from the tables, described in a clause each.
///
/// # Errors
/// [`Error::Corrupt`] if the tables cannot be read.
pub(super) fn faults(connection: &Connection) -> Result<Vec<String>, Error> {
    let (kept, mut held) = (kept(connection)?, held(connection)?);
    // An owner whose last row was deleted has a row of zeros.
    for owner in kept.keys() {
        held.entry(*owner).or_default();
    }
    let differs = |(owner, counts): &(u32, Counts)| kept.get(owner) != Some(counts);
    let clause = |(owner, (rows, bytes)): (u32, Counts)| {
        let (known, size) = kept.get(&owner).copied().unwrap_or_default();
        format!(
            "the totals of uid {owner} are wrong: rows {known:?}, {size} bytes in place of {rows:?}, {bytes} bytes; quotas depend on them; the daemon's next start corrects them"
        )
    };
    Ok(held.into_iter().filter(differs).map(clause).collect())
}

fn kept(connection: &Connection) -> Result<BTreeMap<u32, Counts>, Error> {
    let columns = ALL.map(|table| table.name).join(", ");
    let mut statement =
        connection.prepare(&format!("SELECT owner, bytes, {columns} FROM totals"))?;
    let rows = statement.query_map([], |row| {
        let mut counts: Counts = ([0; ALL.len()], row.get(1)?);
        for (index, count) in counts.0.iter_mut().enumerate() {
            *count = row.get(2 + index)?;
        }
        Ok((row.get(0)?, counts))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn held(connection: &Connection) -> Result<BTreeMap<u32, Counts>, Error> {
    let mut all: BTreeMap<u32, Counts> = BTreeMap::new();
    for (index, Counted { name, size, .. }) in ALL.into_iter().enumerate() {
        let mut statement = connection.prepare(&format!(
            "SELECT owner, count(*), sum({size}) FROM {name} GROUP BY owner"
        ))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (counts, bytes) = all.entry(row.get(0)?).or_default();
            counts[index] = row.get(1)?;
            *bytes += row.get::<_, i64>(2)?;
        }
    }
    Ok(all)
}
