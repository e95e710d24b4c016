//! Rules seen at the door: schedules that hold it, people who go in twice, PINs, two people, other doors.
//!
//! Owns: stories of what takes more than a face. Does not own: each rule by itself (beside its code).

use ostiary::access::{DoorState, Input};
use ostiary::domain::rulebook::{AntiPassback, DoorRules, Level};
use ostiary::domain::schedule::Periods;
use ostiary::domain::wires;
use ostiary::domain::{
    ClockTrust, DenyReason, EventKind, Exceptions, GrantCause, Holiday, Key, LookVerdict, Mode, Mono,
    Passage, Period, PinVerdict, Rulebook, Schedule, ScheduleNo, Screen, Side, Standing, Utc, VisitorReason,
    Zone,
};

use crate::world::{World, person, person_with};

const DAY_MS: u64 = 86_400_000;

fn door(door: DoorRules) -> Rulebook {
    Rulebook { door, ..Rulebook::default() }
}

/// Every day from eight to ten, in group-1 holidays not at all.
fn mornings() -> Schedule {
    let day: Periods = core::iter::once(Period::new(480, 600).expect("a period")).collect();
    let holidays = [Some(Periods::new()), None, None, None];
    Schedule { week: core::array::from_fn(|_| day.clone()), holidays }
}

fn with_schedule(rules: DoorRules) -> Rulebook {
    let mut book = door(rules);
    book.schedules.push(mornings()).expect("room");
    book
}

fn pin_holder(id: &str) -> LookVerdict {
    person_with(id, Standing { has_pin: true, ..Standing::default() })
}

fn enters(w: &mut World, track: u32, verdict: &LookVerdict) {
    w.looks(2, track, verdict);
    w.nobody(300);
}

/// Brings the wall clock to that minute of the next day.
fn until_minute(w: &mut World, minute: u64) {
    let into = w.now.utc.0.rem_euclid(DAY_MS as i64) as u64;
    w.pass(DAY_MS - into + minute * 60_000);
}

#[test]
fn a_schedule_holds_the_door_open_and_lets_it_go_on_the_minute() {
    let mut w = World::new();
    w.rules(&with_schedule(DoorRules { unlock: Some(ScheduleNo(1)), ..DoorRules::default() }));
    until_minute(&mut w, 480);
    assert_eq!((w.state(), w.relay), (DoorState::UnlockedHold, Some(GrantCause::Schedule)));
    let begun = w.log.iter().find(|e| e.kind == EventKind::ScheduleStart).expect("begun");
    assert_eq!(begun.at.utc.0.rem_euclid(DAY_MS as i64), 480 * 60_000);
    w.pass(120 * 60_000 - 1);
    assert!(w.relay.is_some());
    w.pass(1);
    assert_eq!((w.relay, w.count(EventKind::ScheduleEnd)), (None, 1));
}

#[test]
fn the_first_person_opens_for_all_until_the_schedule_ends_and_the_next_day_anew() {
    let mut w = World::new();
    let rules = DoorRules { unlock: Some(ScheduleNo(1)), first_person: true, ..DoorRules::default() };
    w.rules(&with_schedule(rules));
    for day in 1..3 {
        until_minute(&mut w, 481);
        assert_eq!((w.relay, w.count(EventKind::ScheduleStart)), (None, day - 1), "nobody has come yet");
        enters(&mut w, day as u32, &person("anna"));
        assert_eq!(w.count(EventKind::ScheduleStart), day);
        w.pass(60_000);
        assert_eq!(w.relay, Some(GrantCause::Schedule));
        w.pass(120 * 60_000);
        assert_eq!((w.relay, w.count(EventKind::ScheduleEnd)), (None, day));
        enters(&mut w, 10 + day as u32, &person("anna"));
        w.pass(10_000);
        assert_eq!(w.relay, None, "outside the schedule the first person is one as any other");
    }
}

#[test]
fn a_clock_that_is_not_believed_lets_no_schedule_hold_the_door() {
    let mut w = World::new();
    w.rules(&with_schedule(DoorRules { unlock: Some(ScheduleNo(1)), ..DoorRules::default() }));
    until_minute(&mut w, 500);
    assert!(w.relay.is_some());
    w.now.trust = ClockTrust::Untrusted;
    w.pass(1);
    assert_eq!(w.relay, None);
    w.now.trust = ClockTrust::Trusted;
    w.pass(1);
    assert_eq!(w.relay, Some(GrantCause::Schedule));
}

