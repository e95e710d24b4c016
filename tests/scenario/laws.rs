//! What holds in every life a door can have.
//!
//! Owns: arbitrary sequences of inputs and times, and the laws checked after each step. Does not own: the laws
//! that `world` checks at every output, the walk over the door machine (beside its code).

use std::collections::{HashMap, HashSet};

use ostiary::access::config::RELOCK_GRACE;
use ostiary::access::{DoorState, Gate, GateConfig, Input, Operator, Output, Part, Settings};
use ostiary::domain::limits::MAX_OUTPUTS;
use ostiary::domain::wires::{self, InputEdge};
use ostiary::domain::{
    ClockTrust, Decision, Detection, EventKind, GrantCause, Look, LookVerdict, Match, Millis, Mono, Now,
    QualityReason, TrackId, Utc,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::world::{World, check_causes, lookalike, person, poor, seconds, stranger, text};

/// One step of a life.
#[derive(Clone, Debug)]
enum Act {
    /// A look: track, what was found, age of the frame, whether it is the last frame again.
    Look {
        track: u32,
        found: u8,
        age_ms: u64,
        again: bool,
    },
    /// A raw edge, stamped up to this much before or after now.
    Edge {
        input: u8,
        active: bool,
        skew_ms: i64,
    },
    /// An edge that stands long enough to count.
    Level {
        input: u8,
        active: bool,
    },
    Order(u8),
    Schedule(bool),
    Camera(bool),
    Part {
        part: u8,
        broken: bool,
    },
    Link {
        up: Option<bool>,
    },
    /// Time passes with the gate called when it asks.
    Pass(u64),
    /// Time passes and the gate is not called.
    Stall(u64),
    /// The wall clock is set.
    Step(i64),
    /// The wall clock's trust.
    Trust(bool),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let ms =
        prop_oneof![5 => 0_u64..200, 3 => 200..8_000_u64, 2 => 8_000..40_000_u64, 1 => 0..20_000_000_u64];
    let age = prop_oneof![6 => Just(0_u64), 2 => 0..500_u64, 1 => 400..3_000_u64];
    let look = (0_u32..4, 0_u8..10, age, prop::bool::weighted(0.1))
        .prop_map(|(track, found, age_ms, again)| Act::Look { track, found, age_ms, again });
    let act = prop_oneof![
        12 => look,
        4 => (0_u8..4, any::<bool>(), -3_000_i64..3_000).prop_map(|(input, active, skew_ms)| Act::Edge { input, active, skew_ms }),
        5 => (0_u8..4, any::<bool>()).prop_map(|(input, active)| Act::Level { input, active }),
        2 => (0_u8..7).prop_map(Act::Order),
        1 => any::<bool>().prop_map(Act::Schedule),
        1 => prop::bool::weighted(0.4).prop_map(Act::Camera),
        1 => (0_u8..3, prop::bool::weighted(0.4)).prop_map(|(part, broken)| Act::Part { part, broken }),
        1 => any::<Option<bool>>().prop_map(|up| Act::Link { up }),
        8 => ms.clone().prop_map(Act::Pass),
        1 => ms.prop_map(Act::Stall),
        1 => (-4_000_000_000_000_i64..4_000_000_000_000).prop_map(Act::Step),
        1 => any::<bool>().prop_map(Act::Trust),
    ];
    prop::collection::vec(act, 1..120)
}

fn settings() -> impl Strategy<Value = Settings> {
    (1_u8..4, 1_u8..5, any::<[bool; 4]>(), 500_u32..8_000, 1_u8..6, 0_u32..3_000).prop_map(
        |(consistent_frames, unknown_frames, flags, strike_ms, lockout_failures, spoof_pause_ms)| Settings {
            consistent_frames,
            unknown_frames,
            relock_on_close: flags[0],
            rex_unlocks: flags[1],
            fire_unlocks: flags[2],
            accessible: flags[3],
            strike_ms,
            lockout_failures,
            spoof_pause_ms,
            regrant_ms: 3_000,
            ..Settings::default()
        },
    )
}

fn verdict(found: u8) -> LookVerdict {
    match found {
        0..=3 => person("anna"),
        4 => person("bert"),
        5 => stranger(),
        6 => lookalike(),
        7 => poor(QualityReason::Blur),
        8 => LookVerdict::Unsure,
        _ => LookVerdict::Spoof,
    }
}

fn wire(input: u8) -> wires::Input {
    [wires::Input::Contact, wires::Input::Rex, wires::Input::Tamper, wires::Input::Fire][usize::from(input)]
}

fn order(which: u8) -> Operator {
    let orders = [
        Operator::Open,
        Operator::Unlock(seconds(30)),
        Operator::Unlock(seconds(0)),
        Operator::Lock,
        Operator::Lockdown(seconds(30)),
        Operator::Lockdown(seconds(0)),
        Operator::Release,
    ];
    orders[usize::from(which)]
}

fn part(which: u8) -> Part {
    [Part::Wires, Part::Board, Part::Store][usize::from(which)]
}

/// What an onlooker without any knowledge of the code knows.
struct Onlooker {
    settings: Settings,
    spoofed: HashSet<u32>,
    /// Per track: the persons of its last identified looks in a row; `None` breaks the row.
    rows: HashMap<u32, Vec<Option<(String, Mono)>>>,
    newest: HashMap<u32, u64>,
    seq: u64,
    seen: usize,
    decided: usize,
    unlocked: Mono,
    /// The relay, as the events tell it.
    on: bool,
    released: Option<Mono>,
    pressed: Option<Mono>,
    /// The contact's raw level, and before when it cannot have opened.
    contact: bool,
    opened_after: Mono,
    /// When it was opened, or somebody new was let in.
    opened: Mono,
    /// Since when the open door needs shutting at the latest.
    watched: Mono,
}

impl Onlooker {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            spoofed: HashSet::new(),
            rows: HashMap::new(),
            newest: HashMap::new(),
            seq: 0,
            seen: 0,
            decided: 0,
            unlocked: Mono(0),
            on: false,
            contact: false,
            opened_after: Mono(0),
            released: None,
            pressed: None,
            opened: Mono(0),
            watched: Mono(0),
        }
    }

    fn extra(&self) -> u64 {
        if self.settings.accessible { u64::from(self.settings.accessible_extra_ms) } else { 0 }
    }

    /// A raw edge: one that repeats the level says nothing new.
    fn edge(&mut self, input: u8, active: bool, at: Mono) {
        if wire(input) == wires::Input::Contact && self.contact != active {
            self.contact = active;
            if active {
                self.opened_after = at;
            }
        }
    }

    /// What a look should teach, told before the gate hears of it.
    fn looks(&mut self, w: &World, look: &Look, track: u32, camera_broken: bool) {
        let fresh = w.now.mono.since(look.captured) <= ostiary::access::config::MAX_LOOK_AGE;
        let newer = self.newest.get(&track).is_none_or(|n| look.frame_seq > *n);
        if !fresh || !newer || camera_broken {
            return;
        }
        self.newest.insert(track, look.frame_seq);
        let row = self.rows.entry(track).or_default();
        match &look.verdict {
            LookVerdict::Matched(Match::Person { id, .. }) => row.push(Some((id.to_string(), look.captured))),
            LookVerdict::Matched(_) => row.push(None),
            LookVerdict::Spoof => {
                self.spoofed.insert(track);
            }
            LookVerdict::Still | LookVerdict::Nobody | LookVerdict::Refused(_) | LookVerdict::Unsure => {}
        }
    }

    /// Checks what the last step did.
    fn check(&mut self, w: &World, track: Option<u32>, barred: bool) {
        let news = &w.log[self.seen..];
        for (i, event) in news.iter().enumerate() {
            let at = event.at.mono;
            match event.kind {
                EventKind::DoorUnlocked => (self.on, self.unlocked, self.watched) = (true, at, at),
                EventKind::DoorLocked => (self.on, self.released, self.watched) = (false, Some(at), at),
                EventKind::Rex => self.pressed = Some(at),
                EventKind::DoorOpened => {
                    (self.opened, self.watched) = (at, at);
                    let shunt = Millis(u64::from(self.settings.rex_shunt_ms));
                    let shut = |until: Option<Mono>| until.is_none_or(|until| self.opened_after > until);
                    let forced = !self.on
                        && event.detail.is_empty()
                        && shut(self.released.map(|r| r.after(RELOCK_GRACE)))
                        && shut(self.pressed.map(|p| p.after(shunt)));
                    let said = news.get(i + 1).is_some_and(|e| e.kind == EventKind::ForcedOpen);
                    assert!(said || !forced, "forced, and nothing said");
                }
                EventKind::HeldOpen => {
                    let least = u64::from(self.settings.held_warn_ms) + self.extra();
                    assert!(at.since(self.opened).0 >= least, "warned too early: {event:?}");
                }
                EventKind::ForcedOpen => {
                    let leave = self.released.is_some_and(|r| at <= r.after(RELOCK_GRACE));
                    assert!(!self.on && !leave, "not forced");
                }
                _ => {}
            }
            if event.kind == EventKind::AccessGranted {
                (self.opened, self.watched) = (at, at);
            }
        }
        self.seen = w.log.len();
        for (_, decision) in &w.decisions[self.decided..] {
            if let Decision::Grant { person, .. } = decision {
                let track = track.expect("only a look lets in");
                assert!(!self.spoofed.contains(&track), "a grant after an attack on track {track}");
                assert!(!barred, "a grant in fault or lockdown");
                let needed = usize::from(self.settings.consistent_frames);
                let row = &self.rows[&track];
                let last = &row[row.len().saturating_sub(needed)..];
                assert_eq!(last.len(), needed, "too few looks");
                assert!(
                    last.iter().all(|l| l.as_ref().is_some_and(|(id, _)| id == person.as_str())),
                    "{last:?}"
                );
            }
        }
        self.decided = w.decisions.len();
        let strike = u64::from(self.settings.strike_ms) + self.extra();
        let state = w.state();
        if matches!(state, DoorState::UnlockedHold | DoorState::EmergencyRelease) {
            self.watched = w.now.mono;
        } else if w.relay.is_some() {
            assert!(w.now.mono.since(self.unlocked).0 < strike, "on for too long in {state:?}");
        }
        let open_for = w.now.mono.since(self.watched).0;
        let (warn, alarm) = (u64::from(self.settings.held_warn_ms), u64::from(self.settings.held_alarm_ms));
        match state {
            DoorState::OpenAuthorized => assert!(open_for < warn + self.extra(), "no warning"),
            DoorState::HeldWarn => assert!(open_for < alarm + self.extra(), "no alarm"),
            DoorState::Fault => assert_eq!(w.relay, None),
            DoorState::Lockdown => assert!(matches!(w.relay, None | Some(GrantCause::Rex))),
            DoorState::Locked
            | DoorState::Unlocking
            | DoorState::HeldAlarm
            | DoorState::ForcedAlarm
            | DoorState::UnlockedHold
            | DoorState::EmergencyRelease => {}
        }
    }
}

