//! Writing, reading, deleting: what is kept is what was given.

use ostiary::domain::{DenyReason, EventKind, EventSeq, GrantCause, ModelId, PersonStatus, clipped};
use ostiary::store::{Filter, Jpeg, Store, StoreError};

use crate::common::{MODEL, embedding, event, id, noise, person, place, template};

#[test]
fn what_is_enrolled_is_there_after_a_restart() {
    let place = place();
    let mut anna = person(1);
    anna.groups.push(clipped("staff")).unwrap();
    anna.collections.push(clipped("north")).unwrap();
    anna.notes = clipped("left-handed");
    let image = Jpeg(noise(5, 20_000));
    {
        let store = place.open();
        assert!(store.opening().created);
        let ids = store
            .enrol(
                &anna,
                &[template(10, 112), template(11, 0)],
                std::slice::from_ref(&image),
                &[event(EventKind::EnrollOk, 1).of(&anna.id)],
            )
            .unwrap();
        assert_eq!(ids.len(), 2);
        assert!(ids[0] < ids[1]);
    }
    let store = place.open();
    assert!(!store.opening().created);
    assert_eq!(store.person(&anna.id).unwrap(), Some(anna.clone()));
    let templates = store.templates(&anna.id).unwrap();
    assert_eq!(templates[0].embedding, embedding(10));
    assert_eq!(templates[1].embedding, embedding(11));
    assert_eq!(store.crops(&anna.id).unwrap()[0].1, template(10, 112).crop.unwrap());
    assert_eq!(store.crops(&anna.id).unwrap().len(), 1);
    assert_eq!(store.images(&anna.id).unwrap(), vec![image]);
    let counts = store.counts();
    assert_eq!((counts.people, counts.templates, counts.crops, counts.images), (1, 2, 1, 1));
    assert_eq!(store.pending_events(10).unwrap()[0].event.person, Some(anna.id.clone()));

    let mut seen = Vec::new();
    store.for_each_enrolled(MODEL, |p, t| seen.push((p.id.clone(), t.len()))).unwrap();
    assert_eq!(seen, vec![(anna.id.clone(), 2)]);
    store.for_each_enrolled(ModelId([9; 32]), |_, _| panic!("another model")).unwrap();
}

#[test]
fn a_check_opens_every_record() {
    let place = place();
    let store = place.open();
    for i in 0..100 {
        let images = if i % 10 == 0 { vec![Jpeg(noise(i, 500))] } else { vec![] };
        let told = event(EventKind::EnrollOk, i);
        store.enrol(&person(i as usize), &[template(i, (i % 2) as u16 * 8)], &images, &[told]).unwrap();
    }
    // People, templates, crops, pictures, events.
    assert_eq!(store.check().unwrap(), 100 + 100 + 50 + 10 + 100);
}

#[test]
fn a_panic_of_the_caller_stays_the_callers() {
    let place = place();
    let store = place.open();
    store.enrol(&person(1), &[template(1, 0)], &[], &[]).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = store.for_each_enrolled(MODEL, |_, _| panic!("the caller's own"));
    }));
    assert_eq!(*panicked.unwrap_err().downcast::<&str>().unwrap(), "the caller's own");
    store.put_person(&person(2), &[]).unwrap();
    assert_eq!(store.counts().people, 2);
}

