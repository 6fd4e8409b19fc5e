//! Whether the store is well: what is wrong with it, room for the answers of
//! providers, and the daily backup.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::{Error, Room, Stored, Vault, backup, ballast};
use crate::clock::Timestamp;

/// How long after a backup that failed another one is tried, in seconds: each
/// copies the whole vault.
const BACKUP_PAUSE: i64 = 15 * 60;

impl Vault {
    /// What is wrong with the store now, in a clause; `None` while it is well.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.0.trouble.note_place(self.0.placement.check());
        self.0.trouble.words()
    }

    /// Why nothing can be stored now; `None` while it can.
    #[must_use]
    pub fn unwritable(&self) -> Option<String> {
        self.0.trouble.note_place(self.0.placement.check());
        self.0.trouble.unwritable()
    }

    /// Finds out, where the vault could not be written, whether it can be
    /// again. Otherwise gives room back to the disk that no refresh needs.
    pub async fn probe(&self) {
        if self.unwritable().is_none() {
            self.0.ballast.trim();
            return;
        }
        if self.0.trouble.lacks_room() && self.0.ballast.probe().is_ok() {
            self.0.trouble.note_room(Ok(()));
        }
        // How it went is noted like any change's.
        let _ = self.write(|change| change.touch()).await;
    }

    /// Makes sure that the disk has room for a new token, which replaces this
    /// one if there is one, for as long as the result is kept. Where the disk is
    /// full and others have their room, waits for the end of one.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if there is no room, or what is written now would be
    /// lost.
    pub async fn room_for_answer(&self, replaced: Option<&Stored>) -> Result<Room, Error> {
        let found = self.0.placement.check();
        self.0.trouble.note_place(found.clone());
        found.map_err(|why| Error::Unwritable { why })?;
        let bytes = ballast::room_for(replaced.map_or(0, Stored::sealed_size));
        let error = match self.0.ballast.reserve(bytes).await {
            Ok(room) => {
                self.0.trouble.note_room(Ok(()));
                return Ok(room);
            }
            Err(error) => error,
        };
        let is_full = matches!(
            error.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded
        );
        let why = if is_full {
            let kib = bytes / 1024;
            format!("the disk is full: {kib} KiB are needed to store a new token")
        } else {
            // Where the vault itself cannot be written, that is what to tell.
            self.write(|change| change.touch()).await?;
            format!("no room can be kept for new tokens: {error}")
        };
        self.0.trouble.note_room(Err(why.clone()));
        Err(Error::Unwritable { why })
    }

    /// Makes a backup if the newest is a day old and there is something to
    /// keep; its path, if one was made.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the vault is damaged, [`Error::Unwritable`] if the
    /// copy cannot be written. The next call in the next quarter of an hour
    /// does nothing then.
    pub async fn back_up_if_due(&self, now: Timestamp) -> Result<Option<PathBuf>, Error> {
        let inner = &self.0;
        let next = *inner
            .next_backup
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_waiting = next.is_some_and(|next| {
            // A clock that was put back must not make it wait for long.
            now < next && next <= now.plus_seconds(BACKUP_PAUSE)
        });
        if is_waiting
            || inner.placement.check().is_err()
            || !backup::is_due(&inner.data_dir, now)
            || self.read(|view| view.is_empty())?
        {
            return Ok(None);
        }
        let vault = self.clone();
        let work = move || {
            let inner = &vault.0;
            let make = |connection: &_| backup::make(connection, &inner.data_dir, now);
            inner.readers.read(make)
        };
        let made = tokio::task::spawn_blocking(work).await;
        let made = made.unwrap_or_else(|error| {
            Err(Error::Unwritable {
                why: error.to_string(),
            })
        });
        inner.trouble.note_backup(&made);
        *inner
            .next_backup
            .lock()
            .unwrap_or_else(PoisonError::into_inner) =
            made.is_err().then(|| now.plus_seconds(BACKUP_PAUSE));
        made.map(Some)
    }

    /// The folder of the vault, as it was called when it was opened.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0.data_dir
    }

    /// The bytes of a copy of the vault, from the file that is open, whatever
    /// its path names by now. Nothing is written to the disk.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the vault is damaged.
    pub async fn copy(&self) -> Result<Vec<u8>, Error> {
        let vault = self.clone();
        let work = move || vault.0.readers.read(backup::bytes);
        let copied = tokio::task::spawn_blocking(work).await;
        copied.unwrap_or_else(|error| {
            Err(Error::Unwritable {
                why: error.to_string(),
            })
        })
    }
}
