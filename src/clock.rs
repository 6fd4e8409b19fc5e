//! Time and randomness. The rest of the crate gets them through [`Env`], so
//! that tests can replace them.
//!
//! No other module reads a clock or the system's random source.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp as Instant};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z; negative
/// before.
///
/// Shown and serialized as RFC 3339 in UTC, such as `2026-11-20T16:11:36Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest and the latest time. RFC 3339 can represent them, with
    /// space to subtract or add a margin.
    const RANGE: (i64, i64) = (-62_000_000_000_000, 253_000_000_000_000);

    /// From milliseconds since 1970. A value outside the years 5 to 9987
    /// becomes the nearest value inside, so that arithmetic on it cannot
    /// overflow.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(Self::RANGE.0, Self::RANGE.1))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This time and `seconds` more (or fewer, when negative).
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_millis(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// This time and `wait` more.
    #[must_use]
    pub fn plus(self, wait: Duration) -> Self {
        let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// This time and `wait` less.
    #[must_use]
    pub fn minus(self, wait: Duration) -> Self {
        let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_sub(millis))
    }

    /// The time from `earlier` to this time; zero if `earlier` is later.
    #[must_use]
    pub fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.millis_since(earlier)).unwrap_or(0))
    }

    /// Milliseconds from `earlier` to this time; negative when it is later.
    #[must_use]
    pub fn millis_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = Instant::UNIX_EPOCH + SignedDuration::from_millis(self.0);
        fmt::Display::fmt(&instant, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Parses RFC 3339. Fractions of a millisecond are dropped.
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let instant: Instant = text.parse().map_err(de::Error::custom)?;
        Ok(Self::from_millis(instant.as_millisecond()))
    }
}

/// A clock that can also wait.
pub trait Clock: Send + Sync + 'static {
    /// The wall-clock time, which people and servers can set.
    fn now(&self) -> Timestamp;

    /// How long the machine has run since a fixed point. It never jumps, but
    /// may stop while the machine sleeps.
    fn uptime(&self) -> Duration {
        static START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
        START.elapsed()
    }

    /// Returns when the machine has run for `wait`.
    fn sleep(&self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(wait))
    }
}

/// The readings of both clocks at one time. Neither is reliable alone: the wall
/// clock can be set, and the other one stops while a laptop sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// The wall clock.
    pub wall: Timestamp,
    /// How long the machine has run.
    pub uptime: Duration,
}

impl ClockReading {
    /// How long the machine has run since `earlier`.
    #[must_use]
    pub fn run_since(self, earlier: Self) -> Duration {
        self.uptime.saturating_sub(earlier.uptime)
    }

    /// How far the wall clock moved since `earlier` beyond the time that the
    /// machine ran, forwards or backwards: how long the machine slept, or by
    /// how much its clock was set.
    #[must_use]
    pub fn jump_since(self, earlier: Self) -> Duration {
        let moved = self.wall.millis_since(earlier.wall);
        let ran = i64::try_from(self.run_since(earlier).as_millis()).unwrap_or(i64::MAX);
        Duration::from_millis(moved.abs_diff(ran))
    }
}

/// A wait from a point in time. It ends as soon as either clock says so; a
/// clock that is set or stops cannot prolong it forever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cooldown {
    from: ClockReading,
    length: Duration,
}

impl Cooldown {
    /// A wait of `length` from `now`.
    #[must_use]
    pub fn new(now: ClockReading, length: Duration) -> Self {
        Self { from: now, length }
    }

    /// The remaining time; zero after the end.
    #[must_use]
    pub fn left(self, now: ClockReading) -> Duration {
        let moved = now.wall.duration_since(self.from.wall);
        self.length
            .saturating_sub(now.run_since(self.from).max(moved))
    }
}

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(Instant::now().as_millisecond())
    }
}

/// A source of unpredictable bytes.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with random values.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// # Panics
    /// If the operating system has no random source. Secrets that were made
    /// without one would be unsafe.
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// The clock and the random source of the process.
#[derive(Clone)]
pub struct Env {
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The random source.
    pub entropy: Arc<dyn Entropy>,
}

impl Env {
    /// The machine's own clock and random source.
    #[must_use]
    pub fn system() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The current readings of both clocks.
    #[must_use]
    pub fn reading(&self) -> ClockReading {
        ClockReading {
            wall: self.clock.now(),
            uptime: self.clock.uptime(),
        }
    }

    /// A random UUID (RFC 9562, version 4).
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// 256 random bits as 43 characters of URL-safe base64. That is enough for
    /// a `state`, a code verifier (RFC 7636, section 4.1) or a key.
    #[must_use]
    pub fn token(&self) -> String {
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        self.entropy.fill(bytes.as_mut());
        URL_SAFE_NO_PAD.encode(bytes.as_ref())
    }

    /// A random number below `end`; 0 if `end` is 0.
    #[must_use]
    pub fn below(&self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        u64::from_le_bytes(bytes).checked_rem(end).unwrap_or(0)
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Env")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_written_as_rfc_3339_in_utc() {
        assert_eq!(
            Timestamp::from_millis(1_700_000_000_000).to_string(),
            "2023-11-14T22:13:20Z"
        );
        assert_eq!(
            Timestamp::from_millis(-1).to_string(),
            "1969-12-31T23:59:59.999Z"
        );
    }

    #[test]
    fn a_timestamp_is_read_as_it_is_written() {
        let time = Timestamp::from_millis(1_700_000_000_123);
        let json = serde_json::to_string(&time).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), time);
        assert!(serde_json::from_str::<Timestamp>("\"yesterday\"").is_err());
    }

    fn reading(wall: i64, uptime: u64) -> ClockReading {
        ClockReading {
            wall: Timestamp::from_millis(0).plus_seconds(wall),
            uptime: Duration::from_secs(uptime),
        }
    }

    #[test]
    fn a_cooldown_ends_when_either_clock_says_so() {
        let pause = Cooldown::new(reading(1000, 1000), Duration::from_secs(60));
        let left = |wall, uptime| pause.left(reading(wall, uptime)).as_secs();
        assert_eq!(left(1010, 1010), 50);
        assert_eq!(left(1060, 1000), 0, "the machine slept");
        assert_eq!(left(-86_400, 1059), 1, "the clock was set back");
        assert_eq!(left(-86_400, 1060), 0, "the clock was set back");
        assert_eq!(left(1010, 0), 50, "the machine was restarted");
    }

    #[test]
    fn a_jump_is_the_difference_between_the_clocks() {
        let jump = |later: ClockReading| later.jump_since(reading(1000, 1000)).as_secs();
        assert_eq!(jump(reading(1030, 1030)), 0);
        assert_eq!(jump(reading(4600, 1000)), 3600);
        assert_eq!(jump(reading(-2600, 1000)), 3600);
    }

    #[test]
    fn extreme_times_neither_panic_nor_wrap() {
        let last = Timestamp::from_millis(i64::MAX).plus_seconds(i64::MAX);
        assert!(last.to_string().starts_with("9987-"));
        assert!(Timestamp::from_millis(i64::MIN).plus_seconds(i64::MIN) < last);
    }
}
