//! A provider's circuit: after failures in a row nothing is sent there for a
//! while, and then one request, as a probe, before all others.

use std::time::Duration;

use crate::clock::{Moment, Pause};
use crate::oauth;

/// Failures in a row that open it.
const THRESHOLD: u32 = 5;

/// How long it stays open the first time; each probe that fails doubles it, up
/// to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(10);

/// How long it stays open the first time when the client is refused: a person
/// has to change a setting first.
const FIRST_REFUSED: Duration = Duration::from_secs(60);

/// The longest that it stays open.
const LONGEST: Duration = Duration::from_secs(300);

/// A probe that is not heard of for this long is given up: longer than a
/// request and its retry take.
const PROBE_LIMIT: Duration = Duration::from_secs(70);

/// One provider's circuit, for one client.
#[derive(Clone, Debug, Default)]
pub(super) struct Circuit {
    /// Failures in a row while it is closed.
    failures: u32,
    /// `None` while it is closed.
    open: Option<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    /// Until when nothing is sent; then until when the probe is waited for.
    pause: Pause,
    /// Whether the pause is that of a probe under way.
    is_probed: bool,
    /// How often in a row it was opened.
    times: u32,
    /// How the provider refuses the client, if that opened it.
    refusal: Option<oauth::Error>,
}

/// Why nothing may be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shut {
    /// For how long.
    pub(super) left: Duration,
    /// How the provider refuses the client, if that is why.
    pub(super) refusal: Option<oauth::Error>,
}

impl Circuit {
    /// Lets one request through, or says why not. The first one after the
    /// pause is the probe; others wait for how it ends.
    pub(super) fn admit(&mut self, now: Moment) -> Result<(), Shut> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let left = open.pause.left(now);
        if left.is_zero() {
            open.pause = Pause::new(now, PROBE_LIMIT);
            open.is_probed = true;
            return Ok(());
        }
        Err(Shut {
            left,
            refusal: open.refusal.clone(),
        })
    }

    /// Notes that the provider did not answer as it should. `random` gives a number below its argument.
    pub(super) fn fail(
        &mut self,
        error: &oauth::Error,
        now: Moment,
        random: impl FnOnce(u64) -> u64,
    ) {
        self.failures = self.failures.saturating_add(1);
        let refusal = matches!(error, oauth::Error::Misconfigured { .. }).then(|| error.clone());
        if self.open.is_none() && refusal.is_none() && self.failures < THRESHOLD {
            return;
        }
        let times = self.open.as_ref().map_or(0, |open| open.times);
        let first = if refusal.is_some() {
            FIRST_REFUSED
        } else {
            FIRST
        };
        let longest = first.saturating_mul(1 << times.min(8)).min(LONGEST);
        let half = u64::try_from(longest.as_millis() / 2).unwrap_or(0);
        let length = Duration::from_millis(half + random(half + 1));
        self.open = Some(Open {
            pause: Pause::new(now, length),
            is_probed: false,
            times: times.saturating_add(1),
            refusal,
        });
    }

    /// Gives up the probe, which asked the provider nothing after all: the
    /// next request is one.
    pub(super) fn release(&mut self, now: Moment) {
        if let Some(open) = self.open.as_mut().filter(|open| open.is_probed) {
            open.pause = Pause::new(now, Duration::ZERO);
        }
    }

    /// Whether it is open because the provider refuses the client.
    pub(super) fn is_refused(&self) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| open.refusal.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    const BROKEN: oauth::Error = oauth::Error::Unreachable;

    fn at(seconds: u64) -> Moment {
        Moment {
            wall: Timestamp::from_millis(0).plus_seconds(seconds.cast_signed()),
            uptime: Duration::from_secs(seconds),
        }
    }

    fn longest(end: u64) -> u64 {
        end - 1
    }

    /// One that has just opened at 0, for 10 seconds.
    fn open() -> Circuit {
        let mut circuit = Circuit::default();
        for _ in 0..5 {
            assert_eq!(circuit.admit(at(0)), Ok(()));
            circuit.fail(&BROKEN, at(0), longest);
        }
        circuit
    }

    #[test]
    fn the_fifth_failure_in_a_row_opens_it() {
        let shut = open().admit(at(0)).unwrap_err();
        assert_eq!((shut.left.as_secs(), shut.refusal), (10, None));
    }

    #[test]
    fn one_refusal_of_the_client_opens_it_and_is_told() {
        let refusal = oauth::Error::Misconfigured {
            code: "invalid_client".to_owned(),
            description: None,
        };
        let mut circuit = Circuit::default();
        circuit.fail(&refusal, at(0), longest);
        let shut = circuit.admit(at(1)).unwrap_err();
        assert_eq!((shut.left.as_secs(), shut.refusal), (59, Some(refusal)));
    }

    #[test]
    fn after_its_pause_one_request_probes_and_the_others_wait() {
        let mut circuit = open();
        assert_eq!(circuit.admit(at(10)), Ok(()));
        assert!(circuit.admit(at(11)).is_err());
    }

    #[test]
    fn a_probe_that_asks_nothing_leaves_its_place_to_the_next() {
        let mut circuit = open();
        circuit.release(at(1));
        assert!(circuit.admit(at(1)).is_err(), "there was no probe");
        circuit.admit(at(10)).unwrap();
        circuit.release(at(11));
        assert_eq!(circuit.admit(at(11)), Ok(()));
    }

    #[test]
    fn each_probe_that_fails_doubles_the_pause_up_to_five_minutes() {
        let (mut circuit, mut now, mut pauses) = (open(), 0, Vec::new());
        for _ in 0..7 {
            let left = circuit.admit(at(now)).unwrap_err().left.as_secs();
            pauses.push(left);
            now += left;
            circuit.admit(at(now)).unwrap();
            circuit.fail(&BROKEN, at(now), longest);
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn a_probe_that_is_never_heard_of_does_not_keep_it_shut() {
        let mut circuit = open();
        circuit.admit(at(10)).unwrap();
        assert!(circuit.admit(at(79)).is_err());
        assert_eq!(circuit.admit(at(80)), Ok(()));
    }

    #[test]
    fn no_setting_of_the_wall_clock_keeps_it_shut() {
        for wall in [-86_400, 0, 86_400] {
            let mut circuit = open();
            let wall = Timestamp::from_millis(0).plus_seconds(wall);
            let uptime = Duration::from_secs(10);
            assert_eq!(circuit.admit(Moment { wall, uptime }), Ok(()));
        }
    }
}
