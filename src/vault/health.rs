//! The vault's known faults, from their detection until they end.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Error, Remedy};
use crate::log_limit::log_limited;

/// The known faults.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Why anything written now would be lost.
    misplaced: Option<String>,
    /// Why the last change could not be written.
    unwritable: Option<String>,
    /// Why a provider's answer would have no space.
    no_space: Option<String>,
    /// The damage that the last backup found.
    damage: Option<String>,
}

impl Health {
    /// Records whether a change could be written.
    pub(super) fn note_change<T>(&self, result: &Result<T, Error>) {
        let found = match result {
            Ok(_) => Ok(()),
            Err(Error::Unwritable { why }) => Err(why.clone()),
            // Such a change failed for a reason other than the vault.
            Err(_) => return,
        };
        self.note(|known| &mut known.unwritable, found);
    }

    /// Records whether the disk has space for providers' answers.
    pub(super) fn note_space(&self, found: Result<(), String>) {
        self.note(|known| &mut known.no_space, found);
    }

    /// Records whether the vault's files are where its path says.
    pub(super) fn note_place(&self, found: Result<(), String>) {
        self.note(|known| &mut known.misplaced, found);
    }

    fn note(&self, slot: fn(&mut Known) -> &mut Option<String>, found: Result<(), String>) {
        let mut known = self.lock();
        let was = std::mem::replace(slot(&mut known), found.clone().err());
        match (was, found) {
            (Some(why), Ok(())) if known.unwritable().is_none() => {
                log_limited!(5, info, was = %why, "the vault can be written again");
            }
            (None, Err(why)) => {
                log_limited!(5, error, error = %why, "the vault cannot be written; valid tokens are still issued");
            }
            _ => {}
        }
    }

    /// Records the result of a backup, which reads the whole vault.
    pub(super) fn note_backup<T>(&self, result: &Result<T, Error>) {
        match result {
            Ok(_) => self.lock().damage = None,
            Err(Error::Corrupt { what }) => self.lock().damage = Some(what.clone()),
            // A vault that cannot be copied may still be writable.
            Err(_) => {}
        }
    }

    /// Why changes cannot be written now; `None` if they can.
    pub(super) fn unwritable(&self) -> Option<String> {
        self.lock().unwritable().map(str::to_owned)
    }

    /// Whether the disk had no space for a provider's answer at the last check.
    pub(super) fn lacks_space(&self) -> bool {
        self.lock().no_space.is_some()
    }

    /// The fault in a clause; `None` if there is none.
    pub(super) fn words(&self) -> Option<String> {
        let known = self.lock();
        let damage = known.damage.as_ref();
        let damage = damage.map(|what| format!("the vault is damaged: {what}"));
        damage.or_else(|| {
            let why = known.unwritable()?;
            Some(format!("the vault cannot be written: {why}"))
        })
    }

    /// What a person can do about [`Self::words`].
    pub(super) fn remedy(&self) -> Option<Remedy> {
        let known = self.lock();
        match (&known.damage, &known.misplaced) {
            (Some(_), _) => Some(Remedy::Check),
            (None, Some(_)) => Some(Remedy::PutBack),
            (None, None) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn unwritable(&self) -> Option<&str> {
        let causes = [&self.misplaced, &self.unwritable, &self.no_space];
        causes.into_iter().find_map(Option::as_deref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_change_ends_the_report_of_a_failed_one() {
        let health = Health::default();
        assert_eq!(health.words(), None);
        let full = Error::Unwritable {
            why: "disk full".into(),
        };
        health.note_change::<()>(&Err(full));
        assert!(health.words().unwrap().contains("disk full"));
        health.note_change::<()>(&Err(Error::NotFound));
        assert!(health.unwritable().is_some());
        health.note_change(&Ok(()));
        assert_eq!(health.words(), None);
    }

    #[test]
    fn damage_stays_known_while_changes_can_be_written() {
        let health = Health::default();
        let damaged = Error::Corrupt {
            what: "page 7".into(),
        };
        health.note_backup::<()>(&Err(damaged));
        health.note_change(&Ok(()));
        assert!(health.words().unwrap().contains("page 7"));
        health.note_backup(&Ok(()));
        assert_eq!(health.words(), None);
    }

    #[test]
    fn each_fault_lasts_until_it_ends_itself() {
        let health = Health::default();
        health.note_space(Err("no room".into()));
        health.note_place(Err("the file is gone".into()));
        health.note_change(&Ok(()));
        assert!(health.words().unwrap().contains("the file is gone"));
        health.note_place(Ok(()));
        assert!(health.lacks_space());
        assert!(health.words().unwrap().contains("no room"));
        health.note_space(Ok(()));
        assert_eq!(health.words(), None);
    }
}
