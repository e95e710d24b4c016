//! What the house says of itself never says who stood at the door, nor what they look like.
//!
//! Owns: a name, a note, a picture and a template made to be found again, and the search for them in `Debug` output,
//! in logs at trace level, in what commands print and in the files of a whole run. Does not own: the redactions.
//! Invariant: each search is first shown to find what it looks for.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

#[path = "common/mod.rs"]
mod common;

use std::collections::HashSet;
use std::fmt::Debug;
use std::path::Path;

use common::need_shared;
use ostiary::domain::{
    AlignedFace, Consent, Cosine, Decision, Detection, Embedding, Frame, FrameMeta, Match, ModelId, Mono,
    Person, PersonId, Screen, Standing, Template, TemplateId, TemplateSource, Utc, clipped,
};
use ostiary::matching::{Candidate, Gallery};
use ostiary::picture::{Limits, Picture, decode};
use ostiary::store::{Crop, Filter, Jpeg, NewTemplate, Options, SealKey, Store};
use ostiary::vision::{Manifest, ModelSet, Purpose, Trusted, Vision, VisionConfig};

/// Names in three scripts that nothing else here contains.
const NAMES: [&str; 3] = ["Zéphyrine Quixwold", "Ζηνοβία Ξυλάκη", "卓別林翠"];
/// Free text of which one word is enough to know a person.
const NOTE: &str = "limps-since-Xanthippe";

fn id() -> PersonId {
    "employee-7".parse().unwrap()
}

fn person(name: &str) -> Person {
    let mut person = Person::new(id(), clipped(name), Utc(0));
    person.notes = clipped(NOTE);
    person.date_of_birth = clipped("1987-03-29");
    person.nationality = clipped("Ruritanian");
    person.consent = Some(Consent { basis: clipped("form"), at: Utc(0), by: clipped(name) });
    person
}

fn embedding() -> Embedding {
    let raw: Vec<f32> = (0..128_u16).map(|i| f32::from(i * 37 % 101) - 50.0).collect();
    Embedding::from_float(&raw).unwrap()
}

fn template() -> Template {
    Template {
        id: TemplateId(1),
        embedding: embedding(),
        model: ModelId([9; 32]),
        epoch: 1,
        quality: 80,
        source: TemplateSource::Image,
        created_at: Utc(0),
    }
}

/// Everything in `text` that tells who somebody is or what they look like.
fn leaks(text: &str) -> Vec<String> {
    let private = NAMES.iter().flat_map(|n| n.split(' ')).chain([NOTE, "1987-03-29", "Ruritanian"]);
    let mut found: Vec<String> = private
        .filter(|word| {
            let escaped: String = word.chars().flat_map(char::escape_default).collect();
            let bytes = format!("{:?}", word.as_bytes());
            [word, escaped.as_str(), bytes.trim_matches(['[', ']'])].iter().any(|form| text.contains(form))
        })
        .map(|word| format!("`{word}`"))
        .collect();
    found.extend(number_run(text).map(|run| format!("numbers `{run}...`")));
    found.extend(hex_or_base64_run(text).map(|run| format!("encoded bytes `{run}...`")));
    found
}

/// Two dozen numbers with nothing but separators between them, ten of them different: a template, an image, a
/// tensor; the shapes of a network's outputs are fewer.
fn number_run(text: &str) -> Option<String> {
    let mut run: Vec<&str> = Vec::new();
    for word in text.split([' ', ',', '\n', '[', ']', '(', ')']).filter(|w| !w.is_empty()) {
        if word.parse::<f64>().is_ok() {
            run.push(word);
            if run.len() >= 24 && run[run.len() - 24..].iter().collect::<HashSet<_>>().len() >= 10 {
                return Some(run[run.len() - 24..][..8].join(" "));
            }
        } else {
            run.clear();
        }
    }
    None
}

/// A run of 80 characters as only base64 or hexadecimal has: longer than any hash that is printed.
fn hex_or_base64_run(text: &str) -> Option<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '+' || c == '/'))
        .find(|run| {
            run.len() >= 80 && run.chars().any(|c| c.is_ascii_digit()) && run.matches('/').count() < 8
        })
        .map(|run| &run[..24])
}

fn says_nothing(what: &str, value: &impl Debug) {
    for text in [format!("{value:?}"), format!("{value:#?}")] {
        let leaks = leaks(&text);
        assert!(leaks.is_empty(), "Debug of {what} leaks {}", leaks.join(", "));
    }
}

#[test]
fn the_search_finds_what_it_looks_for() {
    assert!(!leaks("person Zéphyrine let in").is_empty());
    assert!(!leaks(&format!("{:?}", "卓別林翠".as_bytes())).is_empty());
    assert!(!leaks(&"Ξυλάκη".escape_unicode().to_string()).is_empty());
    assert!(!leaks(&format!("{:?}", embedding().values())).is_empty());
    let tensor: Vec<f32> = (0..24_u8).map(|i| f32::from(i) * 0.01 - 0.1).collect();
    assert!(!leaks(&format!("{tensor:#?}")).is_empty());
    assert!(!leaks(&"ab0".repeat(40)).is_empty());
    assert_eq!(leaks("2026-11-21T10:00:00Z grant employee-7 after 210 ms, 3 faces, sha256 "), [""; 0]);
    assert_eq!(leaks(&format!("{:?}", ModelId([9; 32]))), [""; 0]);
}

