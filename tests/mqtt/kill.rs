//! The program killed again and again in the middle of its work, its broker and its network with it.
//!
//! Owns: what is done to program, broker and network, when, and what must be true at the end. Does not own: the office's
//! programs (`office`), the cut (`proxy`). Ten kills here; `make chaos` makes it 200 (`OSTIARY_KILLS`). Chance is
//! a sequence that begins with `OSTIARY_SEED`, so that what failed can be tried again.
//!
//! In each round the door enrols from a picture, writes punches and people and lets somebody in who stands before its
//! camera. In some rounds a packet is cut in its middle on its way to the broker or to the door; in some the broker is
//! killed. Then the program is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ostiary::device::clock_os::{OsClock, pause};
use ostiary::domain::Millis;
use ostiary::ports::Clock as _;
use serde_json::{Value, json};

use crate::broker::{Broker, Ear, need_broker, within};
use crate::common::need_shared;
use crate::office::{Asker, Keeper, What};
use crate::program::Ostiary;
use crate::proxy::{Cut, Proxy, Way};

const TOPICS: [&str; 11] = [
    "-c",
    "-i",
    "office",
    "-t",
    "ostiary/front/events/+",
    "-t",
    "ostiary/front/rsp/#",
    "-t",
    "ostiary/front/status",
    "-t",
    "ostiary/front/info",
];

/// A kiosk: every grant is a punch.
const SITE: &str = "time_zone = \"UTC\"\n[levels.front]\n[groups.staff]\nlevels = [\"front\"]\n\
                    [attendance]\nmode = \"toggle\"\nsame_s = 5\n";

/// Small numbers by chance.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What was done, for the record.
#[derive(Default, Debug)]
struct Done {
    /// Kills while a command of that kind was not answered.
    amid: BTreeMap<What, u32>,
    /// Kills while the receiver lacked events that were on the disk.
    amid_publish: u32,
    cuts: BTreeMap<&'static str, u32>,
    broker_kills: u32,
}

