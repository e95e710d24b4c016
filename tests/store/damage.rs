//! A file that was altered: the right data or an error, never other data, never an empty gallery, never a panic.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ostiary::domain::{EventKind, EventSeq, Template};
use ostiary::store::{Filter, Jpeg, Options, Store, StoreError};

use redb::ReadableTable as _;

use crate::common::{MODEL, event, id, key, noise, person, place, template};
use crate::disk::Disk;

const PEOPLE: usize = 24;

/// Everything a gallery holds, for comparison.
#[derive(Debug, PartialEq)]
struct Contents {
    people: ostiary::store::Page,
    templates: Vec<Vec<Template>>,
    crops: Vec<Vec<(ostiary::domain::TemplateId, ostiary::store::Crop)>>,
    images: Vec<Vec<Jpeg>>,
    enrolled: usize,
    events: Vec<ostiary::store::Entry>,
    chain: u64,
}

fn contents(store: &Store) -> Result<Contents, StoreError> {
    let people = store.people(&Filter::default(), 0, 1000)?;
    let mut enrolled = 0;
    store.for_each_enrolled(MODEL, |_, t| enrolled += t.len())?;
    Ok(Contents {
        templates: (0..PEOPLE).map(|i| store.templates(&id(i))).collect::<Result<_, _>>()?,
        crops: (0..PEOPLE).map(|i| store.crops(&id(i))).collect::<Result<_, _>>()?,
        images: (0..PEOPLE).map(|i| store.images(&id(i))).collect::<Result<_, _>>()?,
        enrolled,
        events: store.read_events(EventSeq(1), 1000)?,
        chain: store.verify_chain()?,
        people,
    })
}

fn fill(store: &Store) {
    for i in 0..PEOPLE {
        let templates = [template(i as u64, if i % 3 == 0 { 32 } else { 0 }), template(100 + i as u64, 0)];
        let images = if i % 8 == 0 { vec![Jpeg(noise(i as u64, 9_000))] } else { vec![] };
        store
            .enrol(&person(i), &templates, &images, &[event(EventKind::EnrollOk, i as u64).of(&id(i))])
            .unwrap();
    }
}

fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(path, key(), Options::default())
}

fn on_disk(bytes: &[u8]) -> Result<Store, StoreError> {
    Store::open_on(Arc::new(Disk::holding(bytes)), key(), Options::default())
}

/// Opens altered bytes and holds what is read against `right`. Says whether they were refused.
fn judge(opened: Result<Store, StoreError>, right: &Contents, what: &str) -> bool {
    match opened.and_then(|store| contents(&store)) {
        Ok(read) => {
            assert_eq!(&read, right, "other data after {what}");
            false
        }
        Err(StoreError::Corrupt { .. } | StoreError::WrongKey(_) | StoreError::Version { .. }) => true,
        Err(StoreError::Missing(_)) => panic!("taken for absent after {what}"),
        Err(other) => panic!("{other} after {what}"),
    }
}

#[test]
fn flipped_bytes_are_noticed_or_do_not_matter() {
    let place = place();
    let store = place.open();
    fill(&store);
    let right = contents(&store).unwrap();
    // As a power cut leaves it, and as it is after an orderly end.
    let cut = fs::read(&place.path).unwrap();
    drop(store);
    let closed = fs::read(&place.path).unwrap();
    let mut refused = 0;
    let cases = std::env::var("OSTIARY_FLIPS").ok().and_then(|n| n.parse().ok()).unwrap_or(600);
    for case in 0..cases {
        let image = if case % 2 == 0 { &closed } else { &cut };
        let dice = noise(case + 1, 16);
        let number = |at: usize| u64::from_le_bytes(dice[at..at + 8].try_into().unwrap());
        // A third in the header and the first pages, where redb keeps what everything hangs on.
        let range = if case % 3 == 0 { 8192 } else { image.len() };
        let at = number(0) as usize % range;
        let length = if case % 5 == 0 { 1 + number(8) as usize % 600 } else { 1 };
        let end = (at + length).min(image.len());
        let mut altered = image.clone();
        for (k, byte) in altered[at..end].iter_mut().enumerate() {
            *byte ^= if length == 1 { 1 << (dice[15] % 8) } else { dice[k % 16] | 1 };
        }
        let what = format!("case {case}: {length} at {at}");
        // Most on a disk in memory, which does not wait; some on a real file.
        let opened = if case % 40 == 0 {
            fs::write(&place.path, &altered).unwrap();
            open(&place.path)
        } else {
            on_disk(&altered)
        };
        refused += u64::from(judge(opened, &right, &what));
    }
    assert!(refused > cases / 20, "only {refused} of {cases} were noticed");
}

