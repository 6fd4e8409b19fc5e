//! Callers who know more about a token than its expiry: a resource refused it
//! (`newer_than`), or a person waits for it (`try_now`).
//!
//! A caller is believed, within limits: a resource that refuses every token must not
//! cause a refresh, or a login, at each request.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{IssuedToken, Purpose, Refresher};
use crate::broker::Error;
use crate::clock::{ClockReading, Cooldown};
use crate::identity::TokenId;
use crate::token::{Freshness, Token};
use crate::vault::Stored;

/// How often a person is asked about one token that a resource refuses.
const REMINDER: Duration = Duration::from_secs(3600);

/// What a caller says about the token that it asks for.
#[derive(Clone, Copy, Debug)]
pub(in crate::broker) struct Demand {
    /// The generation of a token that a resource refused.
    pub(in crate::broker) newer_than: Option<i64>,
    /// Whether the caller named this token, and takes no other.
    pub(in crate::broker) is_named: bool,
    /// Whether a person waits, so that a backoff is passed over.
    pub(in crate::broker) try_now: bool,
    /// Whether no person may be asked.
    pub(in crate::broker) check_only: bool,
}

/// The answer to a request for one token.
#[derive(Debug)]
pub(in crate::broker) enum Served {
    /// It is issued.
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

impl Refresher {
    /// Issues a token, after a refresh if it expires soon or the caller says that a
    /// resource refused it.
    ///
    /// # Errors
    /// As [`Self::issue`].
    pub(in crate::broker) async fn serve(
        &self,
        stored: Stored,
        demand: Demand,
    ) -> Result<Served, Error> {
        let is_refused = is_refused(&stored.token, demand.newer_than, demand.is_named);
        if is_refused && !stored.token.is_refreshable {
            return self.serve_refused(stored, demand.check_only);
        }
        let served = if is_refused {
            self.issue_refreshed(stored, Purpose::Refused).await?
        } else if demand.try_now {
            self.issue(stored, Purpose::Person).await?
        } else {
            self.issue(stored, Purpose::Asked).await?
        };
        Ok(served.map_or(Served::Ended, Served::Token))
    }

    /// Answers a request for a refused token that cannot be refreshed. With
    /// `check_only` no person can be asked.
    fn serve_refused(&self, stored: Stored, check_only: bool) -> Result<Served, Error> {
        if self.freshness(&stored.token) == Freshness::Dead {
            return Ok(Served::Ended);
        }
        let now = self.context.env.reading();
        if !check_only && self.state.reminders.take(stored.token.id, now) {
            return Ok(Served::Refused);
        }
        Ok(Served::Token(IssuedToken {
            is_refused: true,
            ..self.open(&stored)?
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
