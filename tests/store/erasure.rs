//! A deleted person is gone from the file: searched for with other means than the store's own.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use ostiary::domain::{EventKind, EventSeq};
use ostiary::store::{Jpeg, StoreError};
use redb::ReadableDatabase as _;

use crate::common::{event, id, noise, person, place, template};

type Paired = redb::TableDefinition<'static, (u64, u64), &'static [u8]>;
const PEOPLE: redb::TableDefinition<'static, u64, &'static [u8]> = redb::TableDefinition::new("p");
const PAIRED: [Paired; 3] =
    [redb::TableDefinition::new("t"), redb::TableDefinition::new("c"), redb::TableDefinition::new("i")];

/// Every sealed record of person `number`, read with redb itself from a closed file.
fn sealed_records(path: &Path, number: u64) -> Vec<Vec<u8>> {
    let db = redb::Database::open(path).unwrap();
    let txn = db.begin_read().unwrap();
    let mut out = vec![txn.open_table(PEOPLE).unwrap().get(number).unwrap().unwrap().value().to_vec()];
    for table in PAIRED {
        let table = txn.open_table(table).unwrap();
        for row in table.range((number, 0)..=(number, u64::MAX)).unwrap() {
            out.push(row.unwrap().1.value().to_vec());
        }
    }
    out
}

/// How many places of `file` hold any 12 bytes that stand together in any of the records, at any alignment: finds
/// fragments as well as whole records.
fn fragments(file: &[u8], records: &[Vec<u8>]) -> usize {
    let pieces: HashSet<&[u8]> = records.iter().flat_map(|r| r[1..].windows(12)).collect();
    file.windows(12).filter(|w| pieces.contains(w)).count()
}

#[test]
fn nothing_of_a_deleted_person_is_in_the_file() {
    let place = place();
    let store = place.open();
    // In several rounds, so that pages are copied, freed and used again many times.
    for round in 0..3 {
        for i in 0..40 {
            let images = if round == 0 && i % 10 == 0 { vec![Jpeg(noise(i as u64, 30_000))] } else { vec![] };
            let side = if i % 4 == 0 { 48 } else { 0 };
            let told = event(EventKind::EnrollOk, i as u64).of(&id(i));
            store.enrol(&person(i), &[template((round * 100 + i) as u64, side)], &images, &[told]).unwrap();
        }
    }
    drop(store);
    for gone in [20, 0, 39, 33] {
        // Numbers are given in the order of enrolment, from 1.
        let records = sealed_records(&place.path, gone as u64 + 1);
        let before = fs::read(&place.path).unwrap();
        assert!(fragments(&before, &records) > 100, "the search finds what is there");

        let store = place.open();
        let had = (store.templates(&id(gone)).unwrap().len(), store.crops(&id(gone)).unwrap().len());
        let pictures = store.images(&id(gone)).unwrap().len();
        let told = event(EventKind::PersonDeleted, 1).of(&id(gone));
        let receipt = store.delete_person(&id(gone), &[told]).unwrap();
        assert_eq!((receipt.profiles, receipt.images), (1, pictures as u64));
        assert_eq!((receipt.templates, receipt.crops), (had.0 as u64, had.1 as u64));
        assert_eq!(receipt.occurrences, 0);
        // Every pattern of a sealed record is found before; the id and the name were never there in clear.
        assert_eq!(receipt.found_before, receipt.patterns - 2);
        assert_eq!(receipt.events_kept, 4);
        let after = fs::read(&place.path).unwrap();
        assert_eq!(receipt.bytes_searched, after.len() as u64);
        assert_eq!(fragments(&after, &records), 0, "person {gone}");

        assert!(matches!(store.delete_person(&id(gone), &[]), Err(StoreError::NoSuchPerson(_))));
        assert!(store.person(&id(gone)).unwrap().is_none());
        assert!(store.templates(&id(gone)).unwrap().is_empty());
        drop(store);
        assert_eq!(fragments(&fs::read(&place.path).unwrap(), &records), 0, "person {gone}, closed");
    }
    // No other file of the gallery keeps anything.
    let names: Vec<_> = fs::read_dir(place.path.parent().unwrap())
        .unwrap()
        .map(|e| e.unwrap())
        .filter(|e| e.metadata().unwrap().len() > 0)
        .map(|e| e.file_name())
        .collect();
    assert_eq!(names, ["ostiary.redb"]);
    let store = place.open();
    assert_eq!(store.counts().people, 36);
    for i in (0..40).filter(|i| ![20, 0, 39, 33].contains(i)) {
        assert_eq!(store.templates(&id(i)).unwrap().len(), 3);
    }
    assert_eq!(store.verify_chain().unwrap(), 124);
}

