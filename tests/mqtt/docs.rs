//! The examples of docs/mqtt.md, run as they stand there.
//!
//! Owns: finding the blocks marked `sh`, running them one after the other with bash, what each must bring about. Only the
//! broker's port, the door's data folder and its board are this test's own: programs of the same name before the real
//! ones on the path put them in. Needs third-party models and faces.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ostiary::device::clock_os::pause;
use ostiary::domain::Millis;

use crate::broker::need_broker;
use crate::common::{need_shared, skip};
use crate::kill::board;
use crate::program::Ostiary;

/// The blocks of a document that a reader would paste into a shell.
fn blocks(document: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut open: Option<String> = None;
    for line in document.lines() {
        match (&mut open, line.trim_end()) {
            (None, "```sh") => open = Some(String::new()),
            (Some(_), "```") => all.extend(open.take()),
            (Some(block), line) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    all
}

fn script(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/bash\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Pictures of so many people that the door's networks find good enough.
pub(crate) fn good_pictures(ostiary: &Ostiary, faces: &Path, people: usize) -> Vec<PathBuf> {
    let list = |path: &Path| {
        let mut paths: Vec<_> = std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    };
    list(&faces.join("images"))
        .iter()
        .filter_map(|person| list(person).into_iter().next())
        .filter(|picture| {
            ostiary.run(&["--json", "identify", picture.to_str().unwrap()]).out.contains("\"quality\"")
        })
        .take(people)
        .collect()
}

/// The shell that runs the door, and where the door's own number stands.
struct Ended(Child, PathBuf);

impl Drop for Ended {
    fn drop(&mut self) {
        if let Ok(pid) = std::fs::read_to_string(&self.1) {
            let _ = Command::new("kill").arg(pid.trim()).status();
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_examples_of_the_document_run_as_they_stand() {
    let (models, faces) = (need_shared!("models"), need_shared!("eval/lfw"));
    let broker = need_broker!();
    if !Command::new("openssl").arg("version").output().is_ok_and(|done| done.status.success()) {
        skip!("no openssl");
    }
    let ostiary = Ostiary::with_models(models.clone());
    let scratch = ostiary.folder();
    let own_board = board(&ostiary);
    std::fs::create_dir(scratch.join("board")).unwrap();
    std::fs::copy(&own_board, scratch.join("board/simulator.toml")).unwrap();
    std::fs::copy(&good_pictures(&ostiary, &faces, 1)[0], scratch.join("anna.jpg")).unwrap();
    let bin = scratch.join("bin");
    std::fs::create_dir(&bin).unwrap();
    for client in ["mosquitto_pub", "mosquitto_rr"] {
        script(&bin, client, &format!("exec /usr/bin/{client} -p {} \"$@\"", broker.port));
    }
    // It runs on after its block has ended, as it would in a terminal; its number is how the test ends it.
    let program = env!("CARGO_BIN_EXE_ostiary");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/manifest.toml");
    script(
        &bin,
        "ostiary",
        &format!(
            "sed -i 's#mqtt://127.0.0.1\"#mqtt://127.0.0.1:{}\"#' mqtt.toml\n\
             printf '[models]\\nmanifest = \"{}\"\\n' >> mqtt.toml\n\
             echo $$ > door.pid; exec {program} \"$@\" >/dev/null 2>door.log",
            broker.port,
            manifest.display()
        ),
    );
    let run = |text: &str| {
        let mut command = ostiary.command(&[]);
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let env: Vec<_> =
            command.get_envs().filter_map(|(k, v)| Some((k.to_owned(), v?.to_owned()))).collect();
        command = Command::new("bash");
        command.envs(env).env("PATH", path).current_dir(scratch).stdin(Stdio::null());
        command.args(["-e", "-o", "pipefail", "-c", text]);
        command
    };
    let ear = broker.listen(&["-t", "ostiary/front/#"]);
    let document = include_str!("../../docs/mqtt.md");
    let mut blocks = blocks(document).into_iter();
    let mut next = |words: &str| {
        let block = blocks.next().unwrap_or_else(|| panic!("no block with {words}"));
        assert!(block.contains(words), "another block was expected at {words}: {block}");
        block
    };

    let start = next("ostiary run");
    let door = run(&format!("{start}\nwait")).stderr(Stdio::inherit()).spawn().unwrap();
    let _door = Ended(door, scratch.join("door.pid"));
    let up = ear.hear_within(90_000, &mut |h| h.payload == "online");
    let log = || std::fs::read_to_string(scratch.join("door.log")).unwrap_or_default();
    assert!(up.is_some(), "the door is connected: {}", log());
    pause(Millis(2_300));
    let says = |block: String| {
        let done = run(&block).output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let err = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{block}\n{said}\n{err}\n{}", log());
        said
    };
    let good = |block: String, answers: usize| {
        let said = says(block.clone());
        assert_eq!(said.matches("\"ok\":true").count(), answers, "{block}\n{said}");
        said
    };
    good(next("person.upsert"), 1);
    let enrolled = good(next("enroll.image"), 1);
    assert!(enrolled.contains("\"templates\":1"), "{enrolled}");
    let rules = good(next("schedule.put"), 5);
    assert!(rules.contains("\"admitted\":true"), "{rules}");
    good(next("door.open"), 1);
    ear.hear("the door opens", |h| h.topic.ends_with("/door/1/state") && h.payload == "UNLOCKED");
    good(next("events.replay"), 1);
    ear.hear("the first event again", |h| h.topic.contains("/events/") && h.json()["seq"] == 1);
    assert!(blocks.next().is_none(), "every block is run");
}
