//! What is done at intervals, and the state of the store.

use std::path::Path;
use std::sync::Arc;

use super::Error;
use super::context::Context;
use super::logins::Logins;
use crate::identity::Owner;
use crate::vault::{self, Remedy};

/// Keeps the store in order; clones share its state.
#[derive(Clone, Debug)]
pub struct Maintenance {
    context: Arc<Context>,
    logins: Logins,
}

impl Maintenance {
    pub(super) fn new(context: Arc<Context>, logins: Logins) -> Self {
        Self { context, logins }
    }

    /// Probes the store, makes the daily backup, checks the stored rows, stores when
    /// tokens were used, and deletes flows that ended long ago.
    pub async fn run(&self) {
        let vault = &self.context.vault;
        vault.probe().await;
        match vault.back_up_if_due(self.context.env.now()).await {
            Ok(Some(path)) => tracing::info!(path = %path.display(), "the vault was backed up"),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(error = %error, "the vault was not backed up; trying again later");
            }
        }
        self.survey().await;
        if let Err(error) = self.clean_up().await {
            tracing::warn!(error = %error, "the vault was not tidied; trying again later");
        }
    }

    async fn clean_up(&self) -> Result<(), vault::Error> {
        self.context.vault.flush_usage().await?;
        self.logins.delete_old_flows().await
    }

    /// Finds out whether a store that could not be written can be written again.
    pub async fn probe(&self) {
        self.context.vault.probe().await;
    }

    /// Checks every stored row, if that is due, so that unreadable ones are known.
    pub async fn survey(&self) {
        let now = self.context.env.now();
        self.context.vault.survey_if_due(now).await;
    }

    /// Why nothing can be stored now; `None` while it can.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.context.vault.trouble()
    }

    /// What a person can do about [`Self::trouble`], where that does not say so.
    #[must_use]
    pub fn remedy(&self) -> Option<Remedy> {
        self.context.vault.remedy()
    }

    /// How many stored rows of an owner's are known to be unreadable.
    #[must_use]
    pub fn unreadable_rows(&self, owner: Owner) -> usize {
        self.context.vault.unreadable_rows(Some(owner))
    }

    /// Returns when the vault's writer has taken a turn, whether or not it can store
    /// anything now.
    ///
    /// # Errors
    /// [`Error::Vault`] if the vault cannot be read.
    pub async fn writer_turns(&self) -> Result<(), Error> {
        let vault = &self.context.vault;
        vault.read(|_| Ok(()))?;
        // The change is undone, so that nothing is written and no trouble is forgotten.
        let undone = vault.write(|_| Err::<(), _>(vault::Error::NotFound));
        let _ = undone.await;
        Ok(())
    }

    /// A copy of the whole vault, every owner's, with its secrets sealed; and the
    /// vault's folder.
    ///
    /// # Errors
    /// [`Error::Vault`] if it is damaged.
    pub async fn copy_vault(&self) -> Result<(&Path, Vec<u8>), Error> {
        let copy = self.context.vault.copy().await?;
        Ok((self.context.vault.folder(), copy))
    }
}
