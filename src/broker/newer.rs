//! Callers who know more about a token than its expiry says: a resource refused
//! it (`newer_than`), or a person waits for it (`try_now`).
//!
//! A caller is believed, but no more often than the provider and the person can
//! bear: a resource that refuses every token must not cost a refresh, or a
//! login, at each request.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::authenticate::{IssuedToken, ResolvedRequest};
use super::refresh::Purpose;
use super::{Broker, Error};
use crate::clock::{ClockReading, Cooldown};
use crate::identity::TokenId;
use crate::token::{Freshness, Token};
use crate::vault::Stored;

/// How often a person is asked about one token that a resource refuses.
const REMINDER: Duration = Duration::from_secs(3600);

/// What becomes of a request for one token.
#[derive(Debug)]
pub(super) enum Served {
    /// It is handed out.
    Token(IssuedToken),
    /// Its grant has ended.
    Ended,
    /// A resource refuses it and it cannot be refreshed: the person is asked.
    Refused,
}

/// When a person was last asked about which token, in memory.
#[derive(Debug, Default)]
pub(super) struct Reminders(Mutex<HashMap<TokenId, Cooldown>>);

impl Reminders {
    /// Whether the person may be asked about a token; from then on not again
    /// for an hour.
    fn take(&self, token: TokenId, now: ClockReading) -> bool {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, pause| !pause.left(now).is_zero());
        if asked.contains_key(&token) {
            return false;
        }
        asked.insert(token, Cooldown::new(now, REMINDER));
        true
    }
}

impl Broker {
    /// Hands a token out, refreshed first if it dies soon or the caller says
    /// that a resource refused it.
    ///
    /// # Errors
    /// Those of [`Broker::authenticate`] for a token that cannot be refreshed.
    pub(super) async fn serve(
        &self,
        question: &ResolvedRequest<'_>,
        stored: Stored,
    ) -> Result<Served, Error> {
        let request = question.request;
        let is_refused = is_refused(
            &stored.token,
            request.newer_than,
            request.token_id.is_some(),
        );
        if is_refused && !stored.token.is_refreshable {
            return self.serve_refused(stored, request.check_only);
        }
        let served = if is_refused {
            self.hand_out_refreshed(stored, Purpose::Refused).await?
        } else if request.try_now {
            self.issue(stored, Purpose::Person).await?
        } else {
            self.issue(stored, Purpose::Asked).await?
        };
        Ok(served.map_or(Served::Ended, Served::Token))
    }

    /// What becomes of a refused token that cannot be refreshed. With
    /// `check_only` no person can be asked.
    fn serve_refused(&self, stored: Stored, check_only: bool) -> Result<Served, Error> {
        if self.freshness(&stored.token) == Freshness::Dead {
            return Ok(Served::Ended);
        }
        let now = self.0.env.reading();
        if !check_only && self.0.reminders.take(stored.token.id, now) {
            return Ok(Served::Refused);
        }
        Ok(Served::Token(IssuedToken {
            is_refused: true,
            ..self.opened(&stored)?
        }))
    }
}

/// Whether a caller who was refused a token of the generation `newer_than`
/// speaks of this one. A lower generation than that is another token, or the
/// same one from a backup: the same if the caller named it.
fn is_refused(token: &Token, newer_than: Option<i64>, is_named: bool) -> bool {
    newer_than.is_some_and(|refused| {
        token.generation == refused || (is_named && token.generation < refused)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::tests::token;

    #[test]
    fn an_equal_generation_is_refused_and_a_lower_one_if_it_was_named() {
        let token = token(None);
        assert_eq!(token.generation, 1);
        for (newer_than, is_named, expected) in [
            (None, true, false),
            (Some(0), true, false),
            (Some(1), true, true),
            (Some(1), false, true),
            (Some(2), true, true),
            (Some(2), false, false),
        ] {
            let refused = is_refused(&token, newer_than, is_named);
            assert_eq!(refused, expected, "{newer_than:?} {is_named}");
        }
    }
}
