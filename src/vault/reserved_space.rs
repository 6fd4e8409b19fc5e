//! Disk space that is reserved for answers of providers: a file without
//! content, only a size. A save that finds the disk full shrinks it.
//!
//! A refresh token is sent only while the file is large enough for the answers
//! of all refreshes under way. If the disk is full, a refresh waits until
//! another one releases its space.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::fcntl::OFlag;
use tokio::sync::Notify;

use super::ownership;

const NAME: &str = "ballast";

/// The space that every change of a token needs in the write-ahead log, however
/// small the token: about 24 pages of 4 KiB.
const OVERHEAD: u64 = 96 * 1024;

/// The largest answer (its tokens and the metadata that is stored) that is sure
/// to be stored, in bytes. A larger one is stored if there is space; a stored
/// token already has space for a successor of one and a half times its size.
const LARGEST_ANSWER: u64 = 64 * 1024;

/// How many reservations stay allocated while nothing is refreshed.
const IDLE_RESERVATIONS: u64 = 4;

/// The space for an answer that replaces a token of `stored` bytes in the
/// vault: what is written, and the pages of the old token, which are
/// overwritten. A sealed value is a third larger than its secret.
pub(super) fn space_for(stored: u64) -> u64 {
    let answer = (LARGEST_ANSWER + LARGEST_ANSWER / 3).max(stored + stored / 2);
    (OVERHEAD + answer + stored).next_multiple_of(4096)
}

/// The file and its reservations.
#[derive(Debug)]
pub(super) struct ReservedSpace {
    path: PathBuf,
    state: Mutex<State>,
    /// Signals that space was released.
    released: Notify,
}

#[derive(Debug, Default)]
struct State {
    file: Option<File>,
    /// The file's size, in bytes.
    size: u64,
    /// The space reserved for refreshes under way, in bytes.
    reserved: u64,
    /// The number of refreshes under way.
    reservations: u64,
}

/// The space of one refresh, released when dropped.
#[derive(Debug)]
pub struct SpaceReservation {
    reserved_space: Arc<ReservedSpace>,
    bytes: u64,
}

impl Drop for SpaceReservation {
    fn drop(&mut self) {
        let mut state = self.reserved_space.lock();
        state.reserved -= self.bytes;
        state.reservations -= 1;
        drop(state);
        self.reserved_space.released.notify_waiters();
    }
}

impl ReservedSpace {
    /// The reserved_space of a data folder. Deletes the file of an earlier daemon: its
    /// space helps to start on a full disk.
    pub(super) fn new(data_dir: &Path) -> Self {
        let path = data_dir.join(NAME);
        // If it cannot be deleted, it is used again.
        let _ = fs::remove_file(&path);
        Self {
            path,
            state: Mutex::default(),
            released: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves space for one more answer. Waits while the disk is full and
    /// other refreshes are under way.
    ///
    /// # Errors
    /// Why no space can be reserved.
    pub(super) async fn reserve(self: &Arc<Self>, bytes: u64) -> io::Result<SpaceReservation> {
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            // Registered before the check, so that no release is missed.
            released.as_mut().enable();
            match self.try_reserve(bytes) {
                Ok(Some(reservation)) => return Ok(reservation),
                Ok(None) => released.await,
                Err(error) => return Err(error),
            }
        }
    }

    /// Reserves space, or returns `None` if another refresh may release some.
    fn try_reserve(self: &Arc<Self>, bytes: u64) -> io::Result<Option<SpaceReservation>> {
        let mut state = self.lock();
        let wanted = state.reserved + bytes;
        match state.grow(wanted, &self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::StorageFull && state.reservations > 0 => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        state.reserved = wanted;
        state.reservations += 1;
        let reserved_space = Arc::clone(self);
        Ok(Some(SpaceReservation {
            reserved_space,
            bytes,
        }))
    }

    /// Releases the space of about one answer for a save. Returns whether there
    /// was any. It must be reserved again before the next refresh.
    pub(super) fn free(&self) -> bool {
        let mut state = self.lock();
        let per_reservation = state.reserved.checked_div(state.reservations);
        let freed = per_reservation.unwrap_or(0).max(space_for(0));
        state.shrink(freed)
    }

    /// Releases the space that no refresh needs.
    pub(super) fn trim(&self) {
        let mut state = self.lock();
        let kept = state.reserved.max(IDLE_RESERVATIONS * space_for(0));
        let excess = state.size.saturating_sub(kept);
        state.shrink(excess);
    }

    /// Whether there is space for one more answer.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn probe(&self) -> io::Result<()> {
        let mut state = self.lock();
        let wanted = state.reserved + space_for(0);
        state.grow(wanted, &self.path)
    }
}

impl Drop for ReservedSpace {
    fn drop(&mut self) {
        // The next daemon deletes a file that remains.
        let _ = fs::remove_file(&self.path);
    }
}

impl State {
    /// Extends the file to this size.
    fn grow(&mut self, size: u64, path: &Path) -> io::Result<()> {
        if self.size >= size {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(open(path)?),
        };
        if let Err(error) = allocate(file, self.size, size - self.size) {
            // Some of the space may have been allocated.
            let _ = file.set_len(self.size);
            return Err(error);
        }
        self.size = size;
        Ok(())
    }

