//! Refreshing in the background: tokens in use before they expire, refresh tokens
//! before they expire from disuse, and attempts that a crash has left in doubt.
//!
//! Timers stand still while a machine sleeps, so the loop wakes at least every
//! half minute and looks at the clocks. What became due during a sleep is spread
//! over some seconds, so that a laptop that wakes does not send everything at once.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::{Purpose, Refresher};
use crate::broker::long_reads::off_worker;
use crate::clock::{ClockReading, Cooldown, Timestamp};
use crate::identity::{Owner, TokenId};
use crate::log_limit::log_limited;
use crate::provider::ProviderRef;
use crate::token::{Freshness, Token};
use crate::vault::{self, Stored, View};

/// The longest sleep.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// The shortest sleep: how late a refresh in the background may be.
const SHORTEST_SLEEP: Duration = Duration::from_millis(100);

/// What is overdue after a start or a sleep is spread over this long. With
/// [`LONGEST_SLEEP`], everything is under way within a minute of waking.
const CATCH_UP: Duration = Duration::from_secs(20);

/// The same for grants in doubt, whose provider's grace period is running out.
const CATCH_UP_IN_DOUBT: Duration = Duration::from_secs(5);

/// The share of its idle life after which a refresh token is used: early
/// enough for a machine that is switched off over a holiday.
const IDLE_SHARE: (u32, u32) = (2, 3);

impl Refresher {
    /// Keeps tokens fresh until the daemon stops.
    pub async fn run(&self, mut stopping: watch::Receiver<bool>) {
        let mut background = Background {
            refresher: self,
            delays: HashMap::new(),
        };
        // `None`, so that what became due before the start is spread, too.
        let mut wakes = None;
        loop {
            let now = self.context.env.reading();
            let woken = Some(self.state.health.wakes(now));
            let is_behind = std::mem::replace(&mut wakes, woken) != woken;
            let wait = match background.refresh_what_is_due(now, is_behind) {
                Ok(wait) => wait,
                Err(error) => {
                    log_limited!(1, warn, error = %error, "tokens are not refreshed in the background now");
                    LONGEST_SLEEP
                }
            };
            let looked = Instant::now();
            let stopped = async {
                // An error means that the broker was dropped.
                let _ = stopping.wait_for(|stopping| *stopping).await;
            };
            let asked = async {
                self.state.look_again.notified().await;
                // Refreshes end many at a time, and each look reads every token.
                sleep_until(looked + SHORTEST_SLEEP).await;
            };
            tokio::select! {
                () = stopped => return,
                () = asked => {}
                () = self.context.env.clock.sleep(wait) => {}
            }
        }
    }
}

/// What the loop keeps from one look at the vault to the next.
struct Background<'a> {
    refresher: &'a Refresher,
    /// Overdue grants, by token and generation, and how long each still waits.
    delays: HashMap<GrantKey, Cooldown>,
}

/// A token and its generation.
type GrantKey = (TokenId, i64);

