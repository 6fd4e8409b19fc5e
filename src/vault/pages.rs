//! Long tables read some rows at a time, newest first, so that a list takes no
//! more memory than a page of it.

use rusqlite::{Row, Rows};

use super::rows::Named;
use super::{Error, View};

/// How many rows a page has. Most take a kilobyte; the largest that a request may
/// store take some 40 KiB (a token) to 200 KiB (a provider), so that a page of
/// those takes 3 MiB.
pub(super) const PAGE_ROWS: u32 = 16;

/// Before which row the next page begins; by default before the newest.
#[derive(Clone, Copy, Debug)]
pub struct Cursor(pub(super) i64);

impl Default for Cursor {
    fn default() -> Self {
        Self(i64::MAX)
    }
}

/// Some rows of a list, without those that cannot be read.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows, newest first.
    pub rows: Vec<T>,
    /// Where the list goes on; `None` at its end.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// The same page of something that is made of each row.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        Page {
            rows: self.rows.into_iter().map(make).collect(),
            next: self.next,
        }
    }
}

impl View<'_> {
    /// A page from the rows of a statement that has a column `seq`, goes down by
    /// it, and ends after [`PAGE_ROWS`].
    ///
    /// # Errors
    /// As [`View::readable`].
    pub(super) fn page<T>(
        &self,
        named: Named,
        rows: Rows<'_>,
        mut read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Page<T>, Error> {
        let (mut last, mut seen) = (None, 0);
        // A row that cannot be read counts, or it would end the list.
        let rows = self.readable(named, rows, |row| {
            last = Some(Cursor(row.get("seq")?));
            seen += 1;
            read(row)
        })?;
        Ok(Page {
            rows,
            next: last.filter(|_| seen == PAGE_ROWS),
        })
    }
}
