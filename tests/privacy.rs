//! What the house says of itself never says who stood at the door, nor what they look like.
//!
//! Owns: a name, a note, a picture and a template made to be found again, and the search for them in `Debug` output,
//! in logs at trace level, in what commands print and in the files of a whole run. Does not own: the redactions.
//! Invariant: each search is first shown to find what it looks for.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

#[path = "common/mod.rs"]
mod common;
#[path = "common/program.rs"]
mod program;

use std::collections::HashSet;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use common::need_shared;
use ostiary::app::cli::Cli;
use ostiary::domain::{
    AlignedFace, Consent, Cosine, Decision, Detection, Embedding, Frame, FrameMeta, Match, ModelId, Mono,
    Person, PersonId, Screen, Standing, Template, TemplateId, TemplateSource, Utc, clipped,
};
use ostiary::link::wire::{self, Command, PersonPut, PersonView, Photo, Profile, Reply, Secret};
use ostiary::matching::{Candidate, Gallery};
use ostiary::picture::{Limits, Picture, decode};
use ostiary::store::{Crop, Filter, Jpeg, NewTemplate, Options, SealKey, Store};
use ostiary::vision::{Manifest, ModelSet, Purpose, Trusted, Vision, VisionConfig};
use program::Ostiary;
use serde_json::json;

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

