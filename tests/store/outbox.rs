//! The journal at its bound: what goes, in which order, and that a loss is said.

use std::sync::Arc;

use ostiary::domain::{EventKind, EventSeq};
use ostiary::store::{Entry, Options, Store};
use sha2::{Digest as _, Sha256};

use crate::common::{event, id, key, place};
use crate::disk::Disk;

fn small(capacity: u64) -> Store {
    let options = Options { journal_capacity: capacity, ..Options::default() };
    Store::open_on(Arc::new(Disk::default()), key(), options).unwrap()
}

#[test]
fn confirmed_events_make_room_in_silence() {
    let store = small(64);
    for i in 0..300 {
        let range = store.append(&[event(EventKind::Rex, i)]).unwrap();
        assert_eq!(range, EventSeq(i + 1)..EventSeq(i + 2));
        store.ack(EventSeq(i + 1)).unwrap();
    }
    let counts = store.counts();
    assert!((32..=64).contains(&counts.events), "{counts:?}");
    assert_eq!((counts.unconfirmed, counts.lost), (0, 0));
    let kept = store.read_events(EventSeq(1), 1000).unwrap();
    assert!(kept.iter().all(|e| e.event.kind == EventKind::Rex));
    assert_eq!(kept.last().unwrap().seq, EventSeq(300));
    assert_eq!(store.verify_chain().unwrap(), counts.events);
}

#[test]
fn a_loss_is_counted_and_is_itself_an_event() {
    let store = small(64);
    store.append(&[event(EventKind::Boot, 0)]).unwrap();
    store.ack(EventSeq(1)).unwrap();
    for i in 1..200 {
        store.append(&[event(EventKind::Rex, i)]).unwrap();
    }
    let counts = store.counts();
    assert!(counts.events <= 64 && counts.lost > 100, "{counts:?}");
    let kept = store.read_events(EventSeq(1), 1000).unwrap();
    assert!(kept.windows(2).all(|w| w[1].seq.0 == w[0].seq.0 + 1));
    let gap = kept.iter().rfind(|e| e.event.kind == EventKind::LogGap).unwrap();
    assert!(gap.event.detail.contains("events lost before they were confirmed"), "{}", gap.event.detail);
    // Every event that was written is kept or counted: 199, the boot, and the log_gaps.
    assert_eq!(counts.lost + counts.events + 1, kept.last().unwrap().seq.0);
    assert_eq!(store.pending_events(1000).unwrap().len() as u64, counts.unconfirmed);
    store.verify_chain().unwrap();
}

#[test]
fn a_copied_log_proves_itself_whole() {
    let place = place();
    let store = place.open();
    let told: Vec<_> = (0..50).map(|i| event(EventKind::AccessGranted, i).of(&id(i as usize))).collect();
    store.append(&told).unwrap();
    let log: Vec<String> = store.read_events(EventSeq(1), 100).unwrap().iter().map(Entry::json).collect();
    // What a receiver does that has nothing but the text.
    let mut previous = "0".repeat(64);
    for line in &log {
        let (body, hash) = line.split_once(",\"hash\":\"").unwrap();
        let digest = Sha256::digest(format!("{body}}}").as_bytes());
        let hash = hash.trim_end_matches("\"}");
        assert!(digest.iter().enumerate().all(|(i, b)| format!("{b:02x}") == hash[2 * i..2 * i + 2]));
        assert!(body.contains(&format!("\"prev_hash\":\"{previous}\"")));
        previous = hash.to_owned();
    }
}

#[test]
fn the_canonical_form_does_not_change() {
    let store = small(64);
    let e = event(EventKind::AccessDenied, 1234)
        .of(&id(7))
        .because(ostiary::domain::DenyReason::OutsideSchedule)
        .with(format_args!("say \"hello\"\n"));
    store.append(&[e]).unwrap();
    let entry = &store.read_events(EventSeq(1), 1).unwrap()[0];
    let boot = format!("{:016x}", store.boot().0);
    let wanted = format!(
        "{{\"seq\":1,\"boot\":\"{boot}\",\"type\":\"access_denied\",\"time\":\"2026-05-28T20:26:41.234Z\",\
         \"trust\":\"trusted\",\"mono_ms\":1234,\"door\":1,\"person\":\"employee-00007\",\
         \"reason\":\"outside_schedule\",\"cause\":null,\"detail\":\"say \\\"hello\\\"\\n\",\
         \"prev_hash\":\"{}\",\"hash\":\"",
        "0".repeat(64)
    );
    assert!(entry.json().starts_with(&wanted), "{}", entry.json());
}