#[test]
fn a_truncated_or_emptied_file_is_refused() {
    let place = place();
    let store = place.open();
    fill(&store);
    let right = contents(&store).unwrap();
    drop(store);
    let whole = fs::read(&place.path).unwrap();
    let refused = |bytes: &[u8], what: &str| {
        fs::write(&place.path, bytes).unwrap();
        assert!(judge(open(&place.path), &right, what), "{what}");
    };
    for length in [0, 1, 100, 4096, 8192, whole.len() / 2, whole.len() - 1] {
        refused(&whole[..length], &format!("cut to {length}"));
    }
    refused(&vec![0; whole.len()], "zeros");
    refused(&noise(3, 50_000), "noise");
    refused(b"SQLite format 3\0 and so on", "another program's file");
    fs::write(&place.path, &whole).unwrap();
    assert_eq!(contents(&open(&place.path).unwrap()).unwrap(), right);
}

type Numbered = redb::TableDefinition<'static, u64, &'static [u8]>;
type Paired = redb::TableDefinition<'static, (u64, u64), &'static [u8]>;
const PEOPLE_TABLE: Numbered = redb::TableDefinition::new("p");
const JOURNAL_TABLE: Numbered = redb::TableDefinition::new("j");
const TEMPLATE_TABLE: Paired = redb::TableDefinition::new("t");
const CROP_TABLE: Paired = redb::TableDefinition::new("c");
const IMAGE_TABLE: Paired = redb::TableDefinition::new("i");

/// Someone with the file but not the key, who writes sound pages with redb itself.
fn tamper(work: impl FnOnce(&redb::WriteTransaction)) -> Result<Contents, StoreError> {
    let place = place();
    fill(&place.open());
    let db = redb::Database::open(&place.path).unwrap();
    let txn = db.begin_write().unwrap();
    work(&txn);
    txn.commit().unwrap();
    drop(db);
    open(&place.path).and_then(|store| contents(&store))
}

fn numbered(txn: &redb::WriteTransaction, table: Numbered, key: u64) -> Vec<u8> {
    txn.open_table(table).unwrap().get(key).unwrap().unwrap().value().to_vec()
}

fn paired(txn: &redb::WriteTransaction, table: Paired, key: (u64, u64)) -> Vec<u8> {
    txn.open_table(table).unwrap().get(key).unwrap().unwrap().value().to_vec()
}

fn put(txn: &redb::WriteTransaction, table: Numbered, key: u64, value: &[u8]) {
    txn.open_table(table).unwrap().insert(key, value).unwrap();
}

fn put_pair(txn: &redb::WriteTransaction, table: Paired, key: (u64, u64), value: &[u8]) {
    txn.open_table(table).unwrap().insert(key, value).unwrap();
}

fn table_of(outcome: Result<Contents, StoreError>) -> &'static str {
    match outcome {
        Err(StoreError::Corrupt { place, .. }) => place,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("taken for sound"),
    }
}

#[test]
fn records_open_only_where_they_were_put() {
    // Two people change places: the wrong one would be let in.
    let swapped = tamper(|txn| {
        let (a, b) = (numbered(txn, PEOPLE_TABLE, 1), numbered(txn, PEOPLE_TABLE, 2));
        put(txn, PEOPLE_TABLE, 1, &b);
        put(txn, PEOPLE_TABLE, 2, &a);
    });
    assert_eq!(table_of(swapped), "people");
    // One's face under another's name.
    let moved = tamper(|txn| {
        let a = paired(txn, TEMPLATE_TABLE, (1, 1));
        put_pair(txn, TEMPLATE_TABLE, (2, 3), &a);
    });
    assert_eq!(table_of(moved), "templates");
    // From one table to another.
    let crossed = tamper(|txn| {
        let a = paired(txn, CROP_TABLE, (1, 1));
        put_pair(txn, IMAGE_TABLE, (1, 0), &a);
    });
    assert_eq!(table_of(crossed), "images");
    // Cut, emptied, one bit altered, another version byte.
    for alter in [
        (|v| v.truncate(20)) as fn(&mut Vec<u8>),
        |v| v.clear(),
        |v| *v.last_mut().unwrap() ^= 1,
        |v| v[0] ^= 3,
        |v| v[5] ^= 0x80,
    ] {
        let altered = tamper(|txn| {
            let mut a = paired(txn, CROP_TABLE, (1, 1));
            alter(&mut a);
            put_pair(txn, CROP_TABLE, (1, 1), &a);
        });
        assert_eq!(table_of(altered), "crops");
    }
}