#[test]
fn the_file_shrinks_and_ids_and_names_never_stand_in_it() {
    let place = place();
    let store = place.open();
    for i in 0..8 {
        store.enrol(&person(i), &[template(i as u64, 64)], &[Jpeg(noise(i as u64, 900_000))], &[]).unwrap();
    }
    store.append(&[event(EventKind::AccessGranted, 1).of(&id(2))]).unwrap();
    let before = fs::metadata(&place.path).unwrap().len();
    for i in 1..8 {
        store.delete_person(&id(i), &[]).unwrap();
    }
    assert!(fs::metadata(&place.path).unwrap().len() < before / 2);
    let file = fs::read(&place.path).unwrap();
    for text in ["employee", "Müller", "access_granted"] {
        assert!(!file.windows(text.len()).any(|w| w == text.as_bytes()), "{text}");
    }
}

#[test]
fn a_picture_or_a_template_goes_and_the_person_stays() {
    let place = place();
    let store = place.open();
    let ids = store
        .enrol(
            &person(1),
            &[template(1, 32), template(2, 32)],
            &[Jpeg(noise(1, 5_000)), Jpeg(noise(2, 900))],
            &[],
        )
        .unwrap();
    let receipt = store.delete_images(&id(1), &[event(EventKind::ImageDeleted, 1).of(&id(1))]).unwrap();
    assert_eq!((receipt.images, receipt.profiles, receipt.templates, receipt.occurrences), (2, 0, 0, 0));
    assert!(store.images(&id(1)).unwrap().is_empty());
    assert_eq!(store.templates(&id(1)).unwrap().len(), 2);

    let receipt = store.delete_template(&id(1), ids[0], &[]).unwrap();
    assert_eq!((receipt.templates, receipt.crops), (1, 1));
    assert!(matches!(store.delete_template(&id(1), ids[0], &[]), Err(StoreError::NoSuchTemplate { .. })));
    assert_eq!(store.templates(&id(1)).unwrap()[0].id, ids[1]);
    drop(store);
    let store = place.open();
    assert_eq!((store.counts().images, store.counts().templates, store.counts().crops), (0, 1, 1));
    // Slots of deleted pictures are used again.
    store.enrol(&person(1), &[], &[Jpeg(vec![1]), Jpeg(vec![2]), Jpeg(vec![3])], &[]).unwrap();
    assert_eq!(store.images(&id(1)).unwrap()[2], Jpeg(vec![3]));
}

#[test]
fn ids_that_stand_in_every_file_or_are_short_do_not_confuse_the_search() {
    let place = place();
    let store = place.open();
    for odd in ["a", "7", "redb", "allocator_state", "p", "u64", "format", "state", "statedata_pages"] {
        let mut p = person(1);
        p.id = odd.parse().unwrap();
        p.name = ostiary::domain::clipped(odd);
        store.enrol(&p, &[template(1, 0)], &[], &[]).unwrap();
        assert_eq!(store.delete_person(&p.id, &[]).unwrap().occurrences, 0, "{odd}");
    }
    assert_eq!(store.counts().people, 0);
}

#[test]
fn an_export_holds_everything_and_prints_nothing() {
    let place = place();
    let store = place.open();
    let told = event(EventKind::EnrollOk, 1).of(&id(1));
    store.enrol(&person(1), &[template(1, 16)], &[Jpeg(vec![0xff, 0xd8, 0xff])], &[told]).unwrap();
    store.append(&[event(EventKind::AccessGranted, 2).of(&id(2))]).unwrap();
    let export = store.export_person(&id(1)).unwrap();
    assert_eq!(format!("{export:?}"), "Export(employee-00001, <redacted>)");
    let json = serde_json::to_value(&export).unwrap();
    assert_eq!(json["name"], person(1).name.as_str());
    assert_eq!(json["create_date"], "2026-05-28T20:26:40.001Z");
    assert_eq!(json["templates"][0]["values"].as_array().unwrap().len(), 256);
    assert_eq!(json["crops"][0]["rgb"].as_str().unwrap().len(), 16 * 16 * 3 / 3 * 4);
    assert_eq!(json["images"][0], "/9j/");
    assert_eq!(json["events"].as_array().unwrap().len(), 1);
    assert_eq!(json["events"][0]["seq"], EventSeq(1).0);
    assert!(matches!(store.export_person(&id(9)), Err(StoreError::NoSuchPerson(_))));
}
