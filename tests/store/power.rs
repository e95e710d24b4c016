//! Power cuts and full disks: what was acknowledged is there afterwards, and nothing is half there.

use std::collections::BTreeMap;
use std::sync::Arc;

use ostiary::domain::{EventKind, EventSeq, PersonId};
use ostiary::store::{Filter, Jpeg, Options, Part, Store, StoreError};

use crate::common::{MODEL, event, id, key, noise, person, template};
use crate::disk::{Dice, Disk};

fn open(disk: &Disk) -> Result<Store, StoreError> {
    Store::open_on(Arc::new(disk.clone()), key(), Options { journal_capacity: 100_000, ..Options::default() })
}

/// What the gallery must hold: templates of each person, and how many events.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    people: BTreeMap<PersonId, usize>,
    events: u64,
    acked: u64,
}

impl Model {
    fn of(store: &Store) -> Self {
        let mut people = BTreeMap::new();
        for p in store.people(&Filter::default(), 0, 1000).unwrap().people {
            people.insert(p.id.clone(), store.templates(&p.id).unwrap().len());
        }
        let mut matchable = 0;
        store.for_each_enrolled(MODEL, |_, t| matchable += t.len()).unwrap();
        assert_eq!(matchable, people.values().sum::<usize>());
        let counts = store.counts();
        let last = store.read_events(EventSeq(1), 10_000).unwrap().last().map_or(0, |e| e.seq.0);
        assert_eq!(store.verify_chain().unwrap(), counts.events);
        Self { people, events: last, acked: last - counts.unconfirmed }
    }
}

/// One change.
#[derive(Clone, Copy, Debug)]
enum Change {
    Enrol { who: usize, crop_side: u16, image: bool },
    Append(u64),
    Ack(u64),
    Delete { who: usize },
}

impl Change {
    fn draw(model: &Model, dice: &mut Dice) -> Self {
        let who = dice.below(12) as usize;
        let templates = model.people.get(&id(who)).copied();
        match dice.below(10) {
            0..5 if templates.unwrap_or(0) < 9 => Self::Enrol {
                who,
                crop_side: if dice.below(2) == 0 { 24 } else { 0 },
                image: templates.is_none() && dice.below(3) == 0,
            },
            5 if templates.is_some() => Self::Delete { who },
            6 => Self::Ack(dice.below(model.events + 1)),
            _ => Self::Append(1 + dice.below(4)),
        }
    }

    fn model(self, before: &Model) -> Model {
        let mut model = before.clone();
        match self {
            Self::Enrol { who, .. } => {
                *model.people.entry(id(who)).or_default() += 1;
                model.events += 1;
            }
            Self::Append(n) => model.events += n,
            Self::Ack(upto) => model.acked = model.acked.max(upto),
            Self::Delete { who } => {
                model.people.remove(&id(who));
                model.events += 1;
            }
        }
        model
    }

