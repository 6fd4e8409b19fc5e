//! The circuit's states, one by one, and what holds in any order of events.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::clock::Timestamp;

const BROKEN: oauth::Error = oauth::Error::Unreachable;

fn refused() -> oauth::Error {
    oauth::Error::ClientRejected {
        code: "invalid_client".to_owned(),
        description: None,
    }
}

fn at_millis(millis: u64) -> ClockReading {
    ClockReading {
        wall: Timestamp::from_millis(millis.cast_signed()),
        uptime: Duration::from_millis(millis),
    }
}

fn at(seconds: u64) -> ClockReading {
    at_millis(seconds * 1000)
}

fn token(id: u128) -> TokenId {
    TokenId::new(Uuid::from_u128(id))
}

fn longest(end: u64) -> u64 {
    end - 1
}

/// One that opened at 0 by failures of token 0, for 2 seconds.
fn open() -> Circuit {
    let mut circuit = Circuit::default();
    for _ in 0..THRESHOLD {
        let ticket = circuit.admit(token(0), at(0)).unwrap();
        circuit.fail(ticket, &BROKEN, at(0), longest);
    }
    circuit
}

fn left(circuit: &Circuit, id: u128, seconds: u64) -> u64 {
    circuit.left(token(id), at(seconds)).as_secs()
}

#[test]
fn failures_in_a_row_open_it() {
    let mut circuit = open();
    let pause = circuit.admit(token(1), at(0)).unwrap_err();
    assert_eq!((pause.left.as_secs(), pause.refusal), (2, None));
}

#[test]
fn requests_that_were_under_way_when_it_opened_count_once() {
    let mut circuit = Circuit::default();
    let tickets: Vec<_> = (0..20)
        .map(|id| circuit.admit(token(id), at(0)).unwrap())
        .collect();
    for ticket in tickets {
        circuit.fail(ticket, &BROKEN, at(0), longest);
    }
    assert_eq!(left(&circuit, 99, 0), 2);
    assert!(circuit.admit(token(99), at(2)).is_ok());
}

#[test]
fn after_its_pause_one_request_probes_and_the_others_wait() {
    let mut circuit = open();
    assert!(circuit.admit(token(1), at(2)).is_ok());
    assert!(circuit.admit(token(2), at(3)).is_err());
}

#[test]
fn each_probe_that_fails_doubles_the_pause_up_to_eight_seconds() {
    let (mut circuit, mut now, mut pauses) = (open(), 0, Vec::new());
    for id in 1..6 {
        let pause = left(&circuit, id, now);
        pauses.push(pause);
        now += pause;
        let probe = circuit.admit(token(id), at(now)).unwrap();
        circuit.fail(probe, &BROKEN, at(now), longest);
    }
    assert_eq!(pauses, [2, 4, 8, 8, 8]);
}

#[test]
fn the_token_that_failed_lets_another_one_probe() {
    let mut circuit = open();
    assert!(circuit.admit(token(0), at(2)).is_err());
    assert!(circuit.clone().admit(token(1), at(2)).is_ok());
    assert!(circuit.admit(token(0), at(3)).is_ok(), "there is no other");
}

#[test]
fn one_refusal_of_the_client_opens_it_until_another_token_says_otherwise() {
    let mut circuit = Circuit::default();
    let ticket = circuit.admit(token(0), at(0)).unwrap();
    circuit.fail(ticket, &refused(), at(0), longest);
    let pause = circuit.admit(token(0), at(1)).unwrap_err();
    assert_eq!((pause.left.as_secs(), pause.refusal), (61, Some(refused())));
    circuit.admit(token(1), at(2)).unwrap();
    assert!(circuit.succeed());
    assert!(circuit.admit(token(0), at(2)).is_ok());
}

#[test]
fn a_refusal_of_the_client_that_a_second_token_meets_holds_for_minutes() {
    let mut circuit = Circuit::default();
    let ticket = circuit.admit(token(0), at(0)).unwrap();
    circuit.fail(ticket, &refused(), at(0), longest);
    let mut pauses = Vec::new();
    let mut now = 2;
    for id in 1..6 {
        let probe = circuit.admit(token(id), at(now)).unwrap();
        circuit.fail(probe, &refused(), at(now), longest);
        let pause = left(&circuit, 99, now);
        pauses.push(pause);
        now += pause;
    }
    assert_eq!(pauses, [60, 120, 240, 300, 300]);
}