    fn shrink(&mut self, by: u64) -> bool {
        let size = self.size.saturating_sub(by);
        let Some(file) = &self.file else { return false };
        if size == self.size || file.set_len(size).is_err() {
            return false;
        }
        self.size = size;
        true
    }
}

fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)?;
    ownership::chown_to_parent(&file, path.parent().unwrap_or(Path::new(".")))?;
    Ok(file)
}

/// Allocates disk blocks for a part of the file.
#[cfg(target_os = "linux")]
fn allocate(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
    use nix::errno::Errno;
    use nix::fcntl::{FallocateFlags, fallocate};

    let [from, length] = [offset, bytes].map(|n| i64::try_from(n).unwrap_or(i64::MAX));
    match fallocate(file, FallocateFlags::empty(), from, length) {
        // Some file systems allocate blocks only when they are written.
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => write_noise(file, offset, bytes),
        other => Ok(other?),
    }
}

/// Allocates disk blocks for a part of the file.
#[cfg(not(target_os = "linux"))]
fn allocate(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
    write_noise(file, offset, bytes)
}

/// Writes content that a file system cannot compress.
fn write_noise(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;

    let mut noise = [0_u8; 4096];
    // A xorshift generator (Marsaglia, 2003).
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ offset;
    let mut at = offset;
    let end = offset + bytes;
    while at < end {
        for chunk in noise.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            chunk.copy_from_slice(&state.to_le_bytes());
        }
        let left = usize::try_from(end - at).unwrap_or(usize::MAX);
        let part = noise.len().min(left);
        file.write_all_at(noise.get(..part).unwrap_or(&noise), at)?;
        at += part as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(folder: &tempfile::TempDir) -> u64 {
        fs::metadata(folder.path().join(NAME)).unwrap().len()
    }

    #[tokio::test]
    async fn space_is_reserved_for_each_answer_and_again_after_a_save_released_it() {
        let folder = tempfile::tempdir().unwrap();
        let reserved_space = Arc::new(ReservedSpace::new(folder.path()));
        let one = space_for(0);
        let first = reserved_space.reserve(one).await.unwrap();
        let _second = reserved_space.reserve(one).await.unwrap();
        assert_eq!(size(&folder), 2 * one);
        assert!(reserved_space.free());
        assert_eq!(size(&folder), one);
        drop(first);
        let _third = reserved_space.reserve(one).await.unwrap();
        assert_eq!(size(&folder), 2 * one);
        assert!(reserved_space.free() && reserved_space.free() && !reserved_space.free());
    }

    #[tokio::test]
    async fn space_that_no_refresh_needs_is_released() {
        let folder = tempfile::tempdir().unwrap();
        let reserved_space = Arc::new(ReservedSpace::new(folder.path()));
        let reservations = [
            reserved_space.reserve(space_for(0)).await,
            reserved_space.reserve(1 << 22).await,
        ];
        reserved_space.trim();
        assert_eq!(size(&folder), space_for(0) + (1 << 22));
        drop(reservations);
        reserved_space.trim();
        assert_eq!(size(&folder), IDLE_RESERVATIONS * space_for(0));
        drop(reserved_space);
        assert!(!folder.path().join(NAME).exists());
    }

    #[test]
    fn an_answer_of_one_and_a_half_times_the_stored_size_has_space() {
        let stored = 300 * 1024;
        assert!(space_for(stored) >= stored + stored / 2 + stored + OVERHEAD);
        assert!(space_for(0) >= LARGEST_ANSWER * 4 / 3 + OVERHEAD);
    }

    #[test]
    fn blocks_allocated_without_fallocate_have_the_requested_length() {
        let folder = tempfile::tempdir().unwrap();
        let file = open(&folder.path().join(NAME)).unwrap();
        write_noise(&file, 0, 5000).unwrap();
        write_noise(&file, 5000, 4097).unwrap();
        assert_eq!(size(&folder), 9097);
    }
}