/// Lives one life; gives the world at its end and the most outputs of one input.
fn live(settings: &Settings, acts: &[Act]) -> World {
    let wanted = settings.clone();
    let mut w = World::bare(|s| *s = wanted);
    let mut onlooker = Onlooker::new(settings.clone());
    let mut camera_broken = false;
    let mut broken: HashSet<u8> = HashSet::new();
    for act in acts {
        let mut track_now = None;
        // As it stands once what was due meanwhile has happened; the look itself changes nothing of it.
        let mut barred = false;
        match act.clone() {
            Act::Look { track, found, age_ms, again } => {
                w.feed(Input::Tick);
                onlooker.check(&w, None, false);
                barred = camera_broken
                    || broken.iter().any(|p| part(*p) != Part::Store)
                    || matches!(w.state(), DoorState::Lockdown | DoorState::Fault);
                onlooker.seq += u64::from(!again);
                let captured = Mono(w.now.mono.0.saturating_sub(age_ms));
                let subject = Some((TrackId(track), Detection::default()));
                let (frame_seq, verdict) = (onlooker.seq, verdict(found));
                let look = Look { captured, frame_seq, subject, faces: 1, verdict };
                onlooker.looks(&w, &look, track, camera_broken);
                track_now = Some(track);
                w.feed(Input::Look(look));
            }
            Act::Edge { input, active, skew_ms } => {
                let at = Mono(w.now.mono.0.saturating_add_signed(skew_ms));
                onlooker.edge(input, active, at.min(w.now.mono));
                w.feed(Input::Edge(InputEdge { input: wire(input), active, at }));
            }
            Act::Level { input, active } => {
                onlooker.edge(input, active, w.now.mono);
                w.wire(wire(input), active);
                w.pass(60);
            }
            Act::Order(which) => w.order(order(which)),
            Act::Schedule(active) => w.feed(Input::Schedule(active)),
            Act::Camera(fails) => {
                camera_broken = fails;
                w.feed(if fails { Input::CameraFault(text("gone")) } else { Input::CameraBack });
            }
            Act::Part { part: which, broken: true } => {
                broken.insert(which);
                w.feed(Input::Fault(part(which), text("broken")));
            }
            Act::Part { part: which, broken: false } => {
                broken.remove(&which);
                w.feed(Input::FaultCleared(part(which)));
            }
            Act::Link { up } => w.feed(Input::Link { up, queued: 1 }),
            Act::Pass(ms) => w.pass(ms),
            Act::Stall(ms) => {
                w.stall(ms);
                continue;
            }
            Act::Step(by_ms) => {
                w.now.utc = Utc(w.now.utc.0.saturating_add(by_ms));
                w.feed(Input::ClockStep { by_ms });
            }
            Act::Trust(trusted) => {
                w.now.trust = if trusted { ClockTrust::Trusted } else { ClockTrust::Untrusted };
                w.feed(Input::Tick);
            }
        }
        onlooker.check(&w, track_now, barred);
    }
    w
}

