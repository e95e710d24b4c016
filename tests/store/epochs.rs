//! Changes of model: whatever is done in whatever order, and wherever the power goes, one epoch serves and nobody is
//! lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use ostiary::domain::{Embedding, EventKind, ModelId, Utc};
use ostiary::store::{Crop, Epoch, MadeTemplate, NewTemplate, Options, Store, StoreError, Switched};

use crate::common::{embedding, event, id, key, noise, person, place, template};
use crate::disk::{Dice, Disk};

const SIDE: u16 = 12;

fn model(number: u8) -> ModelId {
    ModelId([number; 32])
}

fn open(disk: &Disk) -> Result<Store, StoreError> {
    let store = Store::open_on(Arc::new(disk.clone()), key(), Options::default())?;
    let first = Epoch { number: 0, set: "set-0".into(), model: model(0), since: Utc(1) };
    if store.epochs().is_none() {
        store.settle_epoch(&first, "")?;
    }
    Ok(store)
}

/// The template that a model makes of the face `seed`.
fn made_by(model: u8, seed: u64) -> Embedding {
    embedding(seed * 8 + u64::from(model))
}

fn face(seed: u64) -> Vec<u8> {
    noise(seed, usize::from(SIDE) * usize::from(SIDE) * 3)
}

/// One template: its face, the model that made it, and whether the face is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Look {
    seed: u64,
    model: u8,
    crop: bool,
}

/// What the gallery must hold.
#[derive(Clone, Debug, Default, PartialEq)]
struct World {
    people: BTreeMap<usize, Vec<Look>>,
    serving: (u8, u32),
    next: Option<(u8, u32)>,
    /// Faces that the next epoch was asked for, and whether they gave a template.
    made: BTreeMap<u64, bool>,
}

#[derive(Clone, Debug)]
enum Change {
    Enrol { who: usize, seed: u64, crop: bool },
    Delete { who: usize },
    Begin(u8),
    Drop,
    Make { most: usize, fail: bool },
    Switch,
}

impl World {
    fn due(&self) -> Vec<u64> {
        let Some((next, _)) = self.next else { return Vec::new() };
        let looks = self.people.values().flatten();
        looks
            .filter(|l| l.crop && l.model != next && !self.made.contains_key(&l.seed))
            .map(|l| l.seed)
            .collect()
    }

    fn draw(&self, dice: &mut Dice) -> Change {
        let who = dice.below(6) as usize;
        match dice.below(12) {
            0..3 if self.people.get(&who).map_or(0, Vec::len) < 9 => {
                Change::Enrol { who, seed: dice.below(1 << 40), crop: dice.below(4) > 0 }
            }
            3 if self.people.contains_key(&who) => Change::Delete { who },
            4 | 5 => Change::Begin(dice.below(3) as u8),
            6 if dice.below(4) == 0 => Change::Drop,
            7 | 8 => Change::Switch,
            _ => Change::Make { most: 1 + dice.below(6) as usize, fail: dice.below(8) == 0 },
        }
    }