/// A run of 160 characters as only base64 or hexadecimal has: longer than any hash or signature that is printed.
fn hex_or_base64_run(text: &str) -> Option<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '+' || c == '/'))
        .find(|run| {
            run.len() >= 160 && run.chars().any(|c| c.is_ascii_digit()) && run.matches('/').count() < 8
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
    assert!(!leaks(&"ab0".repeat(60)).is_empty());
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
fn debug_of_requests_and_answers_says_nothing() {
    let name = NAMES[0];
    let profile = Profile {
        name: Some(name.to_owned()),
        notes: Some(NOTE.to_owned()),
        consent: Some(NOTE.to_owned()),
        ..Profile::default()
    };
    let images = vec![Photo { name: "a.jpg".to_owned(), bytes: (0..=255).collect() }];
    let put = PersonPut { id: Some("employee-7".to_owned()), profile, images, ..PersonPut::default() };
    says_nothing("Command", &Command::Enrol(put));
    says_nothing("Setup", &Command::Setup { code: Secret(name.to_owned()), name: "key".to_owned() });
    let line = ["ostiary", "enroll", "--person", "employee-7", "--name", name, "--consent", NOTE, "a.jpg"];
    says_nothing("Cli", &Cli::try_parse_from(line).unwrap());

    let person = PersonView {
        id: "employee-7".to_owned(),
        name: name.to_owned(),
        notes: NOTE.to_owned(),
        date_of_birth: "1987-03-29".to_owned(),
        nationality: "Ruritanian".to_owned(),
        consent: Some(NOTE.to_owned()),
        ..PersonView::default()
    };
    let identified = json!({
        "person": "employee-7", "name": name, "ambiguous": false, "score": 0.9, "cosine": 0.7, "threshold": 0.5,
        "quality": 80,
    });
    let thumbnail = wire::Thumbnail { id: "employee-7-0".to_owned(), thumbnail: "ab0/".repeat(40) };
    let candidate = wire::Candidate { person: person.clone(), score: Some(0.9), thumbnails: vec![thumbnail] };
    for reply in [
        serde_json::from_value(json!({ "Identified": identified })).unwrap(),
        Reply::Persons(wire::PersonPage { persons: vec![person.clone()], total: 1 }),
        Reply::Person(Box::new(person)),
        Reply::Found(wire::Found { candidates: vec![candidate], live_score: None }),
        Reply::Document(wire::Document(format!("{{\"name\": \"{name}\"}}"))),
        Reply::TokenIssued(wire::TokenIssued {
            view: wire::TokenView {
                id: "0".to_owned(),
                name: "key".to_owned(),
                scopes: Vec::new(),
                created: wire::Moment(0),
                expires: None,
                expired: false,
            },
            secret: NOTE.to_owned(),
        }),
    ] {
        says_nothing("Reply", &reply);
    }
}

#[test]
fn debug_of_eyes_that_looked_says_nothing() {
    let models = need_shared!("models");
    let faces = need_shared!("eval/lfw");
    let manifest =
        Manifest::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/manifest.toml")).unwrap();
    let set = ModelSet::load(&manifest, manifest.set("strong").unwrap(), &[models]).unwrap();
    let mut eyes = Vision::new(set, VisionConfig::default()).unwrap();
    let picture = decode(&fs::read(first_jpeg(&faces)).unwrap(), Limits::default()).unwrap();
    let meta = FrameMeta { width: picture.width(), height: picture.height(), captured: Mono(0), seq: 0 };
    let frame = Frame::new(picture.rgb(), meta).unwrap();
    let examined = eyes.examine(frame, Purpose::Probe).unwrap();
    assert!(examined.aligned.is_some(), "the picture shows a face");
    says_nothing("Examined", &examined);
    let look = eyes.look(frame, &mut |_| Match::Unknown { score: Cosine::new(0.0) }).unwrap();
    says_nothing("Look", &look);
    says_nothing("Vision", &eyes);
}

/// A door that takes every face for a living one, so that a name goes all the way to the display.
const TRUSTING: &str = "[vision]\nmotion_gate = false\n\
    [vision.liveness]\nk = 1\nn = 1\nlive_score = 0.02\nspoof_score = 0.0\nspoof_votes = 1\n";

#[test]
fn a_whole_run_tells_nobody() {
    let ostiary = Ostiary::with_models(need_shared!("models"));
    let looks = looks_of_one_person(&need_shared!("eval/lfw/images"));
    let [first, second, third] = [0, 1, 2].map(|i| ostiary.file(&format!("look-{i}.jpg"), &looks[i]));
    let config = ostiary.file("door.toml", TRUSTING);
    let frames = ostiary.folder().join("frames");
    fs::create_dir(&frames).unwrap();
    for i in 0..12 {
        fs::write(frames.join(format!("{i:02}.jpg")), &looks[2 + i % 2]).unwrap();
    }
    let display = ostiary.folder().join("display");
    let board = format!(
        "name = \"desk\"\n[camera]\nsource = \"replay\"\npath = {frames:?}\npace = \"fast\"\nfps = 10\n\
         [door]\nkind = \"sim\"\n[display]\nkind = \"png\"\nfolder = {display:?}\n"
    );
    let board = ostiary.file("board.toml", board);

    // What is said to whoever reads the log: nobody's name in any of it.
    let mut log = String::new();
    let mut ask = |code: i32, arguments: &[&str]| -> String {
        let talkative: Vec<&str> = arguments.iter().copied().chain(["-vv", "--config", &config]).collect();
        let done = ostiary.run(&talkative).ends(code);
        log.push_str(&done.err);
        done.out
    };
    let name = NAMES[0];
    ask(0, &["enroll", "--person", "employee-7", "--name", name, "--consent", NOTE, &first, &second]);
    ask(4, &["enroll", "--person", "employee-8", "--name", NAMES[1], &third]);
    let found = ask(0, &["identify", &third]);
    assert!(found.contains(name), "the operator who asks is told: {found}");
    ask(0, &["verify", &first, &third]);
    ask(0, &["persons", "show", "employee-7"]);
    let export = ask(0, &["persons", "export", "employee-7"]);

    // What leaves the door or is meant for everybody.
    let mut public = ask(0, &["run", "--board", &board]);
    for question in
        [&["status"][..], &["events", "list", "--limit", "10000"], &["events", "verify"], &["doctor"]]
    {
        public.push_str(&ask(0, question));
        let json: Vec<&str> = question.iter().copied().chain(["--json"]).collect();
        public.push_str(&ask(0, &json));
    }
    assert!(public.contains("access_granted"), "the name went all the way to the display: {public}");
    assert!(log.contains("Decision::Grant(employee-7)"), "what holds the name was logged: {log}");
    for (what, text) in [("the log", &log), ("what leaves the door", &public)] {
        let leaks = leaks(text);
        assert!(leaks.is_empty(), "{what} leaks {}:\n{text}", leaks.join(", "));
    }

    // What lies on the disk, apart from the pictures of the display.
    let export: serde_json::Value = serde_json::from_str(&export).unwrap();
    let values = export["templates"][0]["values"].as_array().expect("an export holds the template");
    let template: Vec<u8> = values[..32].iter().map(|v| v.as_i64().unwrap() as i8 as u8).collect();
    let crop = base64(export["crops"][0]["rgb"].as_str().or(export["crops"][0].as_str()).unwrap());
    let image = base64(export["images"][0].as_str().expect("an export holds the picture"));
    let middle = |bytes: &[u8]| bytes[bytes.len() / 2..][..24].to_vec();
    for needle in
        [name.as_bytes().to_vec(), NOTE.as_bytes().to_vec(), template, middle(&crop), middle(&image)]
    {
        for entry in fs::read_dir(ostiary.data()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let at = bytes.windows(needle.len()).position(|w| w == needle);
            assert_eq!(at, None, "{} holds {:?} in clear", path.display(), String::from_utf8_lossy(&needle));
        }
    }
    ostiary.run(&["persons", "delete", "employee-7"]).ends(0);
}

/// Four pictures of the first person of the folder who has as many.
fn looks_of_one_person(folder: &Path) -> Vec<Vec<u8>> {
    let sorted = |folder: &Path| -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let looks = sorted(folder).iter().map(|person| sorted(person)).find(|looks| looks.len() >= 4);
    looks.expect("somebody has four pictures").iter().take(4).map(|path| fs::read(path).unwrap()).collect()
}

/// Standard base64, as an export writes it.
fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u32> =
        text.bytes().filter_map(|c| ALPHABET.iter().position(|a| *a == c)).map(|d| d as u32).collect();
    let block = |d: &[u32]| {
        let bits = d.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - d.len()));
        bits.to_be_bytes()[1..d.len()].to_vec()
    };
    digits.chunks(4).flat_map(block).collect()
}

fn first_jpeg(folder: &Path) -> PathBuf {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    entries.iter().find(|p| p.extension().is_some_and(|e| e == "jpg")).cloned().unwrap_or_else(|| {
        first_jpeg(entries.iter().find(|p| p.is_dir()).expect("the folder holds pictures"))
    })
}
