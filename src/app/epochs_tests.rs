//! Who decides which set serves: the gallery, its templates, the configuration's last word.

use std::path::Path;

use super::*;
use crate::domain::{Embedding, Now, Person, TemplateSource, Utc, clipped};
use crate::store::{NewTemplate, Options, SealKey, Switched};

const DOOR: DoorId = DoorId(1);

fn now() -> Now {
    Now { utc: Utc(1_780_000_000_000), ..Now::default() }
}

fn store(dir: &tempfile::TempDir) -> Store {
    Store::open(&dir.path().join("g.redb"), SealKey::from_bytes([3; 32]), Options::default()).unwrap()
}

/// The sets of the repository's manifest, by a configuration that names one or none.
fn sets(named: Option<&str>) -> Sets {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/manifest.toml");
    let mut config = Config::read(None).unwrap();
    config.manifest = Some(manifest);
    config.set = named.map(str::to_owned);
    Sets::new(Models::find(&config).unwrap(), &config)
}

fn enrol(store: &Store, id: &str, model: ModelId) {
    let values: Vec<f32> = (0..256_u16).map(|i| f32::from(i % 17) - 8.0).collect();
    let template = NewTemplate {
        embedding: Embedding::from_float(&values).unwrap(),
        model,
        epoch: 0,
        quality: 70,
        source: TemplateSource::Import,
        created_at: Utc(1),
        crop: None,
    };
    let person = Person::new(id.parse().unwrap(), clipped(id), Utc(1));
    store.enrol(&person, &[template], &[], &[]).unwrap();
}

fn settled(store: &Store, named: Option<&str>) -> (String, Option<String>) {
    let set = settle(store, &sets(named), DOOR, now()).unwrap();
    (set, store.epochs().unwrap().next.map(|next| next.set))
}

#[test]
fn an_old_gallery_is_served_by_what_made_its_templates() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let all = sets(None);
    enrol(&store, "a", all.embedder("mobile").unwrap());
    enrol(&store, "b", all.embedder("mobile").unwrap());
    enrol(&store, "c", all.embedder("mobile-int8").unwrap());
    // Whatever the program's default is: nobody has asked for it here.
    assert_eq!(settled(&store, None), ("mobile".into(), None));
    assert_eq!(settled(&store, None), ("mobile".into(), None));
    // What the configuration names is begun, and mobile serves until it is made.
    assert_eq!(settled(&store, Some("strong")), ("mobile".into(), Some("strong".into())));
    // Named once is enough; and taken back it is given up.
    assert_eq!(settled(&store, Some("strong")), ("mobile".into(), Some("strong".into())));
    assert_eq!(settled(&store, Some("mobile")), ("mobile".into(), None));
}

#[test]
fn whoever_spoke_last_is_obeyed() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    // Nobody is enrolled: what the configuration names serves at once.
    assert_eq!(settled(&store, Some("strong")), ("strong".into(), None));
    assert_eq!(settled(&store, Some("mobile")), ("mobile".into(), None));
    enrol(&store, "a", sets(None).embedder("mobile").unwrap());
    // The operator chooses another; the configuration still says what it said, and is not heeded.
    let chosen = sets(Some("mobile"));
    change(&store, &chosen, "strong", DOOR, now()).unwrap();
    let next = store.epochs().unwrap().next.unwrap();
    assert_eq!(store.switch_epoch(&next, Utc(5), &[]).unwrap(), Switched::Done);
    assert_eq!(settled(&store, Some("mobile")), ("strong".into(), None));
    // Until it says something new. Another detector with the same embedder needs no templates.
    assert_eq!(settled(&store, Some("strong-640")), ("strong-640".into(), None));
    assert_eq!(settled(&store, None), ("strong-640".into(), None));
    assert!(settle(&store, &sets(Some("nonsense")), DOOR, now()).is_err());
}

#[test]
fn models_that_the_manifest_has_lost_are_replaced_from_the_kept_faces() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let lost = Epoch { number: 3, set: "gone".into(), model: ModelId([9; 32]), since: Utc(1) };
    store.settle_epoch(&lost, "").unwrap();
    enrol(&store, "a", ModelId([9; 32]));
    let wish = sets(None).configured().to_owned();
    assert_eq!(settled(&store, None), (wish.clone(), Some(wish)));
    assert_eq!(store.epochs().unwrap().next.unwrap().number, 4);
}

#[test]
fn the_points_of_an_unknown_model_are_guessed_only_where_one_guess_is_left() {
    let sets = sets(None);
    let (strong, mobile) = (sets.embedder("strong").unwrap(), sets.embedder("mobile").unwrap());
    assert!(sets.points(strong, 128).is_some() && sets.points(strong, 112).is_none());
    assert!(sets.points(mobile, 112).is_some());
    assert_eq!(sets.points(ModelId([9; 32]), 128), sets.points(strong, 128));
    assert_eq!(sets.points(ModelId([9; 32]), 64), None);
}