#[test]
fn a_schedule_follows_the_clock_on_the_wall_over_a_change_of_time() {
    let mut w = World::new();
    w.rules(&with_schedule(DoorRules { unlock: Some(ScheduleNo(1)), ..DoorRules::default() }));
    // One hour ahead of UTC, two from the coming midnight on.
    let midnight = Utc(w.now.utc.0 - w.now.utc.0.rem_euclid(DAY_MS as i64) + DAY_MS as i64);
    let zone = Zone { offset_s: 3_600, change: Some((midnight, 7_200)), ..Zone::UTC };
    w.feed(Input::Zone(zone));
    until_minute(&mut w, 0);
    w.pass(DAY_MS);
    let begun: Vec<i64> =
        w.log.iter().filter(|e| e.kind == EventKind::ScheduleStart).map(|e| e.at.utc.0).collect();
    let hour = |ms: i64| ms.rem_euclid(DAY_MS as i64) / 3_600_000;
    assert_eq!(hour(*begun.last().expect("begun")), 6, "eight on the wall is six in UTC after the change");
}

#[test]
fn a_holiday_keeps_the_door_shut_that_the_week_would_open() {
    let mut w = World::new();
    let mut book = with_schedule(DoorRules { unlock: Some(ScheduleNo(1)), ..DoorRules::default() });
    let tomorrow = Zone::UTC.local(Utc(w.now.utc.0 + DAY_MS as i64)).expect("a day").day;
    let (year, month, day) = tomorrow.date();
    book.holidays.push(Holiday::new(Some(year as i16), month, day, 1, 1).expect("a day")).expect("room");
    w.rules(&book);
    until_minute(&mut w, 500);
    assert_eq!(w.relay, None);
    until_minute(&mut w, 500);
    assert!(w.relay.is_some(), "the day after is as any other");
}

#[test]
fn groups_bind_and_the_visitor_is_told_no_more_than_that() {
    let mut w = World::new();
    let mut book = Rulebook { everyone: false, ..Rulebook::default() };
    let doors = core::iter::once(1).collect();
    book.levels.push(Level { doors, schedule: ScheduleNo::ALWAYS }).expect("room");
    book.groups.push(1).expect("room");
    w.rules(&book);
    enters(&mut w, 1, &person("anna"));
    assert_eq!(w.last_decision(), Some(Err(DenyReason::NoGroup)));
    assert_eq!(w.screen, Some(Screen::Denied { reason: VisitorReason::NotAllowed }));
    let groups = core::iter::once(1).collect();
    enters(&mut w, 2, &person_with("bert", Standing { groups, ..Standing::default() }));
    assert_eq!(w.last_decision(), Some(Ok("bert".into())));
}

#[test]
fn whoever_went_in_goes_out_before_going_in_again() {
    let mut w = World::new();
    w.rules(&door(DoorRules { apb: AntiPassback::Hard, ..DoorRules::default() }));
    enters(&mut w, 1, &person("anna"));
    assert_eq!(w.passages, [], "let in, and not through the door yet");
    w.opens();
    assert_eq!(w.passages.len(), 1);
    assert_eq!((w.passages[0].0.as_str(), w.passages[0].1.side), ("anna", Side::Entry));
    w.shuts();
    w.pass(20_000);
    enters(&mut w, 2, &person("anna"));
    assert_eq!(
        w.last_decision(),
        Some(Err(DenyReason::Apb)),
        "whatever was on record when the face was matched"
    );
    assert_eq!(w.count(EventKind::ApbViolation), 1);
    w.feed(Input::ForgetPassages(Some("anna".parse().expect("an id"))));
    enters(&mut w, 3, &person("anna"));
    assert_eq!(w.last_decision(), Some(Ok("anna".into())), "an operator forgave");
}

#[test]
fn whoever_did_not_go_through_is_not_inside() {
    let mut w = World::new();
    w.rules(&door(DoorRules { apb: AntiPassback::Hard, ..DoorRules::default() }));
    enters(&mut w, 1, &person("anna"));
    w.pass(30_000);
    enters(&mut w, 2, &person("anna"));
    assert_eq!(w.last_decision(), Some(Ok("anna".into())));
    w.opens();
    assert_eq!(w.passages.len(), 1, "once, though let in twice");
}

