//! The attendance book: no punch lost, none doubled, none edited, through kills and a disk that refuses.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ostiary::domain::{
    ClockTrust, DoorId, Event, EventKind, EventSeq, Mono, Now, Punch, PunchKind, PunchSource, Utc,
};
use ostiary::store::{Correction, Expired, Expiry, Options, Record, Store, StoreError};

use crate::common::{event, id, key, noise, person, place};

const PATH: &str = "OSTIARY_TEST_BOOK";
const T: i64 = 1_780_000_000_000;

fn punch(who: usize, at_s: i64, kind: PunchKind) -> Record {
    let at = Now { mono: Mono(0), utc: Utc(T + at_s * 1_000), trust: ClockTrust::Trusted };
    let punch = Punch { person: id(who), at, kind, job: 7, source: PunchSource::Face };
    Record::Punch { punch, door: DoorId(1), same_s: 60 }
}

fn punched(store: &Store) -> Vec<(String, i64)> {
    let lines = store.punches(1, usize::MAX).unwrap();
    lines.iter().map(|l| (l.person.to_string(), (l.at.0 - T) / 1_000)).collect()
}

#[test]
fn a_second_punch_within_the_window_is_the_same_and_leaves_no_trace() {
    let place = place();
    let store = place.open();
    let all = [
        punch(1, 0, PunchKind::CheckIn),
        punch(1, 59, PunchKind::CheckOut),
        punch(2, 30, PunchKind::CheckIn),
        punch(1, 60, PunchKind::CheckOut),
    ];
    store.append_records(&all).unwrap();
    // The process died before it heard that they were written, and writes them again.
    store.append_records(&all).unwrap();
    let wanted = [(id(1).to_string(), 0), (id(2).to_string(), 30), (id(1).to_string(), 60)];
    assert_eq!(punched(&store), wanted);
    let events = store.read_events(EventSeq(1), 100).unwrap();
    assert_eq!(events.len(), 3, "an event a punch");
    assert_eq!(events[2].event.detail.as_str(), "check_out job 7 number 3");
    drop(store);
    assert_eq!(punched(&place.open()), wanted);
}

#[test]
fn a_correction_is_appended_and_takes_back_once() {
    let place = place();
    let store = place.open();
    store.append_records(&[punch(1, 0, PunchKind::CheckIn), punch(2, 0, PunchKind::CheckIn)]).unwrap();
    let fix = |voids, who: usize| Correction {
        person: id(who),
        adds: Some((Utc(T + 3_600_000), PunchKind::CheckOut, 0)),
        voids,
        by: "office".into(),
        why: "forgot".into(),
    };
    let told = event(EventKind::Punch, 5).of(&id(1));
    assert_eq!(store.correct(&fix(Some(1), 1), &told).unwrap(), 3);
    for (voids, who) in [(Some(1), 1), (Some(2), 1), (Some(9), 1), (Some(0), 1)] {
        let refused = store.correct(&fix(voids, who), &told);
        assert!(matches!(refused, Err(StoreError::NoSuchPunch { .. })), "{voids:?}");
    }
    let lines = store.punches(1, 10).unwrap();
    assert_eq!(lines.len(), 3);
    assert_eq!((lines[0].voids, lines[0].kind), (None, Some(PunchKind::CheckIn)), "as it was written");
    assert_eq!((lines[2].voids, lines[2].source), (Some(1), PunchSource::Manual));
    assert_eq!((lines[2].by.as_str(), lines[2].why.as_str()), ("office", "forgot"));
}

#[test]
fn a_missing_punch_that_is_added_twice_is_there_once() {
    let place = place();
    let store = place.open();
    let told = event(EventKind::Punch, 5).of(&id(1));
    let missing = |voids, adds: bool, why: &str| Correction {
        person: id(1),
        adds: adds.then_some((Utc(T), PunchKind::CheckIn, 0)),
        voids,
        by: "office".into(),
        why: why.into(),
    };
    let add = |why: &str| store.correct(&missing(None, true, why), &told).unwrap();
    assert_eq!((add("forgot"), add("forgot"), add("forgot")), (1, 1, 1));
    assert_eq!(add("was early"), 2, "other words are another line");
    assert_eq!(store.read_events(EventSeq(1), 10).unwrap().len(), 2, "an event a line");
    assert_eq!(store.correct(&missing(Some(1), false, "no"), &told).unwrap(), 3);
    assert_eq!(add("forgot"), 4, "it was taken back, so it may be added anew");
}

