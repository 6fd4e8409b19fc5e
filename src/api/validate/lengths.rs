//! How long the values of a request may be: far longer than any in use, and
//! short enough that a list of thousands of rows stays small.

use std::io;

use serde_json::Value;

/// All scopes of one request together, with a blank between two, in bytes.
pub(super) const SCOPES: usize = 8 * 1024;

/// The metadata of an imported token as JSON, in bytes.
pub(super) const METADATA: usize = 16 * 1024;

/// Whether a value takes at most `most` bytes as JSON. No copy of it is made,
/// since parts of it may be secret.
pub(super) fn fits(value: &Value, most: usize) -> bool {
    serde_json::to_writer(Room(most), value).is_ok()
}

/// So many bytes can be written.
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
