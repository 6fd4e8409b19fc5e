//! The age of tokens by the monotonic clock.
//!
//! A wall clock that is set back makes a token look younger than it is. So both
//! clocks are read when a grant is first seen, and the present is never taken to be
//! earlier than that time plus the uptime since.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use crate::clock::{ClockReading, Timestamp};
use crate::identity::TokenId;
use crate::token::{Freshness, Token};

/// When each token's present grant was first seen.
#[derive(Debug, Default)]
pub(super) struct FirstSeen(Mutex<HashMap<TokenId, Observation>>);

/// When a grant was first seen.
#[derive(Clone, Copy, Debug)]
struct Observation {
    generation: i64,
    at: ClockReading,
}

impl FirstSeen {
    /// The earliest time that it can be now, whatever the wall clock says.
    pub(super) fn earliest(&self, token: &Token, now: ClockReading) -> Timestamp {
        let mut observations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = Observation {
            generation: token.generation,
            at: ClockReading {
                // No grant is seen before it was issued.
                wall: now.wall.max(token.issued_at),
                ..now
            },
        };
        let observation = observations.entry(token.id).or_insert(first);
        if observation.generation != token.generation {
            *observation = first;
        }
        let ran = i64::try_from(now.run_since(observation.at).as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(observation.at.wall.as_millis().saturating_add(ran))
    }

    /// How far a token is from its expiry, by the stricter of the two clocks.
    pub(super) fn freshness(&self, token: &Token, now: ClockReading) -> Freshness {
        let earliest = self.earliest(token, now);
        token.freshness(now.wall).max(token.freshness(earliest))
    }

    /// Forgets every token but these.
    pub(super) fn keep(&self, tokens: &HashSet<TokenId>) {
        let mut observations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        observations.retain(|id, _| tokens.contains(id));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::token::tests::token;

    fn at(wall: i64, uptime: u64) -> ClockReading {
        ClockReading {
            wall: Timestamp::from_millis(0).plus_seconds(wall),
            uptime: Duration::from_secs(uptime),
        }
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_make_an_expired_token_usable() {
        let (first_seen, token) = (FirstSeen::default(), token(Some(3600)));
        assert_eq!(first_seen.freshness(&token, at(0, 0)), Freshness::Fresh);
        for back in [600, 86_400] {
            assert_eq!(
                first_seen.freshness(&token, at(3600 - back, 3600)),
                Freshness::Dead
            );
        }
    }

    #[test]
    fn a_grant_issued_in_the_future_is_stale_and_expires_by_uptime() {
        let (first_seen, token) = (FirstSeen::default(), token(Some(3600)));
        assert_eq!(
            first_seen.freshness(&token, at(-86_400, 0)),
            Freshness::Stale
        );
        assert_eq!(
            first_seen.freshness(&token, at(-82_800, 3600)),
            Freshness::Dead
        );
    }

    #[test]
    fn a_new_grant_is_observed_again() {
        let (first_seen, mut token) = (FirstSeen::default(), token(Some(3600)));
        assert_eq!(first_seen.freshness(&token, at(0, 0)), Freshness::Fresh);
        token.generation += 1;
        token.issued_at = at(3600, 0).wall;
        token.expires_at = Some(at(7200, 0).wall);
        assert_eq!(
            first_seen.freshness(&token, at(3600, 3600)),
            Freshness::Fresh
        );
    }

    #[test]
    fn sleep_counts_by_the_wall_clock() {
        let (first_seen, token) = (FirstSeen::default(), token(Some(3600)));
        assert_eq!(first_seen.freshness(&token, at(0, 0)), Freshness::Fresh);
        assert_eq!(first_seen.freshness(&token, at(4000, 10)), Freshness::Dead);
    }
}
