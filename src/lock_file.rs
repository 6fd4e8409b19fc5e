//! Lock files and their content: the process that holds the lock, for error
//! messages, and whether a starting daemon should wait for it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::OFlag;

/// The most bytes of a lock file that are read.
const MAX_LENGTH: u64 = 64;

/// The word after the process number of a daemon that is stopping.
const STOPPING: &str = "stopping";

/// The process that holds a lock, according to the lock file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LockHolder {
    /// Its process number.
    pub pid: Option<u32>,
    /// Whether it is stopping and will release the lock soon.
    pub is_stopping: bool,
}

impl LockHolder {
    /// Reads the file at `path`. The result is empty if the file cannot be
    /// read.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let mut text = String::new();
        let opened = File::options()
            .read(true)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(path);
        if let Ok(file) = opened {
            // Content that is not text identifies no process.
            let _ = file.take(MAX_LENGTH).read_to_string(&mut text);
        }
        let mut words = text.split_whitespace();
        Self {
            pid: words.next().and_then(|word| word.parse().ok()),
            is_stopping: words.next() == Some(STOPPING),
        }
    }
}

/// A lock that this process holds until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct HeldLock(Arc<File>);

impl HeldLock {
    /// Writes this process's number into a file that it has locked.
    ///
    /// # Errors
    /// Those of writing the file, except for a full disk: the content is only
    /// information for others.
    pub fn new(locked: File) -> io::Result<Self> {
        write(&locked, "")?;
        Ok(Self(Arc::new(locked)))
    }

    /// Writes into the file that this process is stopping.
    pub fn announce_stop(&self) {
        if let Err(error) = write(&self.0, STOPPING) {
            tracing::debug!(error = %error, "cannot record in a lock file that the daemon is stopping");
        }
    }
}

fn write(mut file: &File, state: &str) -> io::Result<()> {
    let text = format!("{} {state}", std::process::id());
    file.set_len(0)?;
    file.rewind()?;
    match writeln!(file, "{}", text.trim_end()) {
        Err(error) if error.kind() != io::ErrorKind::StorageFull => Err(error),
        _ => Ok(()),
    }
}

impl fmt::Display for LockHolder {
    /// ` (process 12)`, or nothing if the number is unknown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, self.is_stopping) {
            (Some(pid), false) => write!(f, " (process {pid})"),
            (Some(pid), true) => write!(f, " (process {pid}, which is stopping)"),
            (None, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_says_which_process_holds_it_and_whether_it_is_stopping() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert_eq!(LockHolder::read(&path), LockHolder::default());
        let lock = HeldLock::new(File::create(&path).unwrap()).unwrap();
        let pid = Some(std::process::id());
        let holder = |is_stopping| LockHolder { pid, is_stopping };
        assert_eq!(LockHolder::read(&path), holder(false));
        lock.announce_stop();
        assert_eq!(LockHolder::read(&path), holder(true));
        std::fs::write(&path, "no number").unwrap();
        assert_eq!(LockHolder::read(&path).to_string(), "");
    }
}
