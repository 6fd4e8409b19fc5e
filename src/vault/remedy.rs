//! What a person can do about an error of the vault. The caller that shows the
//! error adds the flag or the command.

use std::path::PathBuf;

use super::{Error, Vault};

/// What a person can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Keep the vault in a folder on a disk of this machine.
    MoveToDisk,
    /// End the process that holds the folder, or keep the vault in another one.
    StopHolder,
    /// Keep the key in another place.
    MoveKey,
    /// Start the version that wrote the vault, or go back to a backup of this one's.
    ReturnToVersion {
        /// The newest backup of a version that is known here.
        backup: Option<PathBuf>,
    },
    /// Review each address of a backup before restoring it.
    ReviewBackup {
        /// The backup.
        backup: PathBuf,
    },
    /// Replace a damaged vault with a backup.
    Restore {
        /// The folder of the vault.
        data_dir: PathBuf,
        /// The file of its key.
        key_file: PathBuf,
        /// The newest backup.
        backup: PathBuf,
    },
    /// Put the vault's file back, or back up the open file before the daemon
    /// stops.
    PutBack,
    /// Run a check of the vault, which shows more.
    Check,
}

impl Error {
    /// What a person can do about it, where its text does not say so.
    #[must_use]
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::OnNetwork { .. } => Some(Remedy::MoveToDisk),
            Self::Held { .. } => Some(Remedy::StopHolder),
            Self::KeyBesideVault { .. } => Some(Remedy::MoveKey),
            Self::RotationStuck { .. } => Some(Remedy::Check),
            Self::NewerSchema { backup, .. } => Some(Remedy::ReturnToVersion {
                backup: backup.clone(),
            }),
            Self::Unauthenticated { path } => Some(Remedy::ReviewBackup {
                backup: path.clone(),
            }),
            Self::Damaged {
                data_dir,
                key_file,
                backup,
                ..
            } => Some(Remedy::Restore {
                data_dir: data_dir.clone(),
                key_file: key_file.clone(),
                backup: backup.clone()?,
            }),
            _ => None,
        }
    }
}

impl Vault {
    /// What a person can do about [`Vault::trouble`], where that does not say so.
    #[must_use]
    pub fn remedy(&self) -> Option<Remedy> {
        let remedy = self.0.health.remedy();
        // The text for a read-only disk contains the remedy.
        remedy.filter(|remedy| *remedy != Remedy::PutBack || !self.0.placement.is_read_only())
    }
}
