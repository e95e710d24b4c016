//! What has grown too old is gone from the file: searched for with other means than the store's own.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use ostiary::domain::{
    About, ClockTrust, DoorId, Event, EventKind, EventSeq, Looked, Now, Punch, PunchKind, PunchSource, Utc,
};
use ostiary::store::{Expired, Expiry, Jpeg, Look, Record};
use redb::{ReadableDatabase as _, ReadableTable as _};

use crate::common::{event, id, noise, person, place, template};

type Numbered = redb::TableDefinition<'static, u64, &'static [u8]>;
type Paired = redb::TableDefinition<'static, (u64, u64), &'static [u8]>;

const T: i64 = 1_780_000_000_000;

fn at(n: u64) -> Now {
    event(EventKind::Boot, n).at
}

fn punch(n: u64) -> Record {
    let punch =
        Punch { person: id(1), at: at(n), kind: PunchKind::CheckIn, job: 0, source: PunchSource::Face };
    Record::Punch { punch, door: DoorId(1), same_s: 0 }
}

fn look(n: u64) -> Look {
    Look {
        number: 0,
        at: at(n).utc,
        trust: ClockTrust::Trusted,
        who: "account marta".into(),
        what: Looked::Profile,
        about: About::One(id(n as usize % 5)),
        detail: String::new(),
    }
}

/// Sealed records, read with redb itself from a closed file.
fn sealed(path: &Path, table: &'static str, up_to: u64) -> Vec<Vec<u8>> {
    let db = redb::Database::open(path).unwrap();
    let txn = db.begin_read().unwrap();
    let rows = txn.open_table(Numbered::new(table)).unwrap();
    rows.range(..=up_to).unwrap().map(|row| row.unwrap().1.value().to_vec()).collect()
}

fn sealed_pairs(path: &Path, table: &'static str) -> Vec<Vec<u8>> {
    let db = redb::Database::open(path).unwrap();
    let txn = db.begin_read().unwrap();
    let rows = txn.open_table(Paired::new(table)).unwrap();
    rows.iter().unwrap().map(|row| row.unwrap().1.value().to_vec()).collect()
}

fn fragments(file: &[u8], records: &[Vec<u8>]) -> usize {
    let pieces: HashSet<&[u8]> = records.iter().flat_map(|r| r[1..].windows(12)).collect();
    file.windows(12).filter(|w| pieces.contains(w)).count()
}

#[test]
fn what_is_too_old_is_gone_from_the_file_and_the_rest_is_whole() {
    let place = place();
    let store = place.open();
    for i in 0..4 {
        let image = Jpeg(noise(i as u64, 20_000));
        store.enrol(&person(i), &[template(i as u64, 48)], &[image], &[]).unwrap();
    }
    for n in 0..300 {
        store.append(&[event(EventKind::DoorOpened, n)]).unwrap();
    }
    for n in 0..40 {
        store.append_records(&[punch(n * 1_000)]).unwrap();
        store.note_looks(&[look(n)]).unwrap();
    }
    store.ack(EventSeq(100)).unwrap();
    drop(store);
    // 200 events, 20 punches, 30 looks, one person, the pictures of another, the face of a third.
    let gone: Vec<Vec<u8>> = [("j", 200), ("k", 20), ("l", 30)]
        .iter()
        .flat_map(|(table, up_to)| sealed(&place.path, table, *up_to))
        .chain([&sealed_pairs(&place.path, "i")[..2], &sealed_pairs(&place.path, "c")[1..3]].concat())
        .collect();
    assert_eq!(gone.len(), 200 + 20 + 30 + 4);
    assert!(fragments(&fs::read(&place.path).unwrap(), &gone) > 1_000, "the search finds what is there");

    let store = place.open();
    let due = Expiry {
        events: Some(Utc(T + 200)),
        punches: Some(Utc(T + 20_000)),
        looks: Some(Utc(T + 30)),
        people: vec![id(1), id(77)],
        pictures: vec![id(0), id(1)],
        crops: vec![id(2)],
    };
    let told = |gone: &Expired| {
        assert_eq!((gone.events, gone.punches, gone.looks, gone.people), (200, 20, 30, 1));
        vec![event(EventKind::ConfigChanged, 9_000), event(EventKind::PersonDeleted, 9_000).of(&id(1))]
    };
    let receipt = store.expire(&due, told).unwrap();
    assert_eq!((receipt.pictures, receipt.crops, receipt.templates), (2, 2, 1));
    assert_eq!(receipt.occurrences, 0);
    assert!(receipt.found_before > 0 && receipt.patterns >= receipt.found_before);
    let file = fs::read(&place.path).unwrap();
    assert_eq!(receipt.bytes_searched, file.len() as u64);
    assert_eq!(fragments(&file, &gone), 0);
    drop(store);
    assert_eq!(fragments(&fs::read(&place.path).unwrap(), &gone), 0, "closed");

    let store = place.open();
    assert_eq!((store.counts().people, store.counts().images, store.counts().crops), (3, 2, 2));
    assert_eq!(store.templates(&id(2)).unwrap().len(), 1, "a template outlives its face");
    assert_eq!(store.punch_count(), 20);
    assert_eq!((store.look_count(), store.looks(None, 100).unwrap().len()), (10, 10));
    assert!(store.verify_chain().unwrap() > 100);
    let events = store.read_events(EventSeq(1), 1_000).unwrap();
    assert_eq!(events[0].seq, EventSeq(201));
    // A broker had confirmed events and not these: that is told.
    let gap = events.iter().find(|e| e.event.kind == EventKind::LogGap).unwrap();
    assert!(gap.event.detail.starts_with("100 events"), "{}", gap.event.detail);
    let nothing = store.expire(&due, |_: &Expired| -> Vec<Event> { panic!("nothing was due") }).unwrap();
    assert!(nothing.is_empty() && nothing.bytes_searched == 0);
}

#[test]
fn a_person_may_be_called_as_a_document_of_the_gallery_is() {
    let place = place();
    let store = place.open();
    let names = ["accounts", "tokens", "collections", "identity", "format", "looks", "documents"];
    for name in ["accounts", "collections", "identity", "rules", "tokens"] {
        store.put_document(name, b"kept", &[]).unwrap();
    }
    for name in names {
        let mut who = person(1);
        who.id = name.parse().unwrap();
        store.put_person(&who, &[]).unwrap();
    }
    for name in names {
        let receipt = store.delete_person(&name.parse().unwrap(), &[]).unwrap();
        assert_eq!(receipt.occurrences, 0, "{name}");
    }
}
