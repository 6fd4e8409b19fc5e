//! Time and randomness, injected: what everything above asks for "now" and for
//! bytes nobody can guess, and what a test puts in their place.
//!
//! Nothing else in the crate reads a clock or the system's random source.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp as Instant};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, negative before.
///
/// Shown and serialized as RFC 3339 in UTC, such as `2026-11-20T16:11:36Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest and the latest time that RFC 3339 can write, with room
    /// below and above for a margin to be taken off or added.
    const RANGE: (i64, i64) = (-62_000_000_000_000, 253_000_000_000_000);

    /// From milliseconds since 1970; a value outside the years 5 to 9987 is
    /// brought to the nearest end, so that arithmetic on it cannot overflow.
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

/// From RFC 3339; what is finer than a millisecond is dropped.
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let instant: Instant = text.parse().map_err(de::Error::custom)?;
        Ok(Self::from_millis(instant.as_millisecond()))
    }
}

/// Tells the wall-clock time.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
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

/// Gives bytes that nobody can guess.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// # Panics
    /// If the operating system has no random source: no secret made without
    /// one could be trusted.
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// The surroundings that are injected into everything that needs them.
#[derive(Clone)]
pub struct Ambient {
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The random source.
    pub entropy: Arc<dyn Entropy>,
}

impl Ambient {
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

    /// A random UUID (RFC 9562, version 4).
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// 256 random bits as 43 characters of URL-safe base64: enough for a
    /// `state`, a code verifier (RFC 7636, section 4.1) or a key.
    #[must_use]
    pub fn token(&self) -> String {
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        self.entropy.fill(bytes.as_mut());
        URL_SAFE_NO_PAD.encode(bytes.as_ref())
    }

    /// A random number from 0 up to and without `end`; 0 when `end` is 0.
    #[must_use]
    pub fn below(&self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        u64::from_le_bytes(bytes).checked_rem(end).unwrap_or(0)
    }
}

impl fmt::Debug for Ambient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ambient")
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

    #[test]
    fn extreme_times_neither_panic_nor_wrap() {
        let last = Timestamp::from_millis(i64::MAX).plus_seconds(i64::MAX);
        assert!(last.to_string().starts_with("9987-"));
        assert!(Timestamp::from_millis(i64::MIN).plus_seconds(i64::MIN) < last);
    }
}