impl Background<'_> {
    /// Starts every refresh that is due. Returns how long until the next one is.
    fn refresh_what_is_due(
        &mut self,
        now: ClockReading,
        is_behind: bool,
    ) -> Result<Duration, vault::Error> {
        let (tokens, in_doubt) = self.read()?;
        if is_behind {
            self.delays.clear();
        }
        let mut next = LONGEST_SLEEP;
        let mut overdue = HashSet::new();
        // Each provider is looked up once, however many tokens it has.
        let mut idle_lives = HashMap::new();
        let refreshable = |stored: &&Stored| stored.token.is_refreshable;
        for Stored { token, .. } in tokens.iter().filter(refreshable) {
            let key = (token.id, token.generation);
            let is_in_doubt = in_doubt.contains(&key);
            let left = if is_in_doubt {
                Duration::ZERO
            } else {
                let provider = (token.owner, token.provider.clone());
                let idle_life = idle_lives
                    .entry(provider)
                    .or_insert_with_key(|(owner, provider)| self.idle_life(*owner, provider));
                self.time_left(token, *idle_life, now)
            };
            let left = if self.refresher.state.in_flight.has(token.id) {
                // Its end wakes the loop.
                LONGEST_SLEEP
            } else if left.is_zero() {
                overdue.insert(key);
                let delay = self.delay(key, spread(is_behind, is_in_doubt), now);
                self.start_if_over(token, delay, now)
            } else {
                left
            };
            next = next.min(left.max(SHORTEST_SLEEP));
        }
        self.delays.retain(|key, _| overdue.contains(key));
        let ids = tokens.iter().map(|stored| stored.token.id).collect();
        self.refresher.keep(&ids, now);
        Ok(next)
    }

    /// The active tokens, and the grants whose last attempt is in doubt.
    fn read(&self) -> Result<(Vec<Stored>, HashSet<GrantKey>), vault::Error> {
        let read = |view: &View<'_>| {
            let attempts = view.open_attempts()?;
            Ok((view.active_tokens()?, attempts))
        };
        let (tokens, attempts) = off_worker(|| self.refresher.context.vault.read(read))?;
        // An attempt for another generation than its token's has ended: its answer was
        // stored between the two reads.
        let keys = attempts
            .iter()
            .map(|attempt| (attempt.token_id, attempt.generation));
        Ok((tokens, keys.collect()))
    }

    /// The delay of an overdue grant: a random part of `spread`, chosen once.
    fn delay(&mut self, key: GrantKey, spread: Duration, now: ClockReading) -> Cooldown {
        let env = &self.refresher.context.env;
        *self.delays.entry(key).or_insert_with(|| {
            let millis = u64::try_from(spread.as_millis()).unwrap_or(0);
            Cooldown::new(now, Duration::from_millis(env.below(millis)))
        })
    }

    /// Starts a refresh if its delay is over. Returns how long to wait then.
    fn start_if_over(&self, token: &Token, delay: Cooldown, now: ClockReading) -> Duration {
        let left = delay.left(now);
        if !left.is_zero() {
            return left;
        }
        match self.refresher.join_refresh(token, Purpose::Background) {
            // Its end wakes the loop.
            Ok(_) => LONGEST_SLEEP,
            Err(refused) => refused.retry_after().unwrap_or(LONGEST_SLEEP),
        }
    }

    /// The time after which an unused refresh token of the provider expires.
    fn idle_life(&self, owner: Owner, provider: &ProviderRef) -> Option<Duration> {
        let provider = self.refresher.providers.referred(owner, provider).ok()?;
        provider.quirks().refresh_token_idle_life
    }

    /// How long a token need not be refreshed in the background.
    fn time_left(&self, token: &Token, idle_life: Option<Duration>, now: ClockReading) -> Duration {
        let settings = &self.refresher.context.settings;
        let is_active = {
            let used_at = token
                .used_at
                .unwrap_or(token.created_at)
                .max(token.created_at);
            now.wall < used_at.plus(settings.refresh_active_within)
        };
        if is_active && self.refresher.freshness(token) != Freshness::Fresh {
            return Duration::ZERO;
        }
        let dues = [
            token.due_at().filter(|_| is_active),
            idle_life.map(|life| idle_due(token, life)),
        ];
        dues.into_iter()
            .flatten()
            .min()
            .map_or(LONGEST_SLEEP, |due| {
                let left = due.millis_since(now.wall);
                Duration::from_millis(u64::try_from(left).unwrap_or(0))
            })
    }
}

/// Over how long an overdue refresh is spread.
fn spread(is_behind: bool, is_in_doubt: bool) -> Duration {
    match (is_behind, is_in_doubt) {
        (false, _) => Duration::ZERO,
        (true, true) => CATCH_UP_IN_DOUBT,
        (true, false) => CATCH_UP,
    }
}

/// When an unused refresh token is refreshed, so that it does not expire.
fn idle_due(token: &Token, idle_life: Duration) -> Timestamp {
    let early = idle_life * IDLE_SHARE.0 / IDLE_SHARE.1;
    token.issued_at.plus(early - token.share_of(early / 10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::tests::token;

    #[test]
    fn an_idle_refresh_token_is_used_well_before_it_dies() {
        const DAY: i64 = 86_400;
        let due = idle_due(&token(Some(3600)), Duration::from_secs(90 * 86_400)).as_seconds();
        assert!((54 * DAY..=60 * DAY).contains(&due), "{due}");
    }
}
