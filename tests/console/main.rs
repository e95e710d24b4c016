//! The console of the real binary in a real browser: headless Chromium, driven by puppeteer, looked through by axe.
//!
//! Owns: the door that is driven, its pictures, the fake camera of the browser. Does not own: what is clicked
//! (`drive.mjs`), single checks of headers and cookies (`src/link/http/tests.rs`).
//! Tools: chromium, node and the packages of `scripts/console-tools`. What is absent is said as skipped.
//! With `OSTIARY_SHOTS` naming a folder, a picture of each page at each width is left there.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

#[path = "../common/mod.rs"]
mod common;
mod first;
#[path = "../common/program.rs"]
mod program;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use common::{need_shared, skip};
use program::Ostiary;

/// A running door with a console.
struct House {
    ostiary: Ostiary,
    child: Child,
    address: String,
}

impl House {
    fn new(ostiary: Ostiary, pictures: &[PathBuf]) -> Self {
        let frames = ostiary.folder().join("frames");
        fs::create_dir(&frames).unwrap();
        for (i, picture) in pictures.iter().enumerate() {
            fs::copy(picture, frames.join(format!("{i}.jpg"))).unwrap();
        }
        let board = ostiary.file(
            "board.toml",
            format!(
                "name = \"console\"\n[camera]\nsource = \"replay\"\npath = \"{}\"\nloop = true\nfps = 5\n\
                 [door]\nkind = \"sim\"\n[display]\nkind = \"png\"\nfolder = \"{}\"\n",
                frames.display(),
                ostiary.folder().join("display").display()
            ),
        );
        let config = ostiary.file("c.toml", "[http]\nlisten = \"127.0.0.1:0\"\n");
        let mut child = ostiary
            .command(&["run", "--board", &board, "--config", &config])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (found, address) = mpsc::channel();
        // Reads to the end, so that the door never waits for its log to be read.
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("listening address=") {
                    let _ = found.send(rest.split(' ').next().unwrap_or_default().to_owned());
                }
            }
        });
        let address = address.recv_timeout(Duration::from_mins(3)).expect("the server listens");
        let port = address.rsplit(':').next().unwrap();
        let address = format!("https://localhost:{port}");
        Self { ostiary, child, address }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// Where `scripts/console-tools` keeps the packages; `None` where something of it is missing.
fn tools() -> Option<PathBuf> {
    let folder = std::env::var_os("OSTIARY_CONSOLE_TOOLS")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/ostiary-console")))?;
    let runs = |name: &str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    let there = ["puppeteer-core", "axe-core"].iter().all(|p| folder.join("node_modules").join(p).is_dir());
    (there && runs("node") && runs("chromium")).then_some(folder)
}

/// Pictures of one person that the door itself finds good enough.
fn good(ostiary: &Ostiary, pictures: &[PathBuf]) -> Vec<PathBuf> {
    let fine = |picture: &&PathBuf| {
        let path = picture.to_str().unwrap();
        ostiary.run(&["enroll", "--person", "p", "--name", "P", "--allow-duplicate", path]).code == 0
    };
    pictures.iter().take(6).filter(fine).take(2).cloned().collect()
}

fn people(faces: &Path) -> impl Iterator<Item = Vec<PathBuf>> {
    let list = |path: &Path| {
        let mut paths: Vec<_> = fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    };
    list(&faces.join("images")).into_iter().map(move |folder| list(&folder)).filter(|all| all.len() >= 5)
}

#[test]
fn an_office_manager_enrols_watches_opens_exports_and_erases() {
    let (models, faces) = (need_shared!("models"), need_shared!("eval/lfw"));
    let Some(tools) = tools() else { skip!("no chromium, node or packages; see scripts/console-tools") };
    // Who is good enough is known only to the networks: asked before the door runs.
    let (visitor, other) = {
        let asked = Ostiary::with_models(models.clone());
        let mut found = people(&faces).map(|all| good(&asked, &all)).filter(|all| all.len() >= 2);
        (found.next().unwrap(), found.next().unwrap())
    };
    let house = House::new(Ostiary::with_models(models), &visitor[..2]);
    let invited = house.ostiary.run(&["accounts", "add", "marta", "--role", "admin", "--json"]).ends(0);
    let code = invited.json()[0]["code"].as_str().unwrap().to_owned();
    // A fake camera plays JPEG files one after the other.
    let film = house.ostiary.file("camera.mjpeg", fs::read(&other[0]).unwrap().repeat(30));
    let shots =
        std::env::var_os("OSTIARY_SHOTS").map_or_else(|| house.ostiary.folder().join("shots"), PathBuf::from);
    fs::create_dir_all(&shots).unwrap();
    let done = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/console/drive.mjs"))
        .current_dir(house.ostiary.folder())
        .env("TOOLS", tools.join("node_modules"))
        .env("BASE", &house.address)
        .env("CODE", code)
        .env("FILM", film)
        .env("LOOK", &visitor[0])
        .env("SHOTS", shots)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && out.contains("all done"), "{out}\n{err}");
    let events = house.ostiary.run(&["events", "list", "--limit", "10000"]).ends(0).out;
    for told in ["marta signed in at the console", "account marta watches the camera", "\"person_deleted\""] {
        assert!(events.contains(told), "no {told} in\n{events}");
    }
}
