//! Shifts by example: nights, changes of time, corrections, what is forgotten.

use super::*;
use crate::domain::{ClockTrust, DoorId, PunchSource};

fn zone() -> TimeZone {
    crate::app::rules::named("Europe/Zurich").unwrap()
}

fn line(number: u64, at: &str, kind: PunchKind) -> PunchLine {
    let at = crate::app::rules::when(at, &zone()).unwrap();
    PunchLine {
        number,
        person: "anna".parse().unwrap(),
        at,
        trust: ClockTrust::Trusted,
        kind: Some(kind),
        job: 0,
        source: PunchSource::Face,
        voids: None,
        by: String::new(),
        why: String::new(),
        written: at,
        door: DoorId(1),
    }
}

fn range(from: &str, until: &str) -> Range {
    Range::read(Some(from), Some(until), "2026-01-01".parse().unwrap()).unwrap()
}

fn read(lines: &[PunchLine], from: &str, until: &str) -> Sheet {
    sheet(lines, range(from, until), &zone())
}

use PunchKind::{BreakIn, BreakOut, CheckIn, CheckOut, OvertimeIn, OvertimeOut};

#[test]
fn a_day_with_a_break_and_overtime() {
    let lines = [
        line(1, "2026-11-20T08:00", CheckIn),
        line(2, "2026-11-20T12:00", BreakOut),
        line(3, "2026-11-20T12:45", BreakIn),
        line(4, "2026-11-20T17:00", OvertimeIn),
        line(5, "2026-11-20T18:30", OvertimeOut),
    ];
    let s = read(&lines, "2026-11-20", "2026-11-20");
    let day = &s.days[0];
    assert_eq!((day.worked_s, day.break_s, day.overtime_s), (29_700, 2_700, 5_400));
    assert_eq!(day.span_s, 37_800, "first in to last out");
    assert_eq!(day.first_in.as_deref(), Some("2026-11-20T08:00:00+01:00"));
    assert_eq!((s.totals[0].days, s.totals[0].flaws), (1, 0));
}

#[test]
fn a_night_belongs_to_the_day_it_begins_and_is_as_long_as_it_was() {
    let night = |day: &str, next: &str| {
        let lines = [line(1, &format!("{day}T22:00"), CheckIn), line(2, &format!("{next}T06:00"), CheckOut)];
        let s = read(&lines, day, next);
        assert_eq!((s.days.len(), s.days[0].date.as_str()), (1, day));
        s.days[0].worked_s
    };
    assert_eq!(night("2026-11-20", "2026-11-21"), 8 * 3_600);
    assert_eq!(night("2026-03-28", "2026-03-29"), 7 * 3_600, "an hour was skipped");
    assert_eq!(night("2026-10-24", "2026-10-25"), 9 * 3_600, "an hour came twice");
    let lines = [line(1, "2026-11-19T22:00", CheckIn), line(2, "2026-11-20T06:00", CheckOut)];
    assert_eq!(read(&lines, "2026-11-20", "2026-11-20").days, [], "the way out is no shift of its own");
}

#[test]
fn corrections_are_appended_and_count() {
    let mut lines = vec![line(1, "2026-11-20T08:00", CheckIn), line(2, "2026-11-20T08:30", CheckOut)];
    assert_eq!(read(&lines, "2026-11-20", "2026-11-20").days[0].worked_s, 1_800);
    let fix = PunchLine {
        voids: Some(2),
        source: PunchSource::Manual,
        by: "office".into(),
        ..line(3, "2026-11-20T16:00", CheckOut)
    };
    lines.push(fix);
    assert_eq!(read(&lines, "2026-11-20", "2026-11-20").days[0].worked_s, 8 * 3_600);
    lines.push(PunchLine { voids: Some(1), kind: None, ..line(4, "2026-11-21T09:00", CheckIn) });
    let day = &read(&lines, "2026-11-20", "2026-11-20").days[0];
    assert_eq!((day.worked_s, day.shifts[0].flaw), (0, Some(ShiftFlaw::NoWayIn)));
}

#[test]
fn what_was_forgotten_is_said_and_counts_nothing() {
    let lines = [
        line(1, "2026-11-19T08:00", CheckIn),
        line(2, "2026-11-20T08:00", CheckIn),
        line(3, "2026-11-20T16:00", CheckOut),
        line(4, "2026-11-20T16:05", CheckOut),
    ];
    let s = read(&lines, "2026-11-19", "2026-11-20");
    assert_eq!(s.days[0].shifts[0].flaw, Some(ShiftFlaw::NoWayOut));
    assert_eq!((s.days[0].worked_s, s.days[1].worked_s), (0, 8 * 3_600));
    assert_eq!(s.days[1].shifts[1].flaw, Some(ShiftFlaw::NoWayIn));
    assert_eq!(s.totals[0].flaws, 2);
    let mut doubtful = lines[1..3].to_vec();
    doubtful[1].trust = ClockTrust::Untrusted;
    let day = &read(&doubtful, "2026-11-20", "2026-11-20").days[0];
    assert_eq!((day.worked_s, day.shifts[0].flaw), (8 * 3_600, Some(ShiftFlaw::Clock)), "counted, and said");
}

#[test]
fn days_and_months_as_they_are_asked_for() {
    let today = "2026-11-21".parse().unwrap();
    let of = |from, until| Range::read(from, until, today).map(|r| (r.from.to_string(), r.until.to_string()));
    let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
    assert_eq!(of(None, None), pair("2026-11-21", "2026-11-21"));
    assert_eq!(of(Some("2028-02"), None), pair("2028-02-01", "2028-02-29"));
    assert_eq!(of(Some("2026-11"), Some("2026-12")), pair("2026-11-01", "2026-12-31"));
    assert_eq!(of(Some("2026-11-21"), Some("2026-11-20")), None);
    assert_eq!(of(Some("yesterday"), None), None);
}
