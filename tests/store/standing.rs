//! Exceptions, PINs and passages: kept, counted, and gone with the person.

use ostiary::domain::{EventKind, Exceptions, Mode, Passage, Side, Utc};
use ostiary::store::{Access, Record, StoreError};
use redb::TableDefinition;

use crate::common::{event, id, person, place, template};

fn access() -> Access {
    Access {
        exceptions: Exceptions {
            blocked: true,
            alone: true,
            mode: Some(Mode::FacePin),
            ..Exceptions::default()
        },
        pin: Some("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA".into()),
        duress: None,
    }
}

fn went(side: Side, at: i64) -> Record {
    Record::Passage(id(1), Passage { side, at: Utc(at) })
}

#[test]
fn what_is_set_for_a_person_survives_and_goes_with_the_person() {
    let place = place();
    let store = place.open();
    assert!(matches!(store.access(&id(1)), Err(StoreError::NoSuchPerson(_))));
    for who in [1, 2] {
        store.enrol(&person(who), &[template(who as u64, 16)], &[], &[]).unwrap();
    }
    store.put_access(&id(1), &access(), &[event(EventKind::PersonChanged, 1).of(&id(1))]).unwrap();
    store.append_records(&[went(Side::Entry, 5), went(Side::Exit, 9)]).unwrap();
    // Somebody who was deleted while the passage waited to be written.
    let ghost = Record::Passage(id(7), Passage { side: Side::Entry, at: Utc(1) });
    store.append_records(&[ghost]).unwrap();
    let last = Some(Passage { side: Side::Exit, at: Utc(9) });
    assert_eq!(store.access(&id(1)).unwrap(), (access(), last));
    assert_eq!(store.access(&id(2)).unwrap(), (Access::default(), None));
    drop(store);
    let store = place.open();
    let mut seen = Vec::new();
    store.for_each_access(|who, kept| seen.push((who.clone(), kept.clone()))).unwrap();
    assert_eq!(seen, [(id(1), (access(), last))]);
    assert!(!format!("{:?}", access()).contains("argon2"));
    let export = store.export_person(&id(1)).unwrap();
    assert_eq!(export.access, ["blocked", "alone", "pin", "mode=face_pin"]);
    assert_eq!(export.last_passage.map(|(side, _)| side).as_deref(), Some("exit"));

    assert_eq!(store.forget_passages(None, &[]).unwrap(), 1);
    assert_eq!(store.access(&id(1)).unwrap().1, None);
    store.append_records(&[went(Side::Entry, 11)]).unwrap();
    let receipt = store.delete_person(&id(1), &[]).unwrap();
    assert_eq!(receipt.occurrences, 0);
    // Profile, template and crop, exceptions and passage: three patterns each, and the id and the name in clear.
    assert_eq!((receipt.patterns, receipt.found_before), (17, 15));
    drop(store);
    let store = place.open();
    store.enrol(&person(1), &[], &[], &[]).unwrap();
    assert_eq!(store.access(&id(1)).unwrap(), (Access::default(), None), "a new person of the same id");
}

#[test]
fn a_gallery_older_than_these_tables_is_opened_and_one_that_lost_a_record_is_not() {
    let place = place();
    let store = place.open();
    store.put_person(&person(1), &[]).unwrap();
    drop(store);
    let raw = redb::Database::open(&place.path).unwrap();
    let txn = raw.begin_write().unwrap();
    for name in ["a", "b", "k"] {
        txn.delete_table(TableDefinition::<u64, &[u8]>::new(name)).unwrap();
    }
    txn.open_table(TableDefinition::<&str, &[u8]>::new("m")).unwrap().remove("extra").unwrap();
    txn.commit().unwrap();
    drop(raw);
    let store = place.open();
    store.put_access(&id(1), &access(), &[]).unwrap();
    drop(store);
    let raw = redb::Database::open(&place.path).unwrap();
    let txn = raw.begin_write().unwrap();
    {
        let mut table = txn.open_table(TableDefinition::<u64, &[u8]>::new("a")).unwrap();
        table.remove(1).unwrap();
    }
    txn.commit().unwrap();
    drop(raw);
    let opened =
        ostiary::store::Store::open(&place.path, crate::common::key(), ostiary::store::Options::default());
    assert!(matches!(opened, Err(StoreError::Corrupt { place: "access", .. })), "{opened:?}");
}
