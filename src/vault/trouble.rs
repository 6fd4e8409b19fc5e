//! What is wrong with the store, from when it shows until it is over.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Error;

/// What is wrong now.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Why the last change could not be written.
    unwritable: Option<String>,
    /// What the last backup found damaged.
    damage: Option<String>,
}

impl Trouble {
    /// Learns from a change.
    pub(super) fn note_change<T>(&self, result: &Result<T, Error>) {
        match result {
            Ok(_) => {
                if let Some(why) = self.lock().unwritable.take() {
                    tracing::info!(was = %why, "the vault can be written again");
                }
            }
            Err(Error::Unwritable { why }) => {
                if self.lock().unwritable.replace(why.clone()).is_none() {
                    tracing::error!(error = %why, "the vault cannot be written; tokens that are alive are still handed out");
                }
            }
            // The store is well; what was asked of it could not be done.
            Err(_) => {}
        }
    }

    /// Learns from a backup, which reads the whole vault.
    pub(super) fn note_backup<T>(&self, result: &Result<T, Error>) {
        match result {
            Ok(_) => self.lock().damage = None,
            Err(Error::Corrupt { what }) => self.lock().damage = Some(what.clone()),
            // A vault that cannot be copied may still be written.
            Err(_) => {}
        }
    }

    /// Why changes cannot be written now; `None` while they can.
    pub(super) fn unwritable(&self) -> Option<String> {
        self.lock().unwritable.clone()
    }

    /// What is wrong, in a clause.
    pub(super) fn words(&self) -> Option<String> {
        let known = self.lock();
        let damage = known.damage.as_ref().map(|what| {
            format!("the vault is damaged: {what}; `agent-auth vault check` says more")
        });
        damage.or_else(|| {
            let why = known.unwritable.as_ref()?;
            Some(format!("the vault cannot be written: {why}"))
        })
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_over_with_the_next_change_that_is_written() {
        let trouble = Trouble::default();
        assert_eq!(trouble.words(), None);
        let full = Error::Unwritable {
            why: "disk full".into(),
        };
        trouble.note_change::<()>(&Err(full));
        assert!(trouble.words().unwrap().contains("disk full"));
        trouble.note_change::<()>(&Err(Error::NotFound));
        assert!(trouble.unwritable().is_some());
        trouble.note_change(&Ok(()));
        assert_eq!(trouble.words(), None);
    }

    #[test]
    fn damage_stays_known_while_changes_can_be_written() {
        let trouble = Trouble::default();
        let damaged = Error::Corrupt {
            what: "page 7".into(),
        };
        trouble.note_backup::<()>(&Err(damaged));
        trouble.note_change(&Ok(()));
        assert!(trouble.words().unwrap().contains("page 7"));
        trouble.note_backup(&Ok(()));
        assert_eq!(trouble.words(), None);
    }
}