#[test]
fn records_that_are_gone_or_too_many_are_missed() {
    let outcome = tamper(|txn| drop(txn.open_table(PEOPLE_TABLE).unwrap().remove(5).unwrap()));
    assert_eq!(table_of(outcome), "people");
    let outcome = tamper(|txn| drop(txn.open_table(TEMPLATE_TABLE).unwrap().remove((1, 1)).unwrap()));
    assert_eq!(table_of(outcome), "templates");
    let outcome = tamper(|txn| drop(txn.open_table(JOURNAL_TABLE).unwrap().remove(24).unwrap()));
    assert_eq!(table_of(outcome), "journal");
    // Emptied tables, as of a gallery in which nobody is enrolled.
    let outcome = tamper(|txn| {
        assert!(txn.delete_table(PEOPLE_TABLE).unwrap());
        txn.open_table(PEOPLE_TABLE).unwrap();
    });
    assert_eq!(table_of(outcome), "people");
    // One template taken away and another put in its place, so that the number is right.
    let outcome = tamper(|txn| {
        let mut table = txn.open_table(TEMPLATE_TABLE).unwrap();
        let value = table.remove((1, 1)).unwrap().unwrap().value().to_vec();
        table.insert((2, 1), value.as_slice()).unwrap();
    });
    assert_eq!(table_of(outcome), "templates");
    let nothing = tamper(|_| ());
    assert_eq!(nothing.unwrap().people.total, PEOPLE);
}

#[test]
fn a_record_of_another_gallery_with_the_same_key_does_not_open() {
    let other = place();
    fill(&other.open());
    let db = redb::Database::open(&other.path).unwrap();
    let theirs = numbered(&db.begin_write().unwrap(), PEOPLE_TABLE, 1);
    assert_eq!(table_of(tamper(|txn| put(txn, PEOPLE_TABLE, 1, &theirs))), "people");
}

#[test]
fn another_version_and_another_key_are_refused_in_clear_words() {
    const META_TABLE: redb::TableDefinition<'static, &str, &[u8]> = redb::TableDefinition::new("m");
    let newer = tamper(|txn| {
        let mut meta = txn.open_table(META_TABLE).unwrap();
        let mut format = meta.get("format").unwrap().unwrap().value().to_vec();
        format[8] = 2;
        meta.insert("format", format.as_slice()).unwrap();
    });
    let error = newer.unwrap_err();
    assert!(matches!(error, StoreError::Version { found: 2, .. }));
    assert!(error.to_string().contains("install the newer ostiary"), "{error}");

    let place = place();
    fill(&place.open());
    let key = ostiary::store::SealKey::from_bytes([8; 32]);
    let error = Store::open(&place.path, key, Options::default()).unwrap_err();
    assert!(matches!(error, StoreError::WrongKey(_)));
    assert!(error.to_string().contains("put the key file back"), "{error}");
    assert_eq!(place.open().counts().people, PEOPLE as u64);

    // A sound redb file that is none of ours.
    let foreign = crate::common::place();
    let db = redb::Database::create(&foreign.path).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(PEOPLE_TABLE).unwrap();
    txn.commit().unwrap();
    drop(db);
    let error = open(&foreign.path).unwrap_err();
    assert!(error.to_string().contains("no gallery of ostiary"), "{error}");
}

#[test]
fn a_gallery_that_went_away_is_not_begun_anew() {
    let place = place();
    fill(&place.open());
    let aside = place.path.with_extension("aside");
    fs::rename(&place.path, &aside).unwrap();
    let error = open(&place.path).unwrap_err();
    assert!(matches!(error, StoreError::Missing(_)), "{error}");
    assert!(!place.path.exists());
    fs::rename(&aside, &place.path).unwrap();
    assert_eq!(place.open().counts().people, PEOPLE as u64);
    let never = Options { create: false, ..Options::default() };
    let elsewhere = place.path.with_extension("elsewhere");
    assert!(matches!(Store::open(&elsewhere, key(), never), Err(StoreError::Missing(_))));
}
