//! Long tables are read a page at a time, newest row first, so that a list uses
//! no more memory than a page.

use rusqlite::{Row, Rows};

use super::rows::Named;
use super::{Error, View};

/// Rows per page. Most rows take a kilobyte. The largest that a request may
/// store take 40 KiB (a token) to 200 KiB (a provider), so a page takes 3 MiB
/// at most.
pub(super) const PAGE_ROWS: u32 = 16;

/// Where a page begins. The default is the newest row.
#[derive(Clone, Copy, Debug)]
pub struct Cursor(pub(super) i64);

impl Default for Cursor {
    fn default() -> Self {
        Self(i64::MAX)
    }
}

/// The readable rows of a part of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows, newest first.
    pub rows: Vec<T>,
    /// Where the next page begins; `None` after the last page.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Converts the rows of the page.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        Page {
            rows: self.rows.into_iter().map(make).collect(),
            next: self.next,
        }
    }
}

impl View<'_> {
    /// Reads a page from a statement that selects `seq`, sorts by it in
    /// descending order, and has the limit [`PAGE_ROWS`].
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
        // Unreadable rows count towards the page's length.
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