#[test]
fn debug_of_people_faces_and_decisions_says_nothing() {
    for name in NAMES {
        says_nothing("Person", &person(name));
        says_nothing("Consent", &person(name).consent);
        let found = Match::Person {
            id: id(),
            name: clipped(name),
            standing: Standing::default(),
            score: Cosine::new(0.7),
        };
        says_nothing("Match", &found);
        says_nothing("Decision", &Decision::Grant { person: id(), name: clipped(name), since: Mono(0) });
        says_nothing("Screen", &Screen::Welcome { name: clipped(name) });
        says_nothing("Filter", &Filter { name: Some(name.to_owned()), ..Filter::default() });
    }
    says_nothing("Embedding", &embedding());
    says_nothing("Template", &template());
    let pixels: Vec<u8> = (0..128 * 128 * 3_u32).map(|i| (i * 7 % 251) as u8).collect();
    let mut aligned = AlignedFace::black(128).unwrap();
    aligned.rgb_mut().copy_from_slice(&pixels);
    says_nothing("AlignedFace", &aligned);
    says_nothing("Trusted", &Trusted(&aligned));
    let meta = FrameMeta { width: 128, height: 128, captured: Mono(0), seq: 0 };
    says_nothing("Frame", &Frame::new(&pixels, meta).unwrap());
    says_nothing("Picture", &Picture::new(128, 128, pixels.clone()).unwrap());
    says_nothing("Detection", &Detection::default());
    says_nothing("Crop", &Crop { side: 128, rgb: pixels.clone() });
    says_nothing("Jpeg", &Jpeg(pixels.clone()));
    let new = NewTemplate {
        embedding: embedding(),
        model: ModelId([9; 32]),
        epoch: 1,
        quality: 80,
        source: TemplateSource::Image,
        created_at: Utc(0),
        crop: Some(Crop { side: 128, rgb: pixels }),
    };
    says_nothing("NewTemplate", &new);
}

#[test]
fn debug_of_galleries_and_keys_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let key = SealKey::from_bytes(std::array::from_fn(|i| 200 + i as u8 % 50));
    says_nothing("SealKey", &key);
    let store = Store::open(&folder.path().join("gallery.redb"), key, Options::default()).unwrap();
    let new = NewTemplate {
        embedding: embedding(),
        model: ModelId([9; 32]),
        epoch: 1,
        quality: 80,
        source: TemplateSource::Image,
        created_at: Utc(0),
        crop: None,
    };
    store.enrol(&person(NAMES[0]), &[new], &[Jpeg(vec![0xab; 4096])], &[]).unwrap();
    says_nothing("Store", &store);
    says_nothing("Page", &store.people(&Filter::default(), 0, 10).unwrap());
    says_nothing("Export", &store.export_person(&id()).unwrap());
    says_nothing("Receipt", &store.delete_person(&id(), &[]).unwrap());

    let gallery = Gallery::build(ModelId([9; 32]), [(person(NAMES[1]), [template()])]).unwrap();
    says_nothing("Gallery", &gallery);
    says_nothing(
        "Candidate",
        &Candidate { id: id(), score: Cosine::new(0.5), standing: Standing::default() },
    );
}

#[test]
fn debug_of_eyes_that_looked_says_nothing() {
    let models = need_shared!("models");
    let faces = need_shared!("eval/lfw");
    let manifest =
        Manifest::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/manifest.toml")).unwrap();
    let set = ModelSet::load(&manifest, manifest.set("strong").unwrap(), &[models]).unwrap();
    let mut eyes = Vision::new(set, VisionConfig::default()).unwrap();
    let picture = decode(&std::fs::read(first_jpeg(&faces)).unwrap(), Limits::default()).unwrap();
    let meta = FrameMeta { width: picture.width(), height: picture.height(), captured: Mono(0), seq: 0 };
    let frame = Frame::new(picture.rgb(), meta).unwrap();
    let examined = eyes.examine(frame, Purpose::Probe).unwrap();
    assert!(examined.aligned.is_some(), "the picture shows a face");
    says_nothing("Examined", &examined);
    let look = eyes.look(frame, &mut |_| Match::Unknown { score: Cosine::new(0.0) }).unwrap();
    says_nothing("Look", &look);
    says_nothing("Vision", &eyes);
}

fn first_jpeg(folder: &Path) -> std::path::PathBuf {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    entries.iter().find(|p| p.extension().is_some_and(|e| e == "jpg")).cloned().unwrap_or_else(|| {
        first_jpeg(entries.iter().find(|p| p.is_dir()).expect("the folder holds pictures"))
    })
}