#[test]
fn a_program_that_is_killed_loses_nothing_it_promised() {
    let (models, faces) = (need_shared!("models"), need_shared!("eval/lfw"));
    let mut broker = need_broker!();
    let number =
        |name: &str, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let kills = number("OSTIARY_KILLS", 10);
    let mut dice = Dice(number("OSTIARY_SEED", 1));
    let clock = OsClock::new();
    let ostiary = Ostiary::with_models(models);
    let people = people(&faces);
    let quiet = board(&ostiary);
    let busy = busy_board(&ostiary, &people);
    let rules = ostiary.file("site.toml", SITE);
    ostiary.run(&["access", "import", &rules]).ends(0);
    ostiary.run(&["access", "person", "walker", "--group", "staff"]).ends(0);
    let proxy = Proxy::start(broker.port);
    let config = format!(
        "[mqtt]\nbroker = \"mqtt://127.0.0.1:{}\"\ndevice = \"front\"\nconfirm = \"receiver\"\nkeep_alive_s = 5\n\
         scopes = [\"persons\", \"enroll\", \"events\", \"admin\", \"attendance\"]\n",
        proxy.port
    );
    let config = ostiary.file("mqtt.toml", config);
    let mut ear = broker.listen(&TOPICS);
    let (mut asker, mut keeper, mut done) = (Asker::default(), Keeper::default(), Done::default());
    let mut faces = people.iter().filter_map(|looks| looks.first());

    for round in 0..kills {
        let ups = keeper.ups;
        let mut child = start(&ostiary, &config, &busy);
        within(60_000, "the door is connected", || {
            assert!(child.try_wait().unwrap().is_none(), "the program ended by itself");
            keeper.take(&broker, &ear, &mut asker);
            (keeper.ups > ups).then_some(())
        });
        keeper.doubt();
        let (cut, broker_kill) = (round % 4 == 1, round % 8 == 3);
        if cut {
            let way = if dice.roll(2) == 0 { Way::ToBroker } else { Way::ToDoor };
            proxy.cut_inside(Cut { way, nth: 1 + dice.roll(12) as u32, at: dice.roll(1 << 20) as usize });
        }
        asker.ask_again(&broker);
        work(&mut asker, &broker, round, &mut faces);
        // Somewhere between the first commit and the last receipt; in some rounds after a reconnection.
        let long = round % 8 == 5 || (cut || broker_kill) && dice.roll(2) == 0;
        let span = match dice.roll(2) {
            _ if long => 3_000,
            0 => dice.roll(150),
            _ => dice.roll(800),
        };
        let mut broker_dies = broker_kill.then(|| dice.roll(span.clamp(1, 900)));
        let begun = clock.now().mono;
        loop {
            let passed = clock.now().mono.since(begun).0;
            if broker_dies.is_some_and(|at| passed >= at) {
                broker_dies = None;
                broker.kill();
                done.broker_kills += 1;
                if long {
                    (broker, ear) = back(broker, &mut keeper, ear, &mut asker);
                }
            }
            if long && proxy.is_cut() {
                mended(&proxy, &mut done);
            }
            if passed >= span {
                break;
            }
            keeper.take(&broker, &ear, &mut asker);
            pause(Millis(10));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for what in [What::Enrol, What::Punch, What::Person] {
            let amid = asker.waiting.values().any(|(waits, ..)| *waits == what);
            *done.amid.entry(what).or_default() += u32::from(amid);
        }
        mended(&proxy, &mut done);
        if !broker.is_up() {
            (broker, ear) = back(broker, &mut keeper, ear, &mut asker);
        }
        keeper.take(&broker, &ear, &mut asker);
        let newest = ostiary.run(&[
            "--json",
            "events",
            "list",
            "--limit",
            "1",
            "--from",
            &(keeper.whole + 1).to_string(),
        ]);
        done.amid_publish += u32::from(!newest.ends(0).out.is_empty());
    }

    // Peace: nobody before the camera, no kill. Whatever was not answered is asked until it is.
    let mut child = start(&ostiary, &config, &quiet);
    let mut turn = 0;
    let listed = within(180_000, "every command is answered and every committed event arrives", || {
        pause(Millis(250));
        keeper.take(&broker, &ear, &mut asker);
        turn += 1;
        if turn % 20 == 0 {
            keeper.doubt();
            asker.ask_again(&broker);
        }
        if !asker.waiting.is_empty() {
            return None;
        }
        let listed = ostiary.run(&["--json", "events", "list", "--limit", "10000"]).ends(0);
        (listed.json().len() as u64 == keeper.whole).then_some(listed)
    });
    within(30_000, "every event is ticked off", || {
        keeper.doubt();
        keeper.take(&broker, &ear, &mut asker);
        pause(Millis(250));
        let stands = ostiary.run(&["--json", "status"]).ends(0).json();
        (stands[0]["queued"] == 0).then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();

    // The receiver that drops duplicates by their ids has each event once, word for word, and can prove it.
    let (journal, copy): (Vec<&str>, Vec<&str>) =
        (listed.out.lines().collect(), keeper.events.values().map(|(_, text)| text.as_str()).collect());
    assert_eq!(journal, copy);
    let ids: std::collections::BTreeSet<&String> = keeper.events.values().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), journal.len(), "an id each");
    let copy = ostiary.file("copy.log", copy.join("\n") + "\n");
    let key = keeper.public_key.clone().unwrap();
    ostiary.run(&["events", "verify", "--file", &copy, "--key", &key]).ends(0);
    ostiary.run(&["events", "verify"]).ends(0);
    let events = listed.json();
    assert!(events.iter().all(|event| event["type"] != "log_gap"), "nothing was lost for want of room");

    promises_are_kept(&ostiary, &asker, &events);
    let count = |kind: &str| events.iter().filter(|e| e["type"] == kind).count();
    let kept = |what| asker.kept.iter().filter(|(kept, _)| *kept == what).count();
    say(&format!(
        "{kills} kills, amid an enrolment {}, a punch {}, a change of a person {}, amid events not yet received {}; \
         {} packets cut {:?}; broker killed {} times; {} commands: {} enrolments, {} punches, {} people kept, {} refused; \
         {} events ({} punches, {} grants), {} deliveries, every event once\n",
        done.amid[&What::Enrol],
        done.amid[&What::Punch],
        done.amid[&What::Person],
        done.amid_publish,
        done.cuts.values().sum::<u32>(),
        done.cuts,
        done.broker_kills,
        asker.asked,
        kept(What::Enrol),
        kept(What::Punch),
        kept(What::Person),
        asker.refused.len(),
        events.len(),
        count("punch"),
        count("access_granted"),
        keeper.heard,
    ));
    if kills >= 10 {
        assert!(kept(What::Enrol) > 0 && kept(What::Punch) > 0, "{:?}", asker.refused);
        assert!(count("access_granted") > 0, "the camera's work went on");
        assert!(done.broker_kills > 0 && !done.cuts.is_empty(), "{done:?}");
    }
}

/// A picture, two punches, a person.
fn work<'a>(asker: &mut Asker, broker: &Broker, round: u64, faces: &mut impl Iterator<Item = &'a PathBuf>) {
    if asker.waiting.len() > 12 {
        return;
    }
    if let Some(picture) = faces.next() {
        let id = format!("face{round}");
        let images = [STANDARD.encode(fs::read(picture).unwrap())];
        asker.ask(
            broker,
            What::Enrol,
            &id,
            json!({ "id": id, "profile": { "name": "A Face" }, "images": images }),
        );
    }
    for half in 0..2 {
        let id = format!("punch{round}-{half}");
        let at = format!("2026-10-{:02}T{:02}:{:02}", 1 + round % 28, 8 + half * 8, round / 28);
        let kind = ["check_in", "check_out"][half as usize];
        asker.ask(broker, What::Punch, &id, json!({ "person": "walker", "at": at, "kind": kind, "why": id }));
    }
    let id = format!("person{round}");
    asker.ask(broker, What::Person, &id, json!({ "id": id, "profile": { "name": "Somebody" } }));
}

