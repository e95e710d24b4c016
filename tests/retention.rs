//! How long a door keeps what it keeps, who was shown it, and that consent withdrawn means gone: the real binary on
//! galleries made for it.
//!
//! Owns: the galleries, the bytes of the closed file, what the commands answer. Does not own: removal (`tests/store`),
//! what is due (`src/app/retention.rs`), the console (`tests/console`).

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

#[path = "common/program.rs"]
mod program;

use std::collections::HashSet;
use std::fs;
use std::process::Stdio;

use ostiary::domain::{
    ClockTrust, DoorId, Embedding, Event, EventKind, ModelId, Mono, Now, Person, PersonId, Punch, PunchKind,
    PunchSource, TemplateSource, Utc, clipped,
};
use ostiary::ports::Clock as _;
use ostiary::store::{Crop, Jpeg, NewTemplate, Options, Record, SealKey, Store};
use program::Ostiary;
use redb::ReadableDatabase as _;
use redb::ReadableTable as _;

const DAY: i64 = 86_400_000;

fn noise(seed: u64, n: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 32) as u8
    };
    (0..n).map(|_| next()).collect()
}

fn id(i: u64) -> PersonId {
    format!("employee-{i}").parse().unwrap()
}

/// The gallery of the program's data folder, opened as the program opens it.
fn gallery(ostiary: &Ostiary) -> Store {
    fs::create_dir_all(ostiary.data()).unwrap();
    let path = ostiary.data().join("gallery.redb");
    let key = SealKey::load_or_create(&ostiary.data().join("ostiary.key"), &path).unwrap();
    Store::open(&path, key, Options::default()).unwrap()
}

fn at(utc: i64) -> Now {
    Now { mono: Mono(0), utc: Utc(utc), trust: ClockTrust::Trusted }
}

/// Four people with picture and face; the first left 40 days ago. Events and punches of the last 100 days, one a day.
fn filled(ostiary: &Ostiary) -> i64 {
    let now = ostiary::device::clock_os::OsClock::new().now().utc.0;
    let store = gallery(ostiary);
    for i in 0..4 {
        let values: Vec<f32> = noise(i + 1, 128).iter().map(|b| f32::from(*b) - 127.5).collect();
        let template = NewTemplate {
            embedding: Embedding::from_float(&values).unwrap(),
            model: ModelId([1; 32]),
            epoch: 0,
            quality: 80,
            source: TemplateSource::Image,
            created_at: Utc(now - 50 * DAY * i64::from(i == 1)),
            crop: Some(Crop { side: 48, rgb: noise(i + 100, 48 * 48 * 3) }),
        };
        let mut person = Person::new(id(i), clipped("Zéphyrine Quixwold"), Utc(now - 60 * DAY));
        person.valid_until = (i == 0).then_some(Utc(now - 40 * DAY));
        store.enrol(&person, &[template], &[Jpeg(noise(i + 200, 9_000))], &[]).unwrap();
    }
    for day in (0..100).rev() {
        let event = Event::new(EventKind::DoorOpened, DoorId(1), at(now - day * DAY - 60_000));
        let punch = Punch {
            person: id(2),
            at: event.at,
            kind: PunchKind::CheckIn,
            job: 0,
            source: PunchSource::Face,
        };
        store
            .append_records(&[Record::Event(event), Record::Punch { punch, door: DoorId(1), same_s: 0 }])
            .unwrap();
    }
    now
}

/// Every sealed record of the closed file, by table.
fn sealed(ostiary: &Ostiary, table: &'static str) -> Vec<Vec<u8>> {
    let db = redb::Database::open(ostiary.data().join("gallery.redb")).unwrap();
    let txn = db.begin_read().unwrap();
    if matches!(table, "t" | "c" | "i") {
        let rows = txn.open_table(redb::TableDefinition::<(u64, u64), &[u8]>::new(table)).unwrap();
        return rows.iter().unwrap().map(|row| row.unwrap().1.value().to_vec()).collect();
    }
    let rows = txn.open_table(redb::TableDefinition::<u64, &[u8]>::new(table)).unwrap();
    rows.iter().unwrap().map(|row| row.unwrap().1.value().to_vec()).collect()
}

/// Places of the file that hold any 12 bytes that stand together in any of the records.
fn fragments(ostiary: &Ostiary, records: &[Vec<u8>]) -> usize {
    let file = fs::read(ostiary.data().join("gallery.redb")).unwrap();
    let pieces: HashSet<&[u8]> = records.iter().flat_map(|r| r[1..].windows(12)).collect();
    file.windows(12).filter(|w| pieces.contains(w)).count()
}