#[test]
fn soft_anti_passback_lets_in_and_tells() {
    let mut w = World::new();
    w.rules(&door(DoorRules { apb: AntiPassback::Soft, ..DoorRules::default() }));
    let inside = Standing {
        last: Some(Passage { side: Side::Entry, at: Utc(w.now.utc.0 - 60_000) }),
        ..Standing::default()
    };
    enters(&mut w, 1, &person_with("anna", inside));
    assert_eq!(w.last_decision(), Some(Ok("anna".into())));
    assert_eq!(w.count(EventKind::ApbViolation), 1);
}

#[test]
fn timed_anti_passback_counts_on_the_clock_that_never_steps() {
    let mut w = World::new();
    w.rules(&door(DoorRules { timed_apb_s: 60, ..DoorRules::default() }));
    enters(&mut w, 1, &person("anna"));
    w.opens();
    w.shuts();
    w.now.utc = Utc(w.now.utc.0 + 3_600_000);
    w.pass(30_000);
    enters(&mut w, 2, &person("anna"));
    assert_eq!(
        w.last_decision(),
        Some(Err(DenyReason::TimedApb)),
        "the wall clock was set, no hour has passed"
    );
    w.pass(60_000);
    enters(&mut w, 3, &person("anna"));
    assert_eq!(w.last_decision(), Some(Ok("anna".into())));
}

#[test]
fn another_open_door_keeps_this_one_shut_and_so_does_silence() {
    let mut w = World::new();
    w.rules(&door(DoorRules { interlock: true, ..DoorRules::default() }));
    enters(&mut w, 1, &person("anna"));
    assert_eq!(w.last_decision(), Some(Err(DenyReason::Interlock)));
    assert_eq!(w.count(EventKind::InterlockViolation), 1);
    w.feed(Input::Others(Some(false)));
    enters(&mut w, 2, &person("anna"));
    assert_eq!(w.last_decision(), Some(Ok("anna".into())));
    w.pass(20_000);
    w.feed(Input::Others(None));
    enters(&mut w, 3, &person("bert"));
    assert_eq!(w.last_decision(), Some(Err(DenyReason::Interlock)));
}

#[test]
fn a_face_and_a_pin_open_and_the_digits_are_never_shown() {
    let mut w = World::new();
    w.rules(&door(DoorRules { mode: Mode::FacePin, ..DoorRules::default() }));
    w.looks(2, 1, &pin_holder("anna"));
    assert_eq!(w.last_decision(), Some(Err(DenyReason::PinRequired)));
    assert!(matches!(w.screen, Some(Screen::Keypad { pin: true, entered: 0, .. })), "{:?}", w.screen);
    w.types("12");
    assert!(w.asked.is_none(), "too short to be one");
    w.feed(Input::Key(Key::Digit(7)));
    assert!(matches!(w.screen, Some(Screen::Keypad { pin: true, entered: 1, .. })), "{:?}", w.screen);
    w.feed(Input::Key(Key::Clear));
    w.types("4711");
    let (_, id, pin) = w.asked.clone().expect("asked");
    assert_eq!((id.as_str(), pin.as_str()), ("anna", "4711"));
    w.answers(PinVerdict::Right);
    assert_eq!((w.last_decision(), w.relay), (Some(Ok("anna".into())), Some(GrantCause::Face)));
    assert!(!format!("{:?}", w.log).contains("4711"));
}

#[test]
fn the_pin_of_duress_opens_and_tells_nobody_at_the_door() {
    let screens = |verdict| {
        let mut w = World::new();
        w.rules(&door(DoorRules { mode: Mode::FacePin, ..DoorRules::default() }));
        w.looks(2, 1, &pin_holder("anna"));
        w.types("4711");
        w.answers(verdict);
        w.pass(20_000);
        (w.screens, w.relay, w.log.iter().filter(|e| e.kind == EventKind::Duress).count())
    };
    let (calm, duress) = (screens(PinVerdict::Right), screens(PinVerdict::Duress));
    assert_eq!((calm.0, calm.1), (duress.0, duress.1), "nothing to be seen");
    assert_eq!((calm.2, duress.2), (0, 1));
}

