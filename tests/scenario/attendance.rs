//! A kiosk's morning: who came, when it counts, and what the display says of it.
//!
//! Owns: stories of punches at the door. Does not own: records, totals, exports (`tests/attendance.rs`).

use ostiary::access::Input;
use ostiary::domain::attendance::{AttendanceRules, LastPunch, PunchKey, PunchMode};
use ostiary::domain::{ClockTrust, Key, PunchKind, PunchSource, Rulebook, ScheduleNo, Screen, Standing, Utc};

use crate::world::{World, person, person_with, stranger};

fn kiosk(mode: PunchMode) -> Rulebook {
    Rulebook { attendance: AttendanceRules { mode, ..AttendanceRules::default() }, ..Rulebook::default() }
}

fn comes(w: &mut World, track: u32, id: &str) {
    w.looks(2, track, &person(id));
    w.nobody(300);
}

fn kinds(w: &World) -> Vec<(&str, PunchKind)> {
    w.punches.iter().map(|p| (p.person.as_str(), p.kind)).collect()
}

#[test]
fn in_and_out_by_turns_and_a_second_look_is_the_same_punch() {
    let mut w = World::new();
    w.rules(&kiosk(PunchMode::Toggle));
    comes(&mut w, 1, "anna");
    assert!(matches!(w.screen, Some(Screen::Punched { kind: PunchKind::CheckIn, again: false, .. })));
    w.pass(40_000);
    comes(&mut w, 2, "anna");
    assert!(matches!(w.screen, Some(Screen::Punched { kind: PunchKind::CheckIn, again: true, .. })));
    w.pass(4 * 3_600_000);
    comes(&mut w, 3, "anna");
    comes(&mut w, 4, "bert");
    w.looks(3, 5, &stranger());
    let wanted = [("anna", PunchKind::CheckIn), ("anna", PunchKind::CheckOut), ("bert", PunchKind::CheckIn)];
    assert_eq!(kinds(&w), wanted);
    assert!(w.punches.iter().all(|p| p.source == PunchSource::Face));
}

#[test]
fn the_turn_goes_on_over_a_restart_and_begins_anew_after_a_forgotten_way_out() {
    let mut w = World::new();
    w.rules(&kiosk(PunchMode::Toggle));
    let ago = |w: &World, s: i64, kind| {
        let at = Utc(w.now.utc.0 - s * 1_000);
        person_with("anna", Standing { last_punch: Some(LastPunch { kind, at }), ..Standing::default() })
    };
    for (track, (s, before, wanted)) in [
        (8 * 3_600, PunchKind::CheckIn, PunchKind::CheckOut),
        (17 * 3_600, PunchKind::CheckIn, PunchKind::CheckIn),
        (3_600, PunchKind::BreakOut, PunchKind::BreakIn),
        (3_600, PunchKind::CheckOut, PunchKind::CheckIn),
    ]
    .into_iter()
    .enumerate()
    {
        let mut w = World::new();
        w.rules(&kiosk(PunchMode::Toggle));
        let look = ago(&w, s, before);
        w.looks(2, track as u32, &look);
        assert_eq!(w.punches.last().map(|p| p.kind), Some(wanted), "{before:?} {s} s ago");
    }
    let look = ago(&w, 30, PunchKind::CheckIn);
    w.looks(2, 1, &look);
    assert_eq!(w.punches.len(), 0, "the same punch, though the door was started again in between");
}

#[test]
fn keys_choose_for_one_visitor_or_for_all_that_follow() {
    let mut w = World::new();
    w.rules(&kiosk(PunchMode::User));
    comes(&mut w, 1, "anna");
    assert_eq!(w.punches.len(), 0, "nobody said what it was");
    assert!(matches!(w.screen, Some(Screen::Welcome { .. })));
    w.feed(Input::Key(Key::Function(3)));
    comes(&mut w, 2, "bert");
    comes(&mut w, 3, "cleo");
    assert_eq!(kinds(&w), [("bert", PunchKind::BreakOut)], "a key serves one visitor");
    w.rules(&kiosk(PunchMode::Last));
    w.feed(Input::Key(Key::Function(2)));
    w.feed(Input::Key(Key::Function(9)));
    w.pass(600_000);
    for (track, id) in [(4, "anna"), (5, "dora")] {
        comes(&mut w, track, id);
    }
    assert_eq!(kinds(&w)[1..], [("anna", PunchKind::CheckOut), ("dora", PunchKind::CheckOut)]);
}

#[test]
fn a_key_brings_its_job() {
    let mut w = World::new();
    let mut book = kiosk(PunchMode::User);
    book.attendance.keys[15] = Some(PunchKey { kind: PunchKind::OvertimeIn, job: 412 });
    w.rules(&book);
    w.feed(Input::Key(Key::Function(16)));
    comes(&mut w, 1, "anna");
    assert_eq!(w.punches.last().map(|p| (p.kind, p.job)), Some((PunchKind::OvertimeIn, 412)));
}

#[test]
fn a_schedule_chooses_a_fixed_kiosk_does_not_and_the_idle_screen_says_so() {
    let mut w = World::new();
    let mut book = kiosk(PunchMode::Schedule);
    book.attendance.schedules.push((ScheduleNo::ALWAYS, PunchKind::OvertimeOut)).expect("room");
    w.rules(&book);
    let idle = w.screens.last().cloned();
    assert!(matches!(idle, Some(Screen::Kiosk { kind: Some(PunchKind::OvertimeOut), .. })), "{idle:?}");
    comes(&mut w, 1, "anna");
    w.rules(&kiosk(PunchMode::Fixed));
    w.feed(Input::Key(Key::Function(2)));
    comes(&mut w, 2, "bert");
    assert_eq!(kinds(&w), [("anna", PunchKind::OvertimeOut), ("bert", PunchKind::CheckIn)]);
}

#[test]
fn a_punch_says_whether_its_clock_was_believed() {
    let mut w = World::new();
    w.rules(&kiosk(PunchMode::Fixed));
    w.now.trust = ClockTrust::Untrusted;
    comes(&mut w, 1, "anna");
    assert_eq!(w.punches.last().map(|p| p.at.trust), Some(ClockTrust::Untrusted));
}
