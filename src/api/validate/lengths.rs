//! Limits on the length of values: longer than any in use, and short enough that a
//! list of thousands of rows is of moderate size.

use std::io;

use serde_json::Value;

/// The longest list of scopes, separated by spaces, in bytes.
pub(super) const SCOPES: usize = 8 * 1024;

/// The largest metadata of an imported token as JSON, in bytes.
pub(super) const METADATA: usize = 16 * 1024;

/// Whether a value has at most `most` bytes as JSON. Does not copy the value, which
/// may contain secrets.
pub(super) fn fits(value: &Value, most: usize) -> bool {
    serde_json::to_writer(Room(most), value).is_ok()
}

/// A writer that fails after this many bytes.
struct Room(usize);

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
