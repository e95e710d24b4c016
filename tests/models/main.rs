//! Models chosen and changed through the real program, on real galleries, with real networks.
//!
//! Owns: `ostiary models use` beside a running door and without one, killed and resumed. Does not own: the record of
//! epochs (`tests/store`), how well a kept face serves another model (`tests/vision.rs`).
//! Invariant: nothing of the third-party data leaves the scratch folders.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod add;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/program.rs"]
mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use common::need_shared;
use ostiary::device::clock_os::{mono_micros, pause};
use ostiary::domain::Millis;
use program::Ostiary;
use serde_json::Value;

/// People with several pictures each, in the order of their names.
fn people(faces: &Path) -> impl Iterator<Item = Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = fs::read_dir(faces).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    folders.into_iter().filter_map(|folder| {
        let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        (4..=8).contains(&files.len()).then_some(files)
    })
}

/// Enrols somebody with some of the pictures; answers whether the last one is then recognised.
fn enrol(ostiary: &Ostiary, options: &[&str], id: &str, files: &[PathBuf]) -> bool {
    let mut arguments = [options, &["enroll", "--person", id, "--name", id]].concat();
    arguments.extend(files[..3].iter().map(|f| text(f)));
    // Some pictures, or all, may be too small to be enrolled.
    let enrolled = [0, 1].contains(&ostiary.run(&arguments).code);
    enrolled && ostiary.run(&["identify", text(&files[files.len() - 1])]).code == 0
}

/// A door that sees one picture over and over, and can be killed.
struct Door {
    child: Child,
}

