//! Every state the door can reach, visited one by one.
//!
//! Owns: a breadth-first walk over the machine with a small alphabet of inputs and a clock of whole seconds, and
//! the promises checked at every step. Does not own: the machine.
//! Invariant: two states with the same facts and the same times left are one state, so the walk ends.

use std::collections::{HashSet, VecDeque};
use std::io::Write as _;

use super::*;
use crate::config::Settings;

/// One second; longer than the grace after locking, so that grace is over or not.
const STEP: Millis = Millis(1_000);

type Key = (Watch, Option<Passage>, Option<Override>, [bool; 5], u64, Option<GrantCause>, bool);

fn config(relock_on_close: bool, rex_unlocks: bool, fire_unlocks: bool) -> GateConfig {
    GateConfig::checked(Settings {
        strike_ms: 2_000,
        held_warn_ms: 2_000,
        held_alarm_ms: 3_000,
        rex_shunt_ms: 1_000,
        accessible_extra_ms: 1_000,
        relock_on_close,
        rex_unlocks,
        fire_unlocks,
        ..Settings::default()
    })
    .unwrap()
}

fn alphabet(now: Mono) -> Vec<DoorInput> {
    let two = OverrideTime::seconds(2).unwrap();
    let contact = |open, first| DoorInput::Contact { open, since: now, first };
    let mut all = vec![DoorInput::Rex(now)];
    for (cause, slow) in [(GrantCause::Face, false), (GrantCause::Pin, false), (GrantCause::Face, true)] {
        all.push(DoorInput::Grant { cause, slow });
    }
    all.extend([contact(true, false), contact(false, false)]);
    for on in [true, false] {
        all.extend([DoorInput::Fire(on), DoorInput::Schedule(on)]);
        all.extend([DoorInput::WiresBroken(on), DoorInput::FacesBarred(on)]);
    }
    all.extend(
        [
            Operator::Open,
            Operator::Unlock(two),
            Operator::Unlock(OverrideTime::UNTIL_RELEASED),
            Operator::Lock,
            Operator::Lockdown(two),
            Operator::Lockdown(OverrideTime::UNTIL_RELEASED),
            Operator::Release,
        ]
        .map(DoorInput::Operator),
    );
    all
}

/// The facts with every time counted from `now`.
fn key(door: &Door, now: Mono) -> Key {
    let left = |until: Mono| Mono(until.since(now).0);
    (
        door.watch.rebased(now),
        door.passage.map(|p| Passage { until: left(p.until), ..p }),
        door.hold.map(|h| Override { until: h.until.map(left), ..h }),
        [door.scheduled, door.fire, door.tamper, door.wires_broken, door.faces_barred],
        // Covered up to and including its end, hence one more than what is left.
        door.shunt_until.filter(|until| now <= *until).map_or(0, |until| left(until).0 + 1),
        door.driven,
        door.released_at.is_some_and(|at| now <= at.after(RELOCK_GRACE)),
    )
}

