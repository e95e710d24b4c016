//! The process is killed in the middle of its work: what it had said is done is done.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ostiary::domain::{EventKind, EventSeq};
use ostiary::store::{Options, Store};

use crate::common::{event, id, key, noise, person, place, template};

const PATH: &str = "OSTIARY_TEST_GALLERY";

/// Not a test of its own: the process that is killed. It says each thing after the store has acknowledged it.
#[test]
fn child() {
    let Some(path) = std::env::var_os(PATH).map(PathBuf::from) else { return };
    let store = Store::open(&path, key(), Options::default()).unwrap();
    let mut out = std::io::stderr();
    let first = store.counts().events as usize;
    for i in first..first + 10_000 {
        if i % 7 == 6 {
            let gone = id(i - 3);
            store.delete_person(&gone, &[event(EventKind::PersonDeleted, i as u64).of(&gone)]).unwrap();
            writeln!(out, "ack deleted {}", i - 3).unwrap();
        } else {
            let told = event(EventKind::EnrollOk, i as u64).of(&id(i));
            store.enrol(&person(i), &[template(i as u64, 16)], &[], &[told]).unwrap();
            writeln!(out, "ack enrolled {i}").unwrap();
        }
    }
}

#[test]
fn kill_nine_loses_nothing_that_was_acknowledged() {
    let place = place();
    let mut present = std::collections::BTreeSet::new();
    let mut acknowledged = 0;
    for round in 0..6_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child", "--nocapture", "--test-threads=1"])
            .env(PATH, &place.path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let wanted = 3 + noise(round + 1, 1)[0] % 9;
        let mut note = |line: &str| {
            let Some(said) = line.strip_prefix("ack ") else { return false };
            acknowledged += 1;
            let (what, who) = said.split_once(' ').unwrap();
            let who: usize = who.parse().unwrap();
            if what == "enrolled" { present.insert(who) } else { present.remove(&who) }
        };
        let mut seen = 0;
        while seen < wanted {
            let Some(line) = lines.next() else { panic!("the child ended by itself") };
            seen += u8::from(note(&line.unwrap()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still said before it died counts as well.
        for line in lines {
            note(&line.unwrap());
        }

        let store = place.open();
        let events = store.read_events(EventSeq(1), 10_000).unwrap();
        // The one that was being written may have been committed without having been said.
        assert!([acknowledged, acknowledged + 1].contains(&events.len()), "round {round}");
        for extra in &events[acknowledged..] {
            let who: usize = extra.event.person.as_ref().unwrap().as_str()[9..].parse().unwrap();
            if extra.event.kind == EventKind::EnrollOk {
                present.insert(who)
            } else {
                present.remove(&who)
            };
        }
        acknowledged = events.len();
        assert_eq!(store.counts().people as usize, present.len(), "round {round}");
        for who in &present {
            assert_eq!(store.person(&id(*who)).unwrap(), Some(person(*who)));
            assert_eq!(store.templates(&id(*who)).unwrap().len(), 1);
            assert_eq!(store.crops(&id(*who)).unwrap().len(), 1);
        }
        assert!(!store.erasure_due().unwrap());
        store.verify_chain().unwrap();
    }
}
