//! The gate on its own: one visitor, one step at a time. Longer stories are in `tests/scenario`.

use super::*;
use ostiary_domain::{
    ClockTrust, Decision, Detection, DoorId, Look, LookVerdict, Match, Standing, TrackId, Utc,
};

fn now(ms: u64) -> Now {
    Now { mono: Mono(ms), utc: Utc(1_700_000_000_000 + ms as i64), trust: ClockTrust::Trusted }
}

fn look(ms: u64, track: u32, person: &str) -> Input {
    let found = Match::Person {
        id: person.parse().unwrap(),
        name: ostiary_domain::clipped("Anna"),
        standing: Standing::default(),
        score: ostiary_domain::Cosine::new(0.7),
    };
    Input::Look(Look {
        captured: Mono(ms),
        frame_seq: ms,
        subject: Some((TrackId(track), Detection::default())),
        faces: 1,
        verdict: LookVerdict::Matched(found),
    })
}

fn drained(gate: &mut Gate) -> Vec<Output> {
    core::iter::from_fn(|| gate.poll_output()).filter(|o| !matches!(o, Output::Screen(_))).collect()
}

#[test]
fn the_first_thing_a_gate_says_is_relay_off() {
    let mut gate = Gate::new(GateConfig::default());
    assert_eq!(gate.poll_output(), Some(Output::Relay { energised: false, cause: None }));
    assert_eq!((gate.poll_output(), gate.relay()), (None, false));
}

#[test]
fn a_grant_decides_then_acts_then_records() {
    let mut gate = Gate::new(GateConfig::default());
    drained(&mut gate);
    gate.handle(look(1_000, 1, "anna"), now(1_010));
    assert_eq!(drained(&mut gate), []);
    gate.handle(look(1_033, 1, "anna"), now(1_040));
    let person: PersonId = "anna".parse().unwrap();
    let event = |kind| Event::new(kind, DoorId(1), now(1_040)).of(&person);
    assert_eq!(
        drained(&mut gate),
        [
            Output::Decision(Decision::Grant {
                person: person.clone(),
                name: ostiary_domain::clipped("Anna"),
                since: Mono(1_000),
            }),
            Output::Relay { energised: true, cause: Some(GrantCause::Face) },
            Output::Event(event(EventKind::AccessGranted)),
            Output::Event(event(EventKind::DoorUnlocked).caused_by(GrantCause::Face)),
        ]
    );
    assert_eq!(gate.door_state(), DoorState::Unlocking);
    gate.handle(Input::Tick, now(6_039));
    assert!(gate.relay());
    gate.handle(Input::Tick, now(6_040));
    assert_eq!(drained(&mut gate)[0], Output::Relay { energised: false, cause: None });
    assert_eq!(gate.door_state(), DoorState::Locked);
}
