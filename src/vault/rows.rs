//! Reads rows so that an unreadable row affects nothing else: lists omit it, it
//! is recorded, and `vault check` reports it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params, Row, Rows, Statement};

use super::cipher::Cipher;
use super::totals::Counted;
use super::usage::Usage;
use super::{Change, Error, View};
use crate::identity::Owner;

/// A table whose rows are read into domain types.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub(super) table: &'static str,
    /// The column that identifies a row.
    pub(super) row: &'static str,
}

/// A row: its table, its owner's uid if that can be read, its name.
type Key = (&'static str, Option<i64>, String);

/// The unreadable rows, each with the reason.
#[derive(Debug, Default)]
pub(super) struct Unreadable(Mutex<BTreeMap<Key, String>>);

impl Unreadable {
    /// How many unreadable rows an owner has; with `None`, all owners. A row
    /// without a readable owner counts for every owner.
    pub(super) fn count(&self, owner: Option<Owner>) -> usize {
        let uid = owner.map(|owner| i64::from(owner.uid()));
        let rows = self.lock();
        let is_meant = |row: &&Key| uid.is_none() || row.1.is_none() || row.1 == uid;
        rows.keys().filter(is_meant).count()
    }

    /// Each row in a clause.
    pub(super) fn faults(&self) -> Vec<String> {
        let name = |((table, _, row), why): (&Key, &String)| unreadable(table, row, why);
        self.lock()
            .iter()
            .map(name)
            .map(|error| error.to_string())
            .collect()
    }

    /// The first row.
    pub(super) fn first(&self) -> Option<Error> {
        let rows = self.lock();
        let ((table, _, row), why) = rows.iter().next()?;
        Some(unreadable(table, row, why))
    }

    /// Removes a row that was replaced or deleted.
    pub(super) fn forget(&self, table: &'static str, owner: Owner, row: &str) {
        let owner = Some(i64::from(owner.uid()));
        self.lock().remove(&(table, owner, row.to_owned()));
    }

    /// Whether a row is recorded as unreadable.
    pub(super) fn has(&self, table: &'static str, owner: Owner, row: &str) -> bool {
        let owner = Some(i64::from(owner.uid()));
        self.lock().contains_key(&(table, owner, row.to_owned()))
    }

    /// Replaces the records with the result of a survey.
    pub(super) fn replace(&self, found: Self) {
        let found = found.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.lock() = found;
    }

    fn note(&self, key: Key, why: String) {
        let (table, row) = (key.0, key.2.clone());
        if self.lock().insert(key, why.clone()).is_none() {
            tracing::error!(table, row, error = %why, "a stored row cannot be read and is omitted");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unreadable(table: &'static str, row: &str, why: &str) -> Error {
    Error::UnreadableRow {
        table,
        row: row.to_owned(),
        why: why.to_owned(),
    }
}

impl View<'_> {
    /// The first row of a statement, if it has one.
    ///
    /// # Errors
    /// [`Error::UnreadableRow`] if it cannot be read.
    pub(super) fn one<T>(
        &self,
        named: Named,
        statement: &mut Statement<'_>,
        parameters: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut rows = statement.query(parameters)?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let value = read(row);
        value
            .map(Some)
            .map_err(|error| self.note(named, row, error))
    }

    /// The readable rows of a statement.
    ///
    /// # Errors
    /// [`Error::Corrupt`] or [`Error::Unwritable`] if the file cannot be read.
    pub(super) fn readable<T>(
        &self,
        named: Named,
        mut rows: Rows<'_>,
        mut read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            match read(row) {
                Ok(value) => found.push(value),
                Err(error) => match self.note(named, row, error) {
                    Error::UnreadableRow { .. } => {}
                    other => return Err(other),
                },
            }
        }
        Ok(found)
    }

    /// Reads every row of the vault, so that unreadable rows are recorded.
    ///
    /// # Errors
    /// As [`Self::readable`].
    pub(super) fn survey(&self) -> Result<(), Error> {
        self.survey_providers()?;
        self.survey_tokens()?;
        self.survey_connections()?;
        self.survey_flows()?;
        self.survey_events()?;
        self.survey_revocations()?;
        self.open_attempts().map(drop)
    }

    /// Records a damaged row. Any other error is returned unchanged.
    fn note(&self, named: Named, row: &Row<'_>, error: Error) -> Error {
        let Error::Corrupt { what } = error else {
            return error;
        };
        let name = row.get_ref(named.row).map_or_else(|_| String::new(), shown);
        let owner = row.get("owner").ok();
        self.unreadable
            .note((named.table, owner, name.clone()), what.clone());
        unreadable(named.table, &name, &what)
    }
}

impl Change<'_> {
    /// Deletes a row that is recorded as unreadable. Returns `false` if there
    /// is no such record.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub(super) fn delete_unreadable(
        &self,
        named: Named,
        counted: &Counted,
        owner: Owner,
        row: &str,
    ) -> Result<bool, Error> {
        if !self.unreadable.has(named.table, owner, row) {
            return Ok(false);
        }
        let Named { table, row: column } = named;
        let condition = format!("owner = ?1 AND {column} = ?2");
        self.delete_counted::<String>(counted, &condition, (owner, row))?;
        self.erase_after_commit();
        self.unreadable.forget(table, owner, row);
        Ok(true)
    }
}

/// Finds every unreadable row of a vault.
///
/// # Errors
/// [`Error::Corrupt`] or [`Error::Unwritable`] if the file cannot be read.
pub(super) fn survey(connection: &Connection, cipher: &Cipher) -> Result<Unreadable, Error> {
    let (usage, unreadable) = (Usage::default(), Unreadable::default());
    let view = View {
        connection,
        cipher,
        usage: &usage,
        unreadable: &unreadable,
    };
    view.survey()?;
    Ok(unreadable)
}

/// A row's name as text, whatever its type.
fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Integer(number) => number.to_string(),
        other => format!("({})", other.data_type()),
    }
}