#[test]
fn a_probe_that_asks_nothing_leaves_its_place_to_the_next() {
    let mut circuit = open();
    let probe = circuit.admit(token(1), at(2)).unwrap();
    circuit.release(probe, at(3));
    assert!(circuit.admit(token(2), at(3)).is_ok());
}

#[test]
fn a_probe_that_never_ends_does_not_keep_it_open() {
    let mut circuit = open();
    let lost = circuit.admit(token(1), at(2)).unwrap();
    assert!(circuit.admit(token(2), at(71)).is_err());
    let second = circuit.admit(token(2), at(72)).unwrap();
    let before = circuit.clone();
    circuit.fail(lost, &BROKEN, at(73), longest);
    assert_eq!(circuit, before);
    circuit.fail(second, &BROKEN, at(73), longest);
    assert_ne!(circuit, before);
}

#[test]
fn no_setting_of_the_wall_clock_keeps_it_open() {
    for wall in [-86_400, 0, 86_400] {
        let moment = ClockReading {
            wall: Timestamp::from_millis(0).plus_seconds(wall),
            uptime: Duration::from_secs(2),
        };
        assert!(open().admit(token(1), moment).is_ok());
    }
}

/// What can happen to a circuit.
#[derive(Clone, Debug)]
enum Event {
    Ask(u128),
    /// The request of this place in the list of those under way ends so.
    Fail(usize, bool),
    Release(usize),
    Succeed,
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..4_u128).prop_map(Event::Ask),
        4 => (any::<usize>(), prop::bool::weighted(0.1)).prop_map(|(at, refused)| Event::Fail(at, refused)),
        1 => any::<usize>().prop_map(Event::Release),
        1 => Just(Event::Succeed),
        3 => (0..5_000_u64).prop_map(Event::Pass),
    ]
}

proptest! {
    #[test]
    fn only_the_probes_own_end_changes_an_open_circuit(
        events in prop::collection::vec(event(), 1..200),
        random in any::<u64>(),
    ) {
        let mut circuit = Circuit::default();
        let (mut now, mut under_way, mut probe) = (0, Vec::new(), None);
        for event in events {
            let before = circuit.clone();
            match event {
                Event::Pass(millis) => now += millis,
                Event::Ask(id) => {
                    let asked = circuit.admit(token(id), at_millis(now));
                    prop_assert!(asked.is_ok() || before.is_open());
                    if before.is_open() && asked.is_ok() {
                        prop_assert!(before.left(token(id), at_millis(now)).is_zero());
                        probe = asked.clone().ok();
                    }
                    under_way.extend(asked);
                }
                Event::Succeed => {
                    circuit.succeed();
                    prop_assert!(!circuit.is_open());
                }
                Event::Fail(place, is_refused) if !under_way.is_empty() => {
                    let ticket = under_way.swap_remove(place % under_way.len());
                    let error = if is_refused { refused() } else { BROKEN };
                    circuit.fail(ticket, &error, at_millis(now), |end| random % end);
                    if before.is_open() && probe != Some(ticket) {
                        prop_assert_eq!(&circuit, &before);
                    }
                }
                Event::Release(place) if !under_way.is_empty() => {
                    let ticket = under_way.swap_remove(place % under_way.len());
                    circuit.release(ticket, at_millis(now));
                    if !before.is_open() || probe != Some(ticket) {
                        prop_assert_eq!(&circuit, &before);
                    }
                }
                Event::Fail(..) | Event::Release(_) => {}
            }
            let longest_wait = match &circuit.open {
                Some(open) if open.is_probed => PROBE_LIMIT,
                Some(open) if open.refusal.is_some() => LONGEST_REFUSED + FIRST_REFUSED,
                _ => Duration::from_secs(10),
            };
            for id in 0..5 {
                prop_assert!(circuit.left(token(id), at_millis(now)) <= longest_wait);
            }
        }
    }
}