    /// Does it; answers what the gallery holds then, or what it may hold when the power went.
    fn apply(&self, change: &Change, store: &Store) -> Result<Self, Option<Self>> {
        let mut after = self.clone();
        let cut = |after: &Self| Some(after.clone());
        match change {
            Change::Enrol { who, seed, crop } => {
                let crop = crop.then(|| Crop { side: SIDE, rgb: face(*seed) });
                let look = Look { seed: *seed, model: self.serving.0, crop: crop.is_some() };
                after.people.entry(*who).or_default().push(look);
                let new = NewTemplate {
                    embedding: made_by(look.model, look.seed),
                    model: model(look.model),
                    epoch: self.serving.1,
                    crop,
                    ..template(1, 0)
                };
                store.enrol(&person(*who), &[new], &[], &[]).map_err(|_| cut(&after))?;
            }
            Change::Delete { who } => {
                for look in after.people.remove(who).into_iter().flatten() {
                    after.made.remove(&look.seed);
                }
                let receipt = store.delete_person(&id(*who), &[]).map_err(|_| cut(&after))?;
                assert_eq!(receipt.occurrences, 0);
            }
            Change::Begin(to) => {
                let next = (*to, self.serving.1 + u32::from(*to != self.serving.0));
                if self.next != Some(next) {
                    after.made.clear();
                }
                after.next = Some(next);
                let told = event(EventKind::ModelChanged, 1);
                let begun = store.begin_epoch(&format!("set-{to}"), model(*to), "", Utc(2), &[told]);
                begun.map_err(|_| cut(&after))?;
            }
            Change::Drop => {
                (after.next, after.made) = (None, BTreeMap::new());
                let dropped = store.drop_epoch("", &[]).map_err(|_| cut(&after))?;
                assert_eq!(dropped, self.next.is_some());
            }
            Change::Make { most, fail } => {
                let Ok((due, further)) = store.due_faces(0, *most) else { return Err(None) };
                let wanted = self.due();
                assert!(further.is_some() || due.len() == wanted.len(), "{due:?} of {wanted:?}");
                let Some((next, number)) = self.next else { return Ok(after) };
                let mut made = Vec::new();
                for face_due in &due {
                    let seed =
                        *wanted.iter().find(|s| face(**s) == face_due.crop.rgb).expect("a face of ours");
                    after.made.insert(seed, !fail);
                    let embedding = (!fail).then(|| made_by(next, seed));
                    made.push(MadeTemplate { place: face_due.place, embedding });
                }
                let kept = store.put_made(number, model(next), &made).map_err(|_| cut(&after))?;
                assert!(kept);
                assert!(!store.put_made(number + 7, model(next), &made).map_err(|_| cut(&after))?);
            }
            Change::Switch => {
                let epochs = store.epochs().expect("it was told");
                let (Some((next, number)), Some(wanted)) = (self.next, epochs.next) else { return Ok(after) };
                let due = self.due().len() as u64;
                if due == 0 {
                    for look in after.people.values_mut().flatten() {
                        if self.made.get(&look.seed) == Some(&true) {
                            look.model = next;
                        }
                    }
                    (after.serving, after.next, after.made) = ((next, number), None, BTreeMap::new());
                }
                let told = event(EventKind::ModelChanged, 2);
                let switched = store.switch_epoch(&wanted, Utc(3), &[told]).map_err(|_| cut(&after))?;
                assert_eq!(switched, if due == 0 { Switched::Done } else { Switched::Unfinished(due) });
                let other = Epoch { number: 99, ..wanted };
                if let Ok(again) = store.switch_epoch(&other, Utc(4), &[]) {
                    assert_eq!(again, Switched::Other);
                }
            }
        }
        Ok(after)
    }

    /// Whether this is what the gallery holds.
    fn is_in(&self, store: &Store) -> bool {
        let epochs = store.epochs().expect("it was told");
        let of = |epoch: &Epoch| (epoch.model.0[0], epoch.number);
        let failed = self.made.values().filter(|ok| !**ok).count() as u64;
        let same = of(&epochs.serving) == self.serving
            && epochs.next.as_ref().map(of) == self.next
            && (epochs.made, epochs.failed) == (self.made.len() as u64, failed);
        same && store.ids().len() == self.people.len()
            && self.people.iter().all(|(who, looks)| {
                let held = store.templates(&id(*who)).unwrap();
                let crops = store.crops(&id(*who)).unwrap();
                held.len() == looks.len()
                    && crops.len() == looks.iter().filter(|l| l.crop).count()
                    && held.iter().zip(looks).all(|(t, look)| {
                        t.model == model(look.model) && t.embedding == made_by(look.model, look.seed)
                    })
            })
    }
}