#[test]
fn a_month_is_found_whatever_the_clock_did_and_old_lines_go() {
    let place = place();
    let store = place.open();
    let day = 86_400;
    for at in [0, day, 40 * day, 2 * day, 41 * day] {
        store.append_records(&[punch(1, at, PunchKind::CheckIn)]).unwrap();
    }
    let since = |days: i64| {
        let lines = store.punches_since(Utc(T + days * day * 1_000)).unwrap();
        lines.iter().map(|l| l.number).collect::<Vec<_>>()
    };
    assert_eq!(since(0), [1, 2, 3, 4, 5]);
    // The fourth was written after the clock had been set back.
    assert_eq!(since(2), [3, 4, 5]);
    assert_eq!(since(50), [0_u64; 0]);
    let due = Expiry { punches: Some(Utc(T + 2 * day * 1_000)), ..Expiry::default() };
    let told = |_: &Expired| vec![event(EventKind::ConfigChanged, 9)];
    assert_eq!(store.expire(&due, told).unwrap().punches, 2);
    assert_eq!((store.punch_count(), since(0)), (3, vec![3, 4, 5]));
    drop(store);
    let store = place.open();
    assert_eq!(store.punch_count(), 3);
    store.append_records(&[punch(2, 42 * day, PunchKind::CheckIn)]).unwrap();
    assert_eq!(store.punches(1, 10).unwrap().last().map(|l| l.number), Some(6));
}

#[test]
fn lines_survive_an_erasure_and_the_export_holds_them() {
    let place = place();
    let store = place.open();
    for who in [1, 2] {
        store.put_person(&person(who), &[]).unwrap();
        store.append_records(&[punch(who, 0, PunchKind::CheckIn)]).unwrap();
    }
    let export = store.export_person(&id(1)).unwrap();
    assert_eq!((export.punches.len(), export.punches[0]["kind"].as_str()), (1, Some("check_in")));
    store.delete_person(&id(1), &[]).unwrap();
    assert_eq!(punched(&store).len(), 2, "owed to whoever pays wages, by id alone");
    drop(store);
    assert_eq!(punched(&place.open()).len(), 2);
}

/// Not a test of its own: the kiosk that is killed. It punches, and on every start begins with what it cannot know to
/// have been written.
#[test]
fn child() {
    let Some(path) = std::env::var_os(PATH).map(PathBuf::from) else { return };
    let store = Store::open(&path, key(), Options::default()).unwrap();
    let mut out = std::io::stderr();
    let first = store.punch_count().saturating_sub(1) as usize;
    for i in first..first + 10_000 {
        // Offline all the while: nobody confirms anything.
        store.append_records(&[punch(i, i as i64 * 10, PunchKind::CheckIn)]).unwrap();
        writeln!(out, "ack {i}").unwrap();
    }
}

#[test]
fn kill_nine_neither_loses_nor_doubles_a_punch() {
    let place = place();
    let mut acknowledged = 0;
    for round in 0..5_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "attendance::child", "--nocapture", "--test-threads=1"])
            .env(PATH, &place.path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let wanted = 3 + noise(round + 1, 1)[0] % 9;
        let mut note = |line: &str| match line.strip_prefix("ack ") {
            Some(i) => {
                acknowledged = acknowledged.max(i.parse::<usize>().unwrap() + 1);
                true
            }
            None => false,
        };
        let mut seen = 0;
        while seen < wanted {
            let Some(line) = lines.next() else { panic!("the child ended by itself") };
            seen += u8::from(note(&line.unwrap()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines {
            note(&line.unwrap());
        }
        let store = place.open();
        let all = punched(&store);
        assert!([acknowledged, acknowledged + 1].contains(&all.len()), "round {round}: {}", all.len());
        for (i, (who, at)) in all.iter().enumerate() {
            assert_eq!((who.as_str(), *at), (id(i).as_str(), i as i64 * 10), "round {round}");
        }
        let events = store.read_events(EventSeq(1), 10_000).unwrap();
        let of_punches = events.iter().filter(|e| matches!(e.event, Event { kind: EventKind::Punch, .. }));
        assert_eq!(of_punches.count(), all.len(), "round {round}: an event a punch");
        store.verify_chain().unwrap();
    }
}