#[test]
fn five_wrong_pins_lock_the_reader_and_no_key_is_heard() {
    let mut w = World::new();
    w.rules(&door(DoorRules { mode: Mode::FacePin, ..DoorRules::default() }));
    w.looks(2, 1, &pin_holder("anna"));
    for tries in 1..=5 {
        assert!(!w.gate.locked_out());
        w.types("0000");
        w.answers(PinVerdict::Wrong);
        let bad = w.log.iter().filter(|e| e.reason == Some(DenyReason::PinBad)).count();
        assert_eq!(bad, tries, "every one is on record");
    }
    assert!(w.gate.locked_out());
    w.types("4711");
    assert!(w.asked.is_none());
    w.pass(31_000);
    enters(&mut w, 2, &pin_holder("anna"));
    w.types("4711");
    w.answers(PinVerdict::Right);
    assert_eq!(w.last_decision(), Some(Ok("anna".into())));
}

#[test]
fn a_pin_in_time_or_none() {
    let mut w = World::new();
    w.rules(&door(DoorRules { mode: Mode::FacePin, ..DoorRules::default() }));
    w.looks(2, 1, &pin_holder("anna"));
    w.types("4711");
    let asked = w.asked.clone().expect("asked").0;
    w.nobody(40_000);
    w.feed(Input::PinChecked { ticket: asked, verdict: PinVerdict::Right });
    assert_eq!(w.relay, None, "an answer to a question that is no longer open");
    assert!(matches!(w.screen, Some(Screen::Idle { .. })), "{:?}", w.screen);
}

#[test]
fn an_id_at_the_keys_must_be_that_of_the_face() {
    let mut w = World::new();
    w.rules(&door(DoorRules { mode: Mode::IdFace, ..DoorRules::default() }));
    enters(&mut w, 1, &person("1001"));
    assert_eq!(w.last_decision(), Some(Err(DenyReason::PinRequired)), "no id was given");
    w.types("1002");
    enters(&mut w, 2, &person("1001"));
    assert_eq!(w.last_decision(), Some(Err(DenyReason::UnknownFace)));
    w.types("1001");
    enters(&mut w, 3, &person("1001"));
    assert_eq!(w.last_decision(), Some(Ok("1001".into())));
    w.pass(20_000);
    enters(&mut w, 4, &person("1001"));
    assert_eq!(w.last_decision(), Some(Err(DenyReason::PinRequired)), "an id serves once");
}

#[test]
fn an_id_and_a_pin_open_without_a_face_and_do_not_tell_who_is_enrolled() {
    let mut w = World::new();
    w.rules(&door(DoorRules { mode: Mode::Pin, ..DoorRules::default() }));
    let standing = Standing { has_pin: true, ..Standing::default() };
    let mut seen = Vec::new();
    for known in [true, false] {
        w.types("1001");
        let (ticket, id) = w.looked_up.take().expect("looked up");
        assert_eq!(id, "1001");
        let person = known.then(|| (ostiary::domain::clipped("Anna"), standing));
        w.feed(Input::LookedUp { ticket, person });
        seen.push(format!("{:?}", w.screen));
        w.types("4711");
        assert!(w.asked.is_some(), "asked of anybody");
        w.answers(if known { PinVerdict::Right } else { PinVerdict::Wrong });
        assert_eq!(w.relay.is_some(), known);
        w.pass(40_000);
    }
    assert_eq!(seen[0], seen[1]);
    let opened = w.log.iter().find(|e| e.kind == EventKind::DoorUnlocked).expect("opened");
    assert_eq!(opened.cause, Some(GrantCause::Pin));
    w.camera_fails("unplugged");
    w.types("1001");
    let (ticket, _) = w.looked_up.take().expect("looked up");
    w.feed(Input::LookedUp { ticket, person: Some((ostiary::domain::clipped("Anna"), standing)) });
    w.types("4711");
    w.answers(PinVerdict::Right);
    assert_eq!(w.relay, Some(GrantCause::Pin), "a blind camera is no matter where no face is asked for");
}