#[test]
fn what_the_configuration_says_is_too_old_is_removed_and_the_file_searched() {
    let ostiary = Ostiary::new();
    filled(&ostiary);
    // Of each day one event of the door and one of the punch.
    let (events, punches) = (sealed(&ostiary, "j"), sealed(&ostiary, "k"));
    let old: Vec<Vec<u8>> = [&events[..2 * 69], &punches[..9], &sealed(&ostiary, "i")[..2]].concat();
    assert!(fragments(&ostiary, &old) > 1_000);
    let config = ostiary.file(
        "c.toml",
        "[retention]\nevents_days = 30\nattendance_days = 90\nleavers_days = 30\npictures_days = 45\n",
    );
    let done = ostiary.run(&["expire", "--config", &config, "--json"]).ends(0);
    let receipt = &done.json()[0];
    assert_eq!((&receipt["people"], &receipt["occurrences"]), (&1.into(), &0.into()), "{receipt}");
    assert_eq!((receipt["events"].as_u64(), receipt["punches"].as_u64()), (Some(140), Some(10)), "{receipt}");
    assert_eq!(receipt["pictures"], 2, "the leaver's, and the one of 50 days: {receipt}");
    assert_eq!(fragments(&ostiary, &old), 0);
    ostiary.run(&["persons", "show", "employee-0"]).ends(4);
    ostiary.run(&["persons", "show", "employee-1"]).ends(0);
    ostiary.run(&["events", "verify"]).ends(0);
    let events = ostiary.run(&["events", "list", "--limit", "1000"]).ends(0).out;
    assert!(events.contains("too old, removed by board: 140 events, 10 punches"), "{events}");
    assert!(events.contains("\"person_deleted\"") && events.contains("retention, by board"));
    assert_eq!(
        ostiary.run(&["expire", "--config", &config, "--json"]).ends(0).json()[0]["bytes_searched"],
        0
    );
    // Without a word about it, nothing ever goes.
    let before = gallery(&ostiary).counts();
    ostiary.run(&["expire"]).ends(0);
    assert_eq!(gallery(&ostiary).counts().people, before.people);
    // Days that cannot be.
    let wrong = ostiary.file("w.toml", "[retention]\nevents_days = 40000\n");
    ostiary.run(&["config", "check", "--config", &wrong]).ends(3).says(&["retention.events_days"]);
}

#[test]
fn with_templates_alone_no_picture_and_no_face_stays_in_the_file() {
    let ostiary = Ostiary::new();
    filled(&ostiary);
    let seen: Vec<Vec<u8>> = [sealed(&ostiary, "i"), sealed(&ostiary, "c")].concat();
    assert_eq!(seen.len(), 8);
    let templates = sealed(&ostiary, "t");
    let config = ostiary.file("c.toml", "[storage]\nkeep_images = false\nkeep_crops = false\n");
    let receipt = ostiary.run(&["expire", "--config", &config, "--json"]).ends(0).json().remove(0);
    assert_eq!((&receipt["pictures"], &receipt["crops"]), (&4.into(), &4.into()));
    assert_eq!(fragments(&ostiary, &seen), 0);
    assert_eq!(sealed(&ostiary, "t"), templates, "templates stay as they were");
    assert!(sealed(&ostiary, "i").is_empty() && sealed(&ostiary, "c").is_empty());
}

#[test]
fn consent_withdrawn_means_gone_and_the_journal_says_why() {
    let ostiary = Ostiary::new();
    filled(&ostiary);
    let person: Vec<Vec<u8>> = vec![sealed(&ostiary, "p").remove(1), sealed(&ostiary, "t").remove(1)];
    let done = ostiary.run(&["persons", "delete", "employee-1", "--consent-withdrawn", "--json"]).ends(0);
    assert_eq!(done.json()[0]["occurrences"], 0);
    assert_eq!(fragments(&ostiary, &person), 0);
    ostiary.run(&["persons", "show", "employee-1"]).ends(4);
    let events = ostiary.run(&["events", "list", "--limit", "1000"]).ends(0).out;
    assert!(events.contains("consent withdrawn, by board"), "{events}");
}

#[test]
fn whoever_looks_at_the_board_is_in_the_log_and_in_the_person_s_export() {
    let ostiary = Ostiary::new();
    filled(&ostiary);
    ostiary.run(&["persons", "show", "employee-1"]).ends(0);
    ostiary.run(&["persons", "list"]).ends(0);
    ostiary.run(&["attendance", "today"]).ends(0);
    ostiary.run(&["persons", "show", "nobody"]).ends(4);
    let looks = |arguments: &[&str]| {
        let done = ostiary.run(&[&["audit", "--json"], arguments].concat()).ends(0);
        done.json().iter().map(|l| l["what"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(looks(&[]), ["attendance", "list", "profile"], "and who was refused saw nothing");
    let about = looks(&["--person", "employee-1"]);
    assert_eq!(about, ["audit", "attendance", "list", "profile"]);
    assert_eq!(looks(&["--person", "zed"])[0], "audit");
    assert!(looks(&["--who", "account marta"]).is_empty());
    let file = ostiary.file("export.json", "");
    ostiary.run(&["persons", "export", "employee-1", "-o", &file]).ends(0);
    let export: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let told: Vec<&str> =
        export["looks"].as_array().unwrap().iter().map(|l| l["what"].as_str().unwrap()).collect();
    assert_eq!(told[..2], ["profile", "list"]);
    let text = ostiary.run(&["audit", "--limit", "1"]).ends(0).out;
    assert!(text.contains("export") && text.contains("employee-1"), "{text}");
    assert!(!text.contains("Quixwold"), "a line names nobody");
}

#[test]
fn a_door_at_work_removes_what_is_due_by_itself() {
    let ostiary = Ostiary::new();
    filled(&ostiary);
    let old = sealed(&ostiary, "k")[..90].to_vec();
    // An empty hall; the door's own networks are in the repository.
    let frames = ostiary.folder().join("frames");
    fs::create_dir(&frames).unwrap();
    image::RgbImage::from_pixel(640, 480, image::Rgb([90, 90, 90])).save(frames.join("0.png")).unwrap();
    let board = format!(
        "name = \"r\"\n[camera]\nsource = \"replay\"\npath = \"{}\"\nloop = true\nfps = 2\n[door]\nkind = \"sim\"\n",
        frames.display()
    );
    let board = ostiary.file("board.toml", board);
    let config = ostiary.file("c.toml", "[models]\nset = \"ostiary\"\n[retention]\nattendance_days = 10\n");
    let mut door = ostiary
        .command(&["run", "--board", &board, "--config", &config, "--for-s", "14"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(door.wait().unwrap().success());
    assert_eq!(fragments(&ostiary, &old), 0);
    assert_eq!(gallery(&ostiary).punch_count(), 10);
}
