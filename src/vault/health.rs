//! What is wrong with the store, from when it shows until it is over.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Error, Remedy};
use crate::log_limit::log_limited;

/// What is wrong now.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Why what is written would be lost.
    misplaced: Option<String>,
    /// Why the last change could not be written.
    unwritable: Option<String>,
    /// Why an answer of a provider would have no room.
    no_room: Option<String>,
    /// What the last backup found damaged.
    damage: Option<String>,
}

impl Health {
    /// Learns from a change.
    pub(super) fn note_change<T>(&self, result: &Result<T, Error>) {
        let found = match result {
            Ok(_) => Ok(()),
            Err(Error::Unwritable { why }) => Err(why.clone()),
            // The store is well; what was asked of it could not be done.
            Err(_) => return,
        };
        self.note(|known| &mut known.unwritable, found);
    }

    /// Learns whether the disk has room for the answers of providers.
    pub(super) fn note_room(&self, found: Result<(), String>) {
        self.note(|known| &mut known.no_room, found);
    }

    /// Learns whether the vault's files are where its path says.
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
                log_limited!(5, error, error = %why, "the vault cannot be written; tokens that are alive are still handed out");
            }
            _ => {}
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
        self.lock().unwritable().map(str::to_owned)
    }

    /// Whether an answer of a provider had no room when that was last looked at.
    pub(super) fn lacks_room(&self) -> bool {
        self.lock().no_room.is_some()
    }

    /// What is wrong, in a clause.
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
        let causes = [&self.misplaced, &self.unwritable, &self.no_room];
        causes.into_iter().find_map(Option::as_deref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_over_with_the_next_change_that_is_written() {
        let trouble = Health::default();
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
        let trouble = Health::default();
        let damaged = Error::Corrupt {
            what: "page 7".into(),
        };
        trouble.note_backup::<()>(&Err(damaged));
        trouble.note_change(&Ok(()));
        assert!(trouble.words().unwrap().contains("page 7"));
        trouble.note_backup(&Ok(()));
        assert_eq!(trouble.words(), None);
    }

    #[test]
    fn each_cause_lasts_until_it_is_over_itself() {
        let trouble = Health::default();
        trouble.note_room(Err("no room".into()));
        trouble.note_place(Err("the file is gone".into()));
        trouble.note_change(&Ok(()));
        assert!(trouble.words().unwrap().contains("the file is gone"));
        trouble.note_place(Ok(()));
        assert!(trouble.lacks_room());
        assert!(trouble.words().unwrap().contains("no room"));
        trouble.note_room(Ok(()));
        assert_eq!(trouble.words(), None);
    }
}