#[test]
fn two_people_in_time_open_and_both_are_on_record() {
    let mut w = World::new();
    w.rules(&door(DoorRules { dual: Some(ScheduleNo::ALWAYS), ..DoorRules::default() }));
    enters(&mut w, 1, &person("anna"));
    assert_eq!((w.last_decision(), w.relay), (Some(Err(DenyReason::DualAuthPending)), None));
    assert!(matches!(w.screen, Some(Screen::SecondPerson { left_s: 14..=15 })), "{:?}", w.screen);
    enters(&mut w, 2, &person("anna"));
    assert_eq!(w.relay, None, "the same person twice is one");
    w.pass(5_000);
    enters(&mut w, 3, &person("bert"));
    assert_eq!(w.relay, Some(GrantCause::Face));
    let granted: Vec<_> = w.log.iter().filter(|e| e.kind == EventKind::AccessGranted).collect();
    let mut who: Vec<_> =
        granted.iter().filter_map(|e| e.person.as_ref()).map(ostiary::domain::PersonId::as_str).collect();
    who.sort_unstable();
    assert_eq!(who, ["anna", "bert"]);
}

#[test]
fn a_second_person_too_late_is_the_first_of_two() {
    let mut w = World::new();
    w.rules(&door(DoorRules { dual: Some(ScheduleNo::ALWAYS), ..DoorRules::default() }));
    enters(&mut w, 1, &person("anna"));
    w.pass(15_000);
    let last = w.log.last().expect("logged");
    assert_eq!(last.reason, Some(DenyReason::DualAuthTimeout));
    enters(&mut w, 2, &person("bert"));
    assert_eq!((w.last_decision(), w.relay), (Some(Err(DenyReason::DualAuthPending)), None));
}

#[test]
fn the_first_of_two_must_still_be_welcome_when_the_second_comes() {
    let mut w = World::new();
    w.rules(&door(DoorRules { dual: Some(ScheduleNo::ALWAYS), ..DoorRules::default() }));
    let leaving = Standing { valid_until: Some(Utc(w.now.utc.0 + 5_000)), ..Standing::default() };
    enters(&mut w, 1, &person_with("anna", leaving));
    w.pass(8_000);
    enters(&mut w, 2, &person("bert"));
    assert_eq!((w.last_decision(), w.relay), (Some(Err(DenyReason::DualAuthPending)), None));
}

#[test]
fn each_of_two_brings_the_pin() {
    let mut w = World::new();
    let rules = DoorRules { dual: Some(ScheduleNo::ALWAYS), mode: Mode::FacePin, ..DoorRules::default() };
    w.rules(&door(rules));
    enters(&mut w, 1, &pin_holder("anna"));
    assert!(matches!(w.screen, Some(Screen::Keypad { pin: true, .. })), "{:?}", w.screen);
    enters(&mut w, 2, &pin_holder("bert"));
    w.types("4711");
    w.answers(PinVerdict::Right);
    assert_eq!(w.relay, None, "anna showed no PIN, so bert is the first");
    enters(&mut w, 3, &pin_holder("anna"));
    w.types("4711");
    w.answers(PinVerdict::Right);
    assert_eq!(w.relay, Some(GrantCause::Face));
}

#[test]
fn whoever_needs_more_time_gets_it() {
    let mut w = World::new();
    let exceptions = Exceptions { accessible: true, ..Exceptions::default() };
    enters(&mut w, 1, &person_with("anna", Standing { exceptions, ..Standing::default() }));
    w.pass(14_000);
    assert!(w.relay.is_some());
    w.opens();
    w.pass(29_000);
    assert_eq!(w.count(EventKind::HeldOpen), 0);
    w.pass(2_000);
    assert_eq!(w.count(EventKind::HeldOpen), 1);
}

#[test]
fn new_rules_void_what_was_begun_under_the_old_ones() {
    let mut w = World::new();
    let book = door(DoorRules { dual: Some(ScheduleNo::ALWAYS), ..DoorRules::default() });
    w.rules(&book);
    enters(&mut w, 1, &person("anna"));
    w.rules(&book);
    enters(&mut w, 2, &person("bert"));
    assert_eq!(w.relay, None);
    assert_eq!(w.gate.poll_timeout().map(|at| at > Mono(0)), Some(true));
    w.wire(wires::Input::Rex, true);
    w.pass(100);
    assert_eq!(w.relay, Some(GrantCause::Rex), "the way out is free whatever the rules");
}
