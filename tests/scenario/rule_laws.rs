//! What holds under any rules, whoever comes and whatever is typed.
//!
//! Owns: arbitrary rulebooks and arbitrary approaches with keys and answers. Does not own: the laws that `world` checks
//! at every output, what each rule says (the model beside its code).
//! Invariants checked: no grant in lockdown or fault; where a PIN is always asked nobody is let in who never gave a
//! right one; where two are always needed two different people are on record; the relay is off while the
//! wires are broken.

use std::collections::HashSet;

use ostiary::access::{Input, Operator, Part};
use ostiary::domain::rulebook::{AntiPassback, DoorRules, Level};
use ostiary::domain::schedule::Periods;
use ostiary::domain::{
    ClockTrust, Decision, EventKind, Key, LookVerdict, Mode, Passage, Period, PinVerdict, Rulebook, Schedule,
    ScheduleNo, Side, Standing, Utc, clipped,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::world::{World, person_with, seconds, stranger, text};

#[derive(Clone, Debug)]
enum Act {
    Look { track: u32, who: u8 },
    Type(Vec<u8>),
    Clear,
    Answer(u8),
    Identify(bool),
    Pass(u64),
    Opens,
    Shuts,
    Lockdown(bool),
    Wires(bool),
    Others(Option<bool>),
    Trust(bool),
    Forget,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let ms = prop_oneof![4 => 0_u64..3_000, 2 => 3_000..40_000_u64, 1 => 0..90_000_000_u64];
    let act = prop_oneof![
        8 => (0_u32..6, 0_u8..5).prop_map(|(track, who)| Act::Look { track, who }),
        4 => prop::collection::vec(0_u8..10, 1..6).prop_map(Act::Type),
        1 => Just(Act::Clear),
        5 => (0_u8..5).prop_map(Act::Answer),
        2 => any::<bool>().prop_map(Act::Identify),
        6 => ms.prop_map(Act::Pass),
        2 => Just(Act::Opens),
        2 => Just(Act::Shuts),
        1 => prop::bool::weighted(0.3).prop_map(Act::Lockdown),
        1 => prop::bool::weighted(0.3).prop_map(Act::Wires),
        1 => any::<Option<bool>>().prop_map(Act::Others),
        1 => prop::bool::weighted(0.8).prop_map(Act::Trust),
        1 => Just(Act::Forget),
    ];
    prop::collection::vec(act, 1..80)
}

fn books() -> impl Strategy<Value = Rulebook> {
    let modes = || prop::sample::select(Mode::ALL[..4].to_vec());
    let schedule = || (0_u8..3).prop_map(ScheduleNo);
    (
        modes(),
        prop::option::of((schedule(), modes())),
        prop::option::of(schedule()),
        any::<[bool; 3]>(),
        prop::option::weighted(0.4, schedule()),
        prop::sample::select(vec![AntiPassback::Off, AntiPassback::Soft, AntiPassback::Hard]),
        prop::sample::select(vec![0_u32, 30]),
    )
        .prop_map(|(mode, by_schedule, unlock, flags, dual, apb, timed_apb_s)| {
            let day: Periods = core::iter::once(Period::new(480, 1_080).expect("a period")).collect();
            let schedule = Schedule { week: core::array::from_fn(|_| day.clone()), ..Schedule::default() };
            let mut book = Rulebook { everyone: flags[0], ..Rulebook::default() };
            book.schedules.push(schedule).expect("room");
            let doors = core::iter::once(1).collect();
            book.levels.push(Level { doors, schedule: ScheduleNo(1) }).expect("room");
            book.groups.push(1).expect("room");
            book.door = DoorRules {
                mode,
                modes: by_schedule.into_iter().collect(),
                unlock,
                first_person: flags[1],
                dual,
                apb,
                timed_apb_s,
                interlock: flags[2],
                ..DoorRules::default()
            };
            book
        })
}

fn visitor(who: u8, now: Utc) -> LookVerdict {
    let groups = core::iter::once(1).collect();
    let standing = Standing { groups, has_pin: who != 2, ..Standing::default() };
    let inside = Some(Passage { side: Side::Entry, at: Utc(now.0 - 10_000) });
    match who {
        0..=2 => person_with(["1001", "1002", "1003"][usize::from(who)], standing),
        3 => person_with("1004", Standing { last: inside, ..standing }),
        _ => stranger(),
    }
}

fn live(book: &Rulebook, acts: Vec<Act>) -> Result<(), TestCaseError> {
    let mut w = World::new();
    w.rules(book);
    let (mut lockdown, mut broken) = (false, false);
    // People whose PIN was found right and who may be the first of two since.
    let mut proved: HashSet<String> = HashSet::new();
    for act in acts {
        let decided = w.decisions.len();
        let logged = w.log.len();
        match act {
            Act::Look { track, who } => {
                let verdict = visitor(who, w.now.utc);
                w.looks(2, track, &verdict);
            }
            Act::Type(digits) => {
                let digits: String = digits.iter().map(|d| char::from(b'0' + d)).collect();
                w.types(if digits.len() == 1 { "1001" } else { &digits });
            }
            Act::Clear => w.feed(Input::Key(Key::Clear)),
            Act::Answer(which) => {
                if let Some((ticket, person, _)) = w.asked.take() {
                    let verdict = match which {
                        0 | 1 => PinVerdict::Right,
                        2 => PinVerdict::Duress,
                        3 => PinVerdict::Wrong,
                        _ => PinVerdict::Unavailable,
                    };
                    if matches!(verdict, PinVerdict::Right | PinVerdict::Duress) {
                        proved.insert(person);
                    }
                    w.feed(Input::PinChecked { ticket, verdict });
                }
            }
            Act::Identify(known) => {
                if let Some((ticket, _)) = w.looked_up.take() {
                    let standing = Standing {
                        has_pin: true,
                        groups: core::iter::once(1).collect(),
                        ..Standing::default()
                    };
                    let person = known.then(|| (clipped("Anna"), standing));
                    w.feed(Input::LookedUp { ticket, person });
                }
            }
            Act::Pass(ms) => w.pass(ms),
            Act::Opens => w.opens(),
            Act::Shuts => w.shuts(),
            Act::Lockdown(on) => {
                lockdown = on;
                w.order(if on { Operator::Lockdown(seconds(0)) } else { Operator::Release });
            }
            Act::Wires(on) => {
                broken = on;
                w.feed(if on {
                    Input::Fault(Part::Wires, text("unplugged"))
                } else {
                    Input::FaultCleared(Part::Wires)
                });
            }
            Act::Others(open) => w.feed(Input::Others(open)),
            Act::Trust(trusted) => {
                w.now.trust = if trusted { ClockTrust::Trusted } else { ClockTrust::Untrusted };
            }
            Act::Forget => w.feed(Input::ForgetPassages(None)),
        }
        prop_assert!(!broken || w.relay.is_none());
        for (_, decision) in &w.decisions[decided..] {
            let Decision::Grant { person, .. } = decision else { continue };
            prop_assert!(!lockdown && !broken, "{person} in lockdown or fault");
            let (door, always) = (&book.door, |s: Option<ScheduleNo>| s == Some(ScheduleNo::ALWAYS));
            let pin = matches!(door.mode, Mode::FacePin | Mode::Pin) && door.modes.is_empty();
            prop_assert!(!pin || proved.contains(person.as_str()), "{person} without a PIN");
            let granted: HashSet<_> = w.log[logged..]
                .iter()
                .filter(|e| e.kind == EventKind::AccessGranted)
                .filter_map(|e| e.person.clone())
                .collect();
            prop_assert!(granted.contains(person));
            prop_assert!(!always(door.dual) || granted.len() >= 2, "{person} alone: {granted:?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        rng_seed: RngSeed::Fixed(11),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_rules_and_no_keys_break_the_laws(book in books(), acts in acts()) {
        live(&book, acts)?;
    }
}