#[test]
fn one_epoch_serves_and_nobody_is_lost_wherever_the_power_goes() {
    let number = |name: &str, usual| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let (cuts, seed) = (number("OSTIARY_CUTS", 300_u64), number("OSTIARY_SEED", 1_u64));
    let (mut disk, mut world) = (Disk::default(), World::default());
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut switches = 0;
    for cut in 0..cuts {
        if cut % 40 == 0 {
            (disk, world) = (Disk::default(), World::default());
            drop(open(&disk).unwrap());
        }
        let reach = if dice.below(4) == 0 { 600 } else { 120 };
        disk.cut_after(dice.below(reach));
        let mut allowed = vec![world.clone()];
        if let Ok(store) = open(&disk) {
            while disk.powered() {
                let change = world.draw(&mut dice);
                match world.apply(&change, &store) {
                    Ok(after) => {
                        switches += u32::from(after.serving != world.serving);
                        world = after;
                        allowed = vec![world.clone()];
                    }
                    Err(after) => {
                        allowed.extend(after);
                        break;
                    }
                }
            }
        }
        disk.power_cycle(&mut dice);
        let store = open(&disk).unwrap_or_else(|e| panic!("cut {cut}, seed {seed}: {e}"));
        let found = allowed.iter().rposition(|world| world.is_in(&store));
        let found = found.unwrap_or_else(|| panic!("cut {cut}, seed {seed}: none of {allowed:#?}"));
        world = allowed.swap_remove(found);
    }
    assert!(switches > 20, "only {switches} switches in {cuts} cuts");
}

#[test]
fn a_template_that_was_made_again_keeps_the_points_of_its_face() {
    let place = place();
    let store = place.open();
    store.settle_epoch(&Epoch { number: 4, set: "a".into(), model: model(1), since: Utc(1) }, "a").unwrap();
    store.enrol(&person(1), &[template(1, SIDE), template(2, 0)], &[], &[]).unwrap();
    for to in [2_u8, 3, 1] {
        store.begin_epoch("b", model(to), "b", Utc(2), &[]).unwrap();
        let (due, _) = store.due_faces(0, 10).unwrap();
        // However often it was made again: the face is the one of the enrolment.
        assert_eq!((due.len(), due[0].aligned_for), (1, model(1)));
        let made = MadeTemplate { place: due[0].place, embedding: Some(embedding(u64::from(to))) };
        let next = store.epochs().unwrap().next.unwrap();
        assert!(store.put_made(next.number, next.model, &[made]).unwrap());
        let export = store.export_person(&id(1)).unwrap();
        assert_eq!(export.templates.len(), 3, "what is being made is held, too");
        assert_eq!(store.switch_epoch(&next, Utc(3), &[]).unwrap(), Switched::Done);
        assert_eq!(store.export_person(&id(1)).unwrap().templates.len(), 2);
    }
    drop(store);
    let store = place.open();
    let serving = store.epochs().unwrap().serving;
    assert_eq!((serving.number, serving.model, serving.since), (7, model(1), Utc(3)));
    let held = store.templates(&id(1)).unwrap();
    assert_eq!((held[0].epoch, held[0].model), (7, model(1)));
    assert_eq!((held[1].epoch, held[1].embedding.clone()), (1, embedding(2)));
    assert!(store.check().is_ok());
}

#[test]
fn a_gallery_from_before_there_were_epochs_is_opened_and_told() {
    const NEXT: redb::TableDefinition<'static, (u64, u64), &[u8]> = redb::TableDefinition::new("n");
    let place = place();
    let store = place.open();
    store.enrol(&person(1), &[template(1, SIDE)], &[], &[]).unwrap();
    assert_eq!(store.epochs(), None);
    drop(store);
    let raw = redb::Database::open(&place.path).unwrap();
    let txn = raw.begin_write().unwrap();
    assert!(txn.delete_table(NEXT).unwrap());
    txn.commit().unwrap();
    drop(raw);
    let store = place.open();
    assert_eq!((store.epochs(), store.templates(&id(1)).unwrap().len()), (None, 1));
    store.settle_epoch(&Epoch { number: 0, set: "a".into(), model: model(1), since: Utc(1) }, "").unwrap();
    store.begin_epoch("b", model(2), "", Utc(2), &[]).unwrap();
    let due = store.due_faces(0, 10).unwrap().0;
    let made = MadeTemplate { place: due[0].place, embedding: Some(embedding(9)) };
    assert!(store.put_made(1, model(2), &[made]).unwrap());
    drop(store);
    // A row that went behind the record's back is damage, not a template less.
    let raw = redb::Database::open(&place.path).unwrap();
    let txn = raw.begin_write().unwrap();
    txn.open_table(NEXT).unwrap().remove(due[0].place).unwrap();
    txn.commit().unwrap();
    drop(raw);
    assert!(matches!(Store::open(&place.path, key(), Options::default()), Err(StoreError::Corrupt { .. })));
}