    fn store(self, store: &Store, seed: u64) -> Result<(), StoreError> {
        match self {
            Self::Enrol { who, crop_side, image } => {
                let told = event(EventKind::EnrollOk, seed).of(&id(who));
                let images = if image { vec![Jpeg(noise(seed, 3_000))] } else { vec![] };
                store.enrol(&person(who), &[template(seed, crop_side)], &images, &[told]).map(|_| ())
            }
            Self::Append(n) => {
                let events: Vec<_> = (0..n).map(|i| event(EventKind::AccessGranted, i)).collect();
                store.append(&events).map(|_| ())
            }
            Self::Ack(upto) => store.ack(EventSeq(upto)),
            Self::Delete { who } => {
                let told = event(EventKind::PersonDeleted, 0).of(&id(who));
                store.delete_person(&id(who), &[told]).map(|receipt| {
                    assert_eq!(receipt.occurrences, 0);
                    assert!(receipt.found_before > 0);
                })
            }
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_in_power_cuts() {
    let number = |name: &str, usual| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let (cuts, seed) = (number("OSTIARY_CUTS", 400_u64), number("OSTIARY_SEED", 1_u64));
    let (mut disk, mut model) = (Disk::default(), Model::default());
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for cut in 0..cuts {
        if cut % 40 == 0 {
            // A new gallery now and then, so that creation is cut too and the journal does not fill.
            (disk, model) = (Disk::default(), Model::default());
        }
        let reach = if dice.below(4) == 0 { 400 } else { 60 };
        disk.cut_after(dice.below(reach));
        // What may be found after the cut: the last acknowledged state, or the one that was being written.
        let mut allowed = vec![model.clone()];
        if let Ok(store) = open(&disk) {
            while disk.powered() {
                let change = Change::draw(&model, &mut dice);
                let next = change.model(&model);
                if change.store(&store, dice.0).is_err() {
                    allowed.push(next);
                    break;
                }
                model = next;
                allowed = vec![model.clone()];
            }
        }
        disk.power_cycle(&mut dice);
        let store = open(&disk).unwrap_or_else(|e| panic!("cut {cut}, seed {seed}: {e}"));
        let found = Model::of(&store);
        assert!(allowed.contains(&found), "cut {cut}, seed {seed}: {found:?} is none of {allowed:?}");
        assert!(!store.erasure_due().unwrap(), "cut {cut}, seed {seed}");
        assert!(disk.bytes(Part::Old).is_none() && disk.bytes(Part::Fresh).is_none());
        model = found;
    }
}

#[test]
fn a_full_disk_loses_nothing_and_hinders_nobody_later() {
    let disk = Disk::default();
    let store = open(&disk).unwrap();
    for i in 0..20 {
        store.enrol(&person(i), &[template(i as u64, 32)], &[], &[]).unwrap();
    }
    let before = Model::of(&store);
    disk.limit(Some(0));
    let large = Jpeg(noise(1, 4 << 20));
    let error = store.enrol(&person(50), &[], std::slice::from_ref(&large), &[]).unwrap_err();
    assert!(error.to_string().contains("disk is not full"), "{error}");
    // Nothing is there of what was refused, everything else is, and small things that fit in freed pages go on.
    assert_eq!(Model::of(&store), before);
    assert!(
        store
            .enrol(&person(51), &[], std::slice::from_ref(&large), &[event(EventKind::EnrollOk, 1)])
            .is_err()
    );
    assert_eq!(Model::of(&store), before);
    disk.limit(None);
    store.enrol(&person(50), &[], &[large], &[event(EventKind::EnrollOk, 1)]).unwrap();
    assert_eq!(store.counts().people, 21);
    drop(store);
    let store = open(&disk).unwrap();
    assert_eq!((store.counts().people, store.counts().images, store.counts().events), (21, 1, 1));
}

#[test]
fn a_deletion_on_a_full_disk_is_due_until_there_is_room() {
    let disk = Disk::default();
    let store = open(&disk).unwrap();
    for i in 0..20 {
        store.enrol(&person(i), &[template(i as u64, 64)], &[], &[]).unwrap();
    }
    disk.limit(Some(200_000));
    let error = store.delete_person(&id(3), &[event(EventKind::PersonDeleted, 1).of(&id(3))]).unwrap_err();
    assert!(matches!(error, StoreError::Io(_)), "{error}");
    // Nobody is let in as that person any more, and the door has its gallery.
    assert!(store.person(&id(3)).unwrap().is_none());
    assert_eq!(store.counts().people, 19);
    assert!(store.erasure_due().unwrap());
    assert!(store.finish_erasure().is_err());
    drop(store);
    let store = open(&disk).unwrap();
    assert!(store.erasure_due().unwrap() && !store.opening().erasure_finished);
    store.append(&[event(EventKind::Boot, 1)]).unwrap();
    disk.limit(None);
    store.finish_erasure().unwrap();
    assert!(!store.erasure_due().unwrap());
    assert_eq!((store.counts().people, store.counts().events), (19, 2));
    drop(store);
    assert_eq!(Model::of(&open(&disk).unwrap()).people.len(), 19);
}