/// Checks one step; says what is broken.
fn check(before: &Door, input: Option<DoorInput>, after: &Door, effects: &Effects, now: Mono) {
    let all = effects.all();
    let told = || format!("{input:?} in {before:?}\n-> {after:?}\n{all:?}");
    let mut relay = before.driven;
    for (i, effect) in all.iter().enumerate() {
        let next = all.get(i + 1);
        match effect {
            DoorEffect::Relay(Some(cause)) => {
                assert_eq!(next, Some(&DoorEffect::Unlocked(*cause)), "on without its record: {}", told());
                relay = Some(*cause);
            }
            DoorEffect::Relay(None) => {
                assert!(relay.is_some(), "off twice: {}", told());
                assert!(
                    matches!(next, Some(DoorEffect::Event(EventKind::DoorLocked, _))),
                    "off without its record: {}",
                    told()
                );
                relay = None;
            }
            DoorEffect::Unlocked(cause) => {
                let on = i.checked_sub(1).map(|i| all[i]);
                assert_eq!(on, Some(DoorEffect::Relay(Some(*cause))), "a record without a relay: {}", told());
            }
            DoorEffect::Event(EventKind::ForcedOpen, _) => {
                assert!(before.driven.is_none() && input.is_some(), "not forced: {}", told());
            }
            DoorEffect::Event(EventKind::HeldOpen, _) => {
                assert!(input.is_none() && before.contact() == Some(true), "not held: {}", told());
            }
            DoorEffect::Event(..) => {}
        }
    }
    assert_eq!(relay, after.driven, "the relay was moved in silence: {}", told());
    match after.state() {
        DoorState::Fault | DoorState::Locked => assert_eq!(after.driven, None, "{}", told()),
        DoorState::Lockdown => assert!(matches!(after.driven, None | Some(GrantCause::Rex)), "{}", told()),
        DoorState::EmergencyRelease => assert_eq!(after.driven, Some(GrantCause::Fire), "{}", told()),
        DoorState::UnlockedHold => {
            assert!(matches!(after.driven, Some(GrantCause::Operator | GrantCause::Schedule)), "{}", told());
        }
        DoorState::Unlocking => assert!(after.driven.is_some(), "{}", told()),
        DoorState::OpenAuthorized | DoorState::HeldWarn | DoorState::HeldAlarm | DoorState::ForcedAlarm => {
            assert_eq!(after.contact(), Some(true), "{}", told());
        }
    }
    assert!(!after.wires_broken || after.passage.is_none(), "it would come back: {}", told());
    assert!(after.driven != Some(GrantCause::Face) || !after.faces_barred, "{}", told());
    assert!(after.deadline().is_none_or(|at| at > now), "due and not done: {}", told());
    let longest = now.after(after.config.strike()).after(after.config.extra_for(true));
    assert!(after.passage.is_none_or(|p| p.until <= longest), "stacked: {}", told());
}

/// Left alone, the door locks, unless somebody holds it unlocked.
fn check_rest(door: &Door, now: Mono) {
    let mut rest = door.clone();
    // Twice: where a hold ends, the watch over the open door begins.
    for seconds in [100_000, 200_000] {
        rest.advance(now.after(Millis::secs(seconds)), &mut Effects::default());
    }
    assert!(rest.driven.is_none() || rest.is_free(), "{door:?} -> {rest:?}");
    assert!(rest.deadline().is_none(), "{rest:?}");
}

/// States reached, most effects of one step.
fn walk(config: &GateConfig) -> (usize, usize) {
    let mut seen = HashSet::new();
    let mut queue = VecDeque::new();
    let mut named = HashSet::new();
    let mut most = 0;
    let mut steps = 0_usize;
    let start = Mono(1_000_000);
    let fresh = Door::new(config.clone());
    let mut found_open = fresh.clone();
    let found = DoorInput::Contact { open: true, since: start, first: true };
    found_open.handle(found, start, &mut Effects::default());
    assert_eq!(found_open.state(), DoorState::OpenAuthorized);
    for door in [fresh, found_open] {
        seen.insert(key(&door, start));
        queue.push_back((door, start));
    }
    while let Some((door, now)) = queue.pop_front() {
        named.insert(door.state());
        check_rest(&door, now);
        let inputs = alphabet(now).into_iter().map(Some).chain([None]);
        for input in inputs {
            let (mut next, mut effects, mut at) = (door.clone(), Effects::default(), now);
            if let Some(input) = input {
                next.handle(input, now, &mut effects);
            } else {
                at = now.after(STEP);
                next.advance(at, &mut effects);
            }
            check(&door, input, &next, &effects, at);
            most = most.max(effects.all().len());
            steps += 1;
            if seen.insert(key(&next, at)) {
                queue.push_back((next, at));
            }
        }
    }
    let released = if config.settings().fire_unlocks { 10 } else { 9 };
    assert_eq!(named.len(), released, "states of SPEC 5 that were reached: {named:?}");
    let _ = writeln!(
        std::io::stderr(),
        "door machine: {} states, {steps} steps, {most} effects at most",
        seen.len()
    );
    (seen.len(), most)
}

#[test]
fn every_reachable_state_keeps_the_promises() {
    let mut states = 0;
    for bits in 0..8_u8 {
        let config = config(bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
        let (reached, most) = walk(&config);
        states += reached;
        assert!(most <= crate::effects::MAX_EFFECTS);
    }
    let _ = writeln!(std::io::stderr(), "door machine: {states} states in all eight configurations");
    assert!(states > 10_000, "the walk went somewhere");
}