/// The same lives every time; `PROPTEST_CASES` and `PROPTEST_RNG_SEED` ask for more and for others.
fn config() -> ProptestConfig {
    let given = |name| std::env::var_os(name).is_some();
    let env = ProptestConfig::default();
    let cases = if given("PROPTEST_CASES") { env.cases } else { 2_000 };
    let rng_seed = if given("PROPTEST_RNG_SEED") { env.rng_seed } else { RngSeed::Fixed(7) };
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..env }
}

proptest! {
    #![proptest_config(config())]

    /// The laws of `Onlooker::check` and of `World::feed` in every life.
    #[test]
    fn every_life_keeps_the_laws(settings in settings(), acts in acts()) {
        let mut w = live(&settings, &acts);
        // Left alone, the relay is off, unless somebody or something still holds it.
        w.now.trust = ClockTrust::Untrusted;
        w.pass(200_000_000);
        let held = matches!(w.state(), DoorState::UnlockedHold | DoorState::EmergencyRelease);
        prop_assert!(w.relay.is_none() || held, "{:?} in {:?}", w.relay, w.state());
        prop_assert_eq!(w.gate.poll_timeout(), None);
        prop_assert!(w.most <= MAX_OUTPUTS);
    }

    /// Setting the wall clock moves no relay and changes no decision about people without a period of validity.
    #[test]
    fn the_wall_clock_decides_nothing(settings in settings(), acts in acts()) {
        let still: Vec<Act> = acts
            .iter()
            .map(|act| match act {
                Act::Step(_) => Act::Step(0),
                Act::Trust(_) => Act::Trust(true),
                other => other.clone(),
            })
            .collect();
        let (a, b) = (live(&settings, &acts), live(&settings, &still));
        prop_assert_eq!(&a.decisions, &b.decisions);
        let kinds = |w: &World| -> Vec<_> {
            w.log.iter().map(|e| (e.at.mono, e.kind, e.cause)).collect()
        };
        prop_assert_eq!(kinds(&a), kinds(&b));
    }

    /// Whoever does not take outputs loses some, is told of it, and never the last release.
    #[test]
    fn an_idle_caller_never_leaves_the_relay_on(
        settings in settings(),
        steps in prop::collection::vec((0_u8..12, 0_u64..9_000, prop::bool::weighted(0.1)), 1..200),
    ) {
        let mut gate = Gate::new(GateConfig::checked(settings).unwrap());
        let mut now = Now::default();
        let mut relay = false;
        for (seq, (what, ms, drain)) in steps.into_iter().enumerate() {
            now.mono = now.mono.after(Millis(ms));
            let input = match what {
                0..=6 => Input::Operator(order(what)),
                7 => Input::Schedule(ms % 2 == 0),
                8 => Input::Fault(Part::Wires, text("x")),
                9 => Input::FaultCleared(Part::Wires),
                _ => Input::Look(Look {
                    captured: now.mono,
                    frame_seq: seq as u64,
                    subject: Some((TrackId(seq as u32 / 3), Detection::default())),
                    faces: 1,
                    verdict: person("anna"),
                }),
            };
            gate.handle(input, now);
            if drain {
                let outputs: Vec<Output> = core::iter::from_fn(|| gate.poll_output()).collect();
                prop_assert!(outputs.len() <= MAX_OUTPUTS);
                check_causes(&outputs);
                for output in &outputs {
                    if let Output::Relay { energised, .. } = output {
                        relay = *energised;
                    }
                }
                prop_assert_eq!(relay, gate.relay());
            }
        }
    }
}

/// Everything that can fall due at once does, in one call: the end of an unlocking and of a lockdown, both
/// warnings of an open door, a fruitless visit, all four wires, a grant and a screen.
#[test]
fn the_fullest_batch_fits() {
    for fire_unlocks in [false, true] {
        let mut w = World::with(|s| {
            (s.strike_ms, s.held_warn_ms, s.held_alarm_ms) = (1_500, 1_000, 1_001);
            (s.no_face_timeout_ms, s.consistent_frames) = (1_000, 1);
            s.fire_unlocks = fire_unlocks;
        });
        w.presses_exit();
        w.opens();
        w.order(Operator::Lockdown(seconds(1)));
        w.look(1, poor(QualityReason::Dark));
        for input in [wires::Input::Contact, wires::Input::Rex, wires::Input::Tamper, wires::Input::Fire] {
            w.wire(input, input != wires::Input::Contact);
        }
        w.stall(1_900);
        w.most = 0;
        w.look(2, person("anna"));
        assert_eq!(w.last_decision(), Some(Ok("anna".into())));
        // One more where outputs were lost before: the note of it.
        assert!(w.most >= 17 && w.most < MAX_OUTPUTS, "{}", w.most);
    }
}