#[test]
fn a_missing_directory_is_made_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = place();
    let path = place.path.with_file_name("a").join("b").join("ostiary.redb");
    let never = ostiary::store::Options { create: false, ..Default::default() };
    assert!(matches!(Store::open(&path, crate::common::key(), never), Err(StoreError::Missing(_))));
    assert!(!path.parent().unwrap().exists());
    drop(Store::open(&path, crate::common::key(), ostiary::store::Options::default()).unwrap());
    assert_eq!(path.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_list_is_paged_and_filtered() {
    let place = place();
    let store = place.open();
    for i in 0..25 {
        let mut p = person(i);
        if i % 5 == 0 {
            p.status = PersonStatus::Inactive;
            p.collections.push(clipped("south")).unwrap();
        }
        store.put_person(&p, &[]).unwrap();
    }
    let page = store.people(&Filter::default(), 2, 10).unwrap();
    assert_eq!((page.total, page.people.len()), (25, 5));
    assert_eq!(page.people[0].id, id(20));
    let inactive = Filter { status: Some(PersonStatus::Inactive), ..Filter::default() };
    assert_eq!(store.people(&inactive, 0, 3).unwrap().total, 5);
    let south = Filter { collection: Some("south".into()), ..Filter::default() };
    assert_eq!(store.people(&south, 1, 3).unwrap().people.len(), 2);
    let named = Filter { name: Some("MÜLLER-00013".into()), ..Filter::default() };
    assert_eq!(store.people(&named, 0, 10).unwrap().people[0].id, id(13));
}

#[test]
fn a_new_profile_keeps_templates_and_the_date_of_creation() {
    let place = place();
    let store = place.open();
    let before = person(1);
    store.enrol(&before, &[template(1, 0)], &[], &[]).unwrap();
    let mut after = before.clone();
    after.status = PersonStatus::Inactive;
    after.create_date.0 += 5_000;
    let revision = store.counts().revision;
    store.put_person(&after, &[]).unwrap();
    let read = store.person(&before.id).unwrap().unwrap();
    assert_eq!((read.status, read.create_date), (PersonStatus::Inactive, before.create_date));
    assert_eq!(store.templates(&before.id).unwrap().len(), 1);
    assert!(store.counts().revision > revision);
}

#[test]
fn bounds_are_held_and_nothing_of_a_refused_enrolment_stays() {
    let place = place();
    let store = place.open();
    let many: Vec<_> = (0..11).map(|i| template(i, 0)).collect();
    assert!(matches!(store.enrol(&person(1), &many, &[], &[]), Err(StoreError::TooMany { wanted: 11, .. })));
    let images = vec![Jpeg(vec![1; 10]); 4];
    assert!(matches!(store.enrol(&person(1), &[], &images, &[]), Err(StoreError::TooMany { .. })));
    let mut bad = template(1, 8);
    bad.crop.as_mut().unwrap().rgb.pop();
    assert!(matches!(
        store.enrol(&person(1), &[bad], &[], &[]),
        Err(StoreError::BadCrop { side: 8, got: 191 })
    ));
    assert!(store.person(&id(1)).unwrap().is_none());
    assert_eq!((store.counts().people, store.counts().templates, store.counts().events), (0, 0, 0));
    store.enrol(&person(1), &many[..10], &[], &[]).unwrap();
    assert!(matches!(store.enrol(&person(1), &many[..1], &[], &[]), Err(StoreError::TooMany { .. })));
    assert_eq!(store.templates(&id(1)).unwrap().len(), 10);
}

#[test]
fn template_ids_are_never_used_twice() {
    let place = place();
    let first = place.open().enrol(&person(1), &[template(1, 0)], &[], &[]).unwrap()[0];
    let store = place.open();
    store.delete_person(&id(1), &[]).unwrap();
    drop(store);
    let second = place.open().enrol(&person(1), &[template(1, 0)], &[], &[]).unwrap()[0];
    assert!(second > first);
}

#[test]
fn events_are_numbered_chained_and_confirmed() {
    let place = place();
    let store = place.open();
    let range = store
        .append(&[
            event(EventKind::Boot, 0),
            event(EventKind::AccessDenied, 1).of(&id(3)).because(DenyReason::Expired),
            event(EventKind::DoorUnlocked, 2).caused_by(GrantCause::Face).with(format_args!("strike 5 s")),
        ])
        .unwrap();
    assert_eq!(range, EventSeq(1)..EventSeq(4));
    let boot = store.boot();
    drop(store);
    let store = place.open();
    assert_ne!(store.boot(), boot);
    store.append(&[event(EventKind::Boot, 0)]).unwrap();
    let all = store.read_events(EventSeq(1), 100).unwrap();
    assert_eq!(all.iter().map(|e| e.seq.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(all[0].prev_hash, [0; 32]);
    assert!(all.windows(2).all(|w| w[1].prev_hash == w[0].hash));
    assert_eq!(all[0].boot, boot);
    assert_eq!(store.verify_chain().unwrap(), 4);

    let json: serde_json::Value = serde_json::from_str(&all[1].json()).unwrap();
    assert_eq!(json["type"], "access_denied");
    assert_eq!(json["reason"], "expired");
    assert_eq!(json["person"], "employee-00003");
    assert_eq!(json["time"], "2026-05-28T20:26:40.001Z");

    assert_eq!(store.depth(), 4);
    store.ack(EventSeq(2)).unwrap();
    store.ack(EventSeq(1)).unwrap();
    assert_eq!(store.depth(), 2);
    assert_eq!(store.pending_events(10).unwrap()[0].seq, EventSeq(3));
    assert!(matches!(store.ack(EventSeq(5)), Err(StoreError::AckAhead { upto: 5, newest: 4 })));
    drop(store);
    assert_eq!(place.open().depth(), 2);
}

#[test]
fn one_process_at_a_time() {
    let place = place();
    let _first = place.open();
    let second = Store::open(&place.path, crate::common::key(), ostiary::store::Options::default());
    let error = second.unwrap_err();
    assert!(matches!(error, StoreError::InUse(_)));
    assert!(error.to_string().contains("another process"), "{error}");
}
