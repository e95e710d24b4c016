//! Each rule by an example, and the order. The rules against their models are in `model`.

use super::*;
use ostiary_domain::rulebook::Level;
use ostiary_domain::schedule::Periods;
use ostiary_domain::{Exceptions, Holiday, Mono, Period, Schedule, Utc, Zone};

/// 2026-11-20, a Friday, at noon.
const NOON: i64 = 1_795_176_000_000;

fn at(book: &Rulebook, utc: i64) -> Circumstances<'_> {
    Circumstances {
        now: Now { mono: Mono(0), utc: Utc(utc), trust: ClockTrust::Trusted },
        local: Zone::UTC.local(Utc(utc)),
        untrusted_clock: UntrustedClock::RefuseLimited,
        door: DoorId(1),
        book,
        closed: false,
        last: None,
        others_open: None,
        claim: Claim::None,
        second: Second::Missing,
        pin: PinGiven::Missing,
        locked_out: false,
    }
}

fn blind(c: Circumstances<'_>) -> Circumstances<'_> {
    let now = Now { trust: ClockTrust::Untrusted, ..c.now };
    Circumstances { now, local: None, ..c }
}

fn from_to(from: Option<i64>, until: Option<i64>) -> Standing {
    let (valid_from, valid_until) = (from.map(Utc), until.map(Utc));
    Standing { valid_from, valid_until, ..Standing::default() }
}

/// Group 1 opens door 1 on weekdays from eight to eighteen, group 2 door 2 at any time, group 3 door 1 always.
fn office() -> Rulebook {
    let mut week: [Periods; 7] = Default::default();
    for day in &mut week[..5] {
        day.push(Period::new(480, 1_080).unwrap()).unwrap();
    }
    let holidays = [Some(Periods::new()), None, None, None];
    let mut book = Rulebook { everyone: false, ..Rulebook::default() };
    book.schedules.push(Schedule { week, holidays }).unwrap();
    for (door, schedule) in [(1, 1), (2, 0), (1, 0)] {
        let doors = core::iter::once(door).collect();
        book.levels.push(Level { doors, schedule: ScheduleNo(schedule) }).unwrap();
    }
    for levels in [1, 2, 4] {
        book.groups.push(levels).unwrap();
    }
    book
}

fn member(groups: &[u8]) -> Standing {
    Standing { groups: groups.iter().copied().collect(), ..Standing::default() }
}

fn asked(standing: &Standing, c: &Circumstances<'_>) -> Option<DenyReason> {
    objection(Finding::Person(standing), c)
}

#[test]
fn rules_are_asked_in_the_order_of_the_specification() {
    assert!(RULES.iter().map(|(reason, _)| *reason).eq(DenyReason::ALL));
    assert!(RULES.windows(2).all(|w| w[0].0 < w[1].0));
}

#[test]
fn no_face_but_a_living_known_one_is_ever_let_in() {
    let book = Rulebook::default();
    for finding in [Finding::Spoof, Finding::Unknown, Finding::LowMargin] {
        assert!(objection(finding, &at(&book, 0)).is_some(), "{finding:?}");
    }
    assert_eq!(asked(&Standing::default(), &at(&book, 0)), None);
}

#[test]
fn the_first_rule_that_fails_is_the_reason() {
    let book = Rulebook::default();
    let all = Circumstances { closed: true, locked_out: true, ..at(&book, 100) };
    let off = Standing { status: PersonStatus::Inactive, ..from_to(Some(200), Some(50)) };
    assert_eq!(objection(Finding::Spoof, &all), Some(DenyReason::Spoof));
    assert_eq!(objection(Finding::Unknown, &all), Some(DenyReason::UnknownFace));
    assert_eq!(asked(&off, &all), Some(DenyReason::Disabled));
    assert_eq!(asked(&from_to(Some(200), Some(50)), &all), Some(DenyReason::NotYetValid));
    assert_eq!(asked(&from_to(None, Some(50)), &all), Some(DenyReason::Expired));
    let fine = from_to(Some(0), Some(100));
    assert_eq!(asked(&fine, &all), Some(DenyReason::Lockdown));
    let open = Circumstances { closed: false, ..all };
    assert_eq!(asked(&fine, &open), Some(DenyReason::PinLocked));
    assert_eq!(asked(&fine, &at(&book, 100)), None, "the last day still counts");
    assert_eq!(asked(&fine, &at(&book, 101)), Some(DenyReason::Expired));
}

#[test]
fn enrolment_that_is_not_finished_opens_nothing() {
    let book = Rulebook::default();
    let pending = Standing { status: PersonStatus::Pending, ..Standing::default() };
    assert_eq!(asked(&pending, &at(&book, 0)), Some(DenyReason::Disabled));
    let exceptions = Exceptions { blocked: true, any_time: true, ..Exceptions::default() };
    let blocked = Standing { exceptions, ..Standing::default() };
    assert_eq!(asked(&blocked, &at(&book, 0)), Some(DenyReason::Blocklisted));
}

#[test]
fn a_clock_that_is_not_trusted_refuses_whoever_has_a_period_unless_told_otherwise() {
    let book = Rulebook::default();
    let c = blind(at(&book, 50));
    for limited in [from_to(Some(0), None), from_to(None, Some(100)), from_to(Some(0), Some(100))] {
        assert_eq!(asked(&limited, &c), Some(DenyReason::Expired));
        let lenient = Circumstances { untrusted_clock: UntrustedClock::IgnoreLimits, ..c };
        assert_eq!(asked(&limited, &lenient), None);
    }
    assert_eq!(asked(&Standing::default(), &c), None);
}

#[test]
fn groups_open_their_doors_in_their_hours() {
    let mut book = office();
    let day = 86_400_000;
    assert_eq!(asked(&member(&[]), &at(&book, NOON)), Some(DenyReason::NoGroup));
    assert_eq!(asked(&member(&[2]), &at(&book, NOON)), Some(DenyReason::NoGroup), "another door");
    assert_eq!(asked(&member(&[4, 255]), &at(&book, NOON)), Some(DenyReason::NoGroup), "no such group");
    assert_eq!(asked(&member(&[1]), &at(&book, NOON)), None);
    assert_eq!(asked(&member(&[1]), &at(&book, NOON + day)), Some(DenyReason::OutsideSchedule));
    assert_eq!(asked(&member(&[1, 3]), &at(&book, NOON + day)), None, "one level that is open is enough");
    book.holidays.push(Holiday::new(Some(2026), 11, 20, 1, 1).unwrap()).unwrap();
    assert_eq!(asked(&member(&[1]), &at(&book, NOON)), Some(DenyReason::Holiday));
    let exceptions = Exceptions { any_time: true, ..Exceptions::default() };
    assert_eq!(asked(&Standing { exceptions, ..member(&[1]) }, &at(&book, NOON)), None);
    assert_eq!(asked(&Standing { exceptions, ..member(&[]) }, &at(&book, NOON)), Some(DenyReason::NoGroup));
}

#[test]
fn without_a_clock_only_what_is_open_at_every_minute_is_open() {
    let mut book = office();
    let c = blind(at(&book, NOON));
    assert_eq!(asked(&member(&[1]), &c), Some(DenyReason::OutsideSchedule));
    assert_eq!(asked(&member(&[3]), &c), None);
    let lenient = Circumstances { untrusted_clock: UntrustedClock::IgnoreLimits, ..c };
    assert_eq!(asked(&member(&[1]), &lenient), None);
    book.levels[0].schedule = ScheduleNo(9);
    let c = Circumstances { untrusted_clock: UntrustedClock::IgnoreLimits, ..blind(at(&book, NOON)) };
    assert_eq!(asked(&member(&[1]), &c), Some(DenyReason::OutsideSchedule), "a schedule that is not there");
    book.door.modes.push((ScheduleNo(1), Mode::FacePin)).unwrap();
    book.door.dual = Some(ScheduleNo(1));
    let c = blind(at(&book, NOON));
    assert_eq!(c.door_mode(), Mode::FacePin, "the strictest that could hold");
    assert!(c.needs_two(&Standing::default()));
}

#[test]
fn whoever_goes_in_twice_is_kept_out() {
    let mut book = Rulebook::default();
    book.door.apb = AntiPassback::Hard;
    let went = |side, s: u64| Some(LastPassage { side, ago: Some(Millis::secs(s)) });
    let inside = Circumstances { last: went(Side::Entry, 3_600), ..at(&book, NOON) };
    let nobody = Standing::default();
    assert_eq!(asked(&nobody, &inside), Some(DenyReason::Apb));
    assert_eq!(asked(&nobody, &Circumstances { last: went(Side::Exit, 3_600), ..inside }), None);
    assert_eq!(asked(&nobody, &at(&book, NOON)), None, "nothing on record");
    let exceptions = Exceptions { no_apb: true, ..Exceptions::default() };
    assert_eq!(asked(&Standing { exceptions, ..nobody }, &inside), None);
    let soft = Rulebook {
        door: ostiary_domain::rulebook::DoorRules { apb: AntiPassback::Soft, ..Default::default() },
        ..Rulebook::default()
    };
    let c = Circumstances { last: went(Side::Entry, 3_600), ..at(&soft, NOON) };
    assert_eq!((asked(&nobody, &c), c.passes_back(&nobody)), (None, true), "let in and reported");
    book.door.forget_s = 3_600;
    let inside = Circumstances { last: went(Side::Entry, 3_600), ..at(&book, NOON) };
    assert_eq!(asked(&nobody, &inside), None, "forgotten");
    assert_eq!(
        asked(&nobody, &Circumstances { last: went(Side::Entry, 3_599), ..inside }),
        Some(DenyReason::Apb)
    );
    (book.door.apb, book.door.timed_apb_s) = (AntiPassback::Off, 60);
    let soon = Circumstances { last: went(Side::Entry, 59), ..at(&book, NOON) };
    assert_eq!(asked(&nobody, &soon), Some(DenyReason::TimedApb));
    assert_eq!(asked(&nobody, &Circumstances { last: went(Side::Entry, 60), ..soon }), None);
}

#[test]
fn an_interlock_that_knows_nothing_is_shut() {
    let mut book = Rulebook::default();
    book.door.interlock = true;
    let c = at(&book, NOON);
    assert_eq!(asked(&Standing::default(), &c), Some(DenyReason::Interlock));
    let others_open = Some(true);
    assert_eq!(asked(&Standing::default(), &Circumstances { others_open, ..c }), Some(DenyReason::Interlock));
    let others_open = Some(false);
    assert_eq!(asked(&Standing::default(), &Circumstances { others_open, ..c }), None);
}

#[test]
fn each_mode_asks_for_what_it_says() {
    let mut book = Rulebook::default();
    let keys = Standing { has_pin: true, ..Standing::default() };
    book.door.mode = Mode::FacePin;
    let c = at(&book, NOON);
    assert_eq!(asked(&keys, &c), Some(DenyReason::PinRequired));
    assert_eq!(asked(&keys, &Circumstances { pin: PinGiven::Wrong, ..c }), Some(DenyReason::PinBad));
    let right = Circumstances { pin: PinGiven::Right, ..c };
    assert_eq!(asked(&keys, &right), None);
    assert_eq!(asked(&Standing::default(), &right), Some(DenyReason::PinRequired), "no PIN on record");
    let exceptions = Exceptions { mode: Some(Mode::Face), ..Exceptions::default() };
    assert_eq!(asked(&Standing { exceptions, ..keys }, &c), None, "what is set for the person goes first");
    book.door.mode = Mode::IdFace;
    let c = at(&book, NOON);
    assert_eq!(asked(&keys, &c), Some(DenyReason::PinRequired), "an id is missing");
    assert_eq!(asked(&keys, &Circumstances { claim: Claim::Other, ..c }), Some(DenyReason::UnknownFace));
    assert_eq!(asked(&keys, &Circumstances { claim: Claim::Same, ..c }), None);
    book.door.mode = Mode::Prohibited;
    let c = at(&book, NOON);
    assert_eq!(asked(&Standing { exceptions, ..keys }, &c), Some(DenyReason::OutsideSchedule));
    book.door.mode = Mode::Face;
    book.door.modes.push((ScheduleNo::ALWAYS, Mode::Prohibited)).unwrap();
    let c = at(&book, NOON);
    assert_eq!(asked(&keys, &c), Some(DenyReason::OutsideSchedule));
    let exceptions = Exceptions { any_time: true, ..Exceptions::default() };
    assert_eq!(asked(&Standing { exceptions, ..keys }, &c), None);
}

#[test]
fn two_people_are_needed_and_asked_for_before_the_pin() {
    let mut book = Rulebook::default();
    book.door.dual = Some(ScheduleNo::ALWAYS);
    book.door.mode = Mode::FacePin;
    let c = at(&book, NOON);
    let keys = Standing { has_pin: true, ..Standing::default() };
    assert_eq!(asked(&keys, &c), Some(DenyReason::DualAuthPending));
    assert_eq!(
        asked(&keys, &Circumstances { second: Second::TooLate, ..c }),
        Some(DenyReason::DualAuthTimeout)
    );
    assert_eq!(asked(&keys, &Circumstances { second: Second::There, ..c }), Some(DenyReason::PinRequired));
    let exceptions = Exceptions { alone: true, ..Exceptions::default() };
    assert_eq!(asked(&Standing { exceptions, ..keys }, &c), Some(DenyReason::PinRequired));
}