impl Door {
    fn start(ostiary: &Ostiary, board: &str) -> Self {
        // What a killed door left must not make a question open the gallery before the door does.
        let _ = fs::remove_file(ostiary.data().join("control.sock"));
        let child = ostiary
            .command(&["run", "--board", board])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let door = Self { child };
        // It answers once it looks.
        for _ in 0..240 {
            if ostiary.data().join("control.sock").exists() && status(ostiary)["door"].is_object() {
                return door;
            }
            pause(Millis(250));
        }
        panic!("the door does not answer")
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn status(ostiary: &Ostiary) -> Value {
    ostiary.run(&["--json", "status"]).ends(0).json().remove(0)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Somebody's further picture finds them, by whatever serves.
#[track_caller]
fn known(ostiary: &Ostiary, id: &str, picture: &Path) {
    let found = ostiary.run(&["--json", "identify", text(picture)]).ends(0).json().remove(0);
    assert_eq!(found["person"], id, "{found}");
}

/// What must hold whenever anybody looks: one epoch serves, and nobody is lost.
#[track_caller]
fn whole(status: &Value, people: usize, templates: u64) {
    assert_eq!(status["people"], people, "{status}");
    let serving = status["models"].as_str().unwrap();
    assert!(["strong", "mobile"].contains(&serving), "{status}");
    // All but those of the one without a kept face, whatever serves.
    assert!(status["templates"].as_u64().unwrap() >= templates, "{status}");
}

#[test]
fn a_gallery_changes_its_models_beside_a_running_door_and_survives_kills() {
    let (models, faces) = (need_shared!("models"), need_shared!("eval/lfw/images"));
    let kills: u64 = std::env::var("OSTIARY_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    let ostiary = Ostiary::with_models(models);
    let mut people = people(&faces);

    // Template-only mode keeps no face: such a person cannot be made known to other models.
    let bare_mode = ostiary.file("bare.toml", "[storage]\nkeep_crops = false\nkeep_images = false\n");
    let bare = people.find(|files| enrol(&ostiary, &["--config", &bare_mode], "bare", files)).unwrap();
    let bare_templates = status(&ostiary)["templates"].as_u64().unwrap();

    let frames = ostiary.folder().join("frames");
    fs::create_dir(&frames).unwrap();
    for (i, picture) in bare[..2].iter().enumerate() {
        fs::copy(picture, frames.join(format!("{i}.jpg"))).unwrap();
    }
    let board = ostiary.file(
        "board.toml",
        format!(
            "name = \"models\"\n[camera]\nsource = \"replay\"\npath = \"{}\"\nloop = true\nfps = 10\n[door]\nkind = \
             \"sim\"\n",
            frames.display()
        ),
    );
    let door = Door::start(&ostiary, &board);
    let mut kept: Vec<Vec<PathBuf>> = Vec::new();
    while kept.len() < 5 {
        let (id, files) = (format!("p{}", kept.len()), people.next().unwrap());
        if enrol(&ostiary, &[], &id, &files) {
            kept.push(files);
        } else {
            ostiary.run(&["persons", "delete", &id]);
        }
    }
    let before = status(&ostiary);
    let templates = before["templates"].as_u64().unwrap() - bare_templates;
    whole(&before, 6, templates);
    assert_eq!((&before["models"], &before["epoch"]), (&Value::from("strong"), &Value::from(0)), "{before}");
    assert_eq!(before["needs_reenrolment"], 0);
    known(&ostiary, "bare", bare.last().unwrap());

    // Beside the door, which goes on looking.
    let looks = |status: &Value| status["door"]["looks"].as_u64().unwrap();
    ostiary.run(&["models", "use", "nonsense"]).ends(6).says(&["nonsense", "strong"]);
    let rate = |begun: u64, from: u64, to: u64| (to - from) as f64 / ((mono_micros() - begun) as f64 / 1e6);
    let (begun, seen) = (mono_micros(), looks(&status(&ostiary)));
    pause(Millis(2_000));
    let calm = rate(begun, seen, looks(&status(&ostiary)));
    let (begun, seen) = (mono_micros(), looks(&status(&ostiary)));
    let done = ostiary.run(&["--json", "models", "use", "mobile"]).ends(0).json().remove(0);
    let busy = rate(begun, seen, looks(&done));
    let told = format!("looks a second: {calm:.1} before, {busy:.1} while templates were made\n");
    let _ = std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes());
    assert!(busy > 0.5 * calm, "the door must go on looking: {busy} looks a second, {calm} before");
    whole(&done, 6, templates);
    assert_eq!((&done["models"], &done["epoch"]), (&Value::from("mobile"), &Value::from(1)), "{done}");
    assert_eq!(done["change"], Value::Null);
    assert_eq!(done["needs_reenrolment"], 1);
    for (i, files) in kept.iter().enumerate() {
        known(&ostiary, &format!("p{i}"), files.last().unwrap());
    }
    ostiary.run(&["identify", text(bare.last().unwrap())]).ends(1);
    let list = ostiary.run(&["persons", "list"]).ends(0).out;
    let marked: Vec<&str> = list.lines().filter(|l| l.contains("NEEDS RE-ENROLMENT")).collect();
    assert!(marked.len() == 1 && marked[0].starts_with("bare "), "{list}");
    assert!(ostiary.run(&["status"]).ends(0).out.contains("1 people are unknown to these models"));
    let log = ostiary.run(&["events", "list"]).ends(0).out;
    assert_eq!(log.matches("model_changed").count(), 2, "{log}");

    // Killed at its work again and again, it goes on at the next start.
    ostiary.run(&["models", "use", "strong", "--no-wait"]).ends(0);
    let mut door = door;
    for kill in 0..kills {
        pause(Millis(kill * 331 % 1_500));
        door.kill();
        door = Door::start(&ostiary, &board);
        whole(&status(&ostiary), 6, templates);
        known(&ostiary, "p1", kept[1].last().unwrap());
    }
    let done = ostiary.run(&["--json", "models", "use", "strong"]).ends(0).json().remove(0);
    assert_eq!((&done["models"], &done["epoch"]), (&Value::from("strong"), &Value::from(2)), "{done}");
    // The templates that were never made again are strong's own.
    assert_eq!(done["needs_reenrolment"], 0);
    known(&ostiary, "bare", bare.last().unwrap());
    door.kill();

    // The same without a door.
    for kill in 0..kills {
        let mut child = ostiary
            .command(&["models", "use", "mobile"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        pause(Millis(400 + kill * 457 % 2_000));
        child.kill().unwrap();
        child.wait().unwrap();
        whole(&status(&ostiary), 6, templates);
    }
    let done = ostiary.run(&["--json", "models", "use", "mobile"]).ends(0).json().remove(0);
    assert_eq!((&done["models"], &done["change"]), (&Value::from("mobile"), &Value::Null), "{done}");
    known(&ostiary, "p2", kept[2].last().unwrap());
    // What else a set changes needs no template.
    let other = ostiary.run(&["--json", "models", "use", "mobile-640"]).ends(0).json().remove(0);
    assert_eq!((&other["models"], &other["epoch"]), (&Value::from("mobile-640"), &done["epoch"]), "{other}");
    ostiary.run(&["events", "verify"]).ends(0);
}