/// Whatever was answered is kept, once, each with its event.
fn promises_are_kept(ostiary: &Ostiary, asker: &Asker, events: &[Value]) {
    let book =
        ostiary.run(&["attendance", "export", "--from", "2026-10", "--until", "2026-10", "--form", "json"]);
    let book = book.ends(0).out;
    let told = |kind: &str, id: &str| events.iter().any(|e| e["type"] == kind && e["person"] == id);
    for (what, id) in &asker.kept {
        match what {
            What::Punch => {
                assert_eq!(book.matches(&format!("\"{id}\"")).count(), 1, "{id} is in the book once");
            }
            What::Enrol => {
                let person = ostiary.run(&["--json", "persons", "show", id]).ends(0).json();
                assert!(person[0]["templates"].as_u64() >= Some(1), "{}", person[0]);
                assert!(told("enroll_ok", id), "{id} has an event");
            }
            What::Person => {
                ostiary.run(&["persons", "show", id]).ends(0);
                assert!(told("person_changed", id), "{id} has an event");
            }
        }
    }
}

fn mended(proxy: &Proxy, done: &mut Done) {
    if let Some(way) = proxy.mend() {
        *done.cuts.entry(if way == Way::ToBroker { "to the broker" } else { "to the door" }).or_default() +=
            1;
    }
}

/// The broker comes back; what the receiver had heard until then is taken, and it listens anew.
fn back(mut broker: Broker, keeper: &mut Keeper, ear: Ear, asker: &mut Asker) -> (Broker, Ear) {
    broker.revive();
    keeper.take(&broker, &ear, asker);
    drop(ear);
    let ear = broker.listen(&TOPICS);
    keeper.doubt();
    (broker, ear)
}

fn say(line: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
}

fn start(ostiary: &Ostiary, config: &str, board: &str) -> Child {
    ostiary
        .command(&["run", "--config", config, "--board", board])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The pictures of each person, in the order of their names.
fn people(faces: &Path) -> Vec<Vec<PathBuf>> {
    let list = |path: &Path| {
        let mut paths: Vec<_> = fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    };
    list(&faces.join("images")).iter().map(|person| list(person)).collect()
}

/// A simulated door before which one of the people stands, enrolled as `walker`, moving between two pictures.
fn busy_board(ostiary: &Ostiary, people: &[Vec<PathBuf>]) -> String {
    let enrolled = |looks: &&[PathBuf]| {
        let looks: Vec<_> = looks.iter().map(|look| look.to_str().unwrap()).collect();
        let wish = ["enroll", "--person", "walker", "--name", "W. Alker", looks[0], looks[1]];
        let all = ostiary.run(&wish).code == 0;
        if !all {
            // One look of the two may have been good enough.
            ostiary.run(&["persons", "delete", "walker"]);
        }
        all
    };
    let looks = people.iter().rev().filter_map(|looks| looks.get(..2)).find(enrolled);
    let frames = ostiary.folder().join("busy");
    fs::create_dir(&frames).unwrap();
    for (i, look) in looks.expect("somebody can be enrolled").iter().enumerate() {
        fs::copy(look, frames.join(format!("{i}.jpg"))).unwrap();
    }
    ostiary.file("busy.toml", board_of(&frames))
}

/// A simulated door before a grey wall.
pub(crate) fn board(ostiary: &Ostiary) -> String {
    let frames = ostiary.folder().join("frames");
    fs::create_dir(&frames).unwrap();
    let wall = vec![90; 64 * 64 * 3];
    let jpeg = ostiary::picture::encode_jpeg(64, 64, &wall, 80).unwrap();
    fs::write(frames.join("wall.jpg"), jpeg).unwrap();
    ostiary.file("board.toml", board_of(&frames))
}

fn board_of(frames: &Path) -> String {
    format!(
        "name = \"kill\"\n[camera]\nsource = \"replay\"\npath = \"{}\"\nloop = true\nfps = 10\n[door]\nkind = \"sim\"\n",
        frames.display()
    )
}
