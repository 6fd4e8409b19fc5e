//! Reports faults of the vault, reserves disk space for providers' answers, and
//! makes the daily backup.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

use super::{Error, SpaceReservation, Stored, Vault, backup, reserved_space};
use crate::clock::Timestamp;

/// The wait after a failed backup. Each attempt copies the whole vault.
const BACKUP_PAUSE: Duration = Duration::from_secs(15 * 60);

impl Vault {
    /// The vault's fault in a clause; `None` if there is none.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.0.health.note_place(self.0.placement.check());
        self.0.health.words()
    }

    /// The reason why nothing can be stored now; `None` if the vault can be
    /// written.
    #[must_use]
    pub fn unwritable(&self) -> Option<String> {
        self.0.health.note_place(self.0.placement.check());
        self.0.health.unwritable()
    }

    /// If the vault could not be written, tries whether it can be now.
    /// Otherwise releases reserved disk space that no refresh needs.
    pub async fn probe(&self) {
        if self.unwritable().is_none() {
            self.0.reserved_space.trim();
            return;
        }
        if self.0.health.lacks_space() && self.0.reserved_space.probe().is_ok() {
            self.0.health.note_space(Ok(()));
        }
        // The writer records the result.
        let _ = self.write(|change| change.touch()).await;
    }

    /// Reserves disk space for a new token that replaces `replaced`, until the
    /// result is dropped. If the disk is full and space is reserved for others,
    /// waits until one of them releases it.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if there is no space, or the open file is no
    /// longer the vault's file.
    pub async fn reserve_space(
        &self,
        replaced: Option<&Stored>,
    ) -> Result<SpaceReservation, Error> {
        let found = self.0.placement.check();
        self.0.health.note_place(found.clone());
        found.map_err(|why| Error::Unwritable { why })?;
        let bytes = reserved_space::space_for(replaced.map_or(0, Stored::sealed_size));
        let error = match self.0.reserved_space.reserve(bytes).await {
            Ok(reservation) => {
                self.0.health.note_space(Ok(()));
                return Ok(reservation);
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
            // If the vault itself cannot be written, that error is returned.
            self.write(|change| change.touch()).await?;
            format!("no disk space can be reserved for new tokens: {error}")
        };
        self.0.health.note_space(Err(why.clone()));
        Err(Error::Unwritable { why })
    }

    /// Makes a backup if the newest is a day old and the vault is not empty.
    /// Returns its path.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the vault is damaged, [`Error::Unwritable`] if the
    /// copy cannot be written. For the next quarter of an hour, calls then do
    /// nothing.
    pub async fn back_up_if_due(&self, now: Timestamp) -> Result<Option<PathBuf>, Error> {
        let inner = &self.0;
        let next = *inner
            .next_backup
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_waiting = next.is_some_and(|next| {
            // A clock that was set back must not prolong the wait.
            now < next && next <= now.plus(BACKUP_PAUSE)
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
        inner.health.note_backup(&made);
        *inner
            .next_backup
            .lock()
            .unwrap_or_else(PoisonError::into_inner) =
            made.is_err().then(|| now.plus(BACKUP_PAUSE));
        made.map(Some)
    }

    /// The folder of the vault, by the path with which it was opened.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0.data_dir
    }

    /// A copy of the vault as bytes, made from the open file even if its path
    /// names another file now. Nothing is written to the disk.
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
