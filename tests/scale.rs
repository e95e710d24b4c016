//! A door with 50,000 people, 150,000 templates and 1,000,000 events: start, search, lists, exports, memory, pages.
//!
//! Owns: the gallery of that size, the measurements, their limits. Does not own: how fast a face is compared
//! (`benches`, docs/performance.md). Takes minutes and a gigabyte of disk: `make scale` runs it; figures stand in
//! docs/scale.md. `OSTIARY_SCALE_DIR` keeps the gallery between runs, `OSTIARY_SCALE_PEOPLE` makes it smaller.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "it measures time and prints what it measured"
)]

#[path = "common/program.rs"]
mod program;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ostiary::domain::{
    ClockTrust, DoorId, Embedding, Event, EventKind, Mono, Now, Person, PersonId, Punch, PunchKind,
    PunchSource, TemplateSource, Utc, clipped,
};
use ostiary::ports::Clock as _;
use ostiary::store::{NewTemplate, Options, Record, SealKey, Store};
use ostiary::vision::Manifest;
use program::Ostiary;

const FIRST: [&str; 12] =
    ["Anna", "Ben", "Chloé", "Dmitri", "Ewa", "Fatima", "Goran", "Hana", "Ivo", "Jun", "Kofi", "Lena"];
const LAST: [&str; 10] =
    ["Adler", "Björk", "Castillo", "Dembélé", "Eriksen", "Fischer", "Goto", "Horvat", "Ito", "Jansen"];

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

fn id(i: usize) -> PersonId {
    format!("employee-{i:05}").parse().unwrap()
}

fn noise(seed: u64, n: usize) -> Vec<f32> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 40) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

fn options() -> Options {
    Options { journal_capacity: 1_000_000, ..Options::default() }
}

/// The gallery, made once.
fn made(data: &Path, people: usize, events: usize) {
    let path = data.join("gallery.redb");
    if path.exists() {
        return;
    }
    fs::create_dir_all(data).unwrap();
    let key = SealKey::load_or_create(&data.join("ostiary.key"), &path).unwrap();
    let manifest =
        Manifest::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("models/manifest.toml").as_path()).unwrap();
    let model = manifest.embedder_of(manifest.set("ostiary").unwrap()).unwrap().sha256;
    let store = Store::open(&path, key, options()).unwrap();
    let now = ostiary::device::clock_os::OsClock::new().now().utc.0;
    let begun = Instant::now();
    for i in 0..people {
        let name = format!("{} {}-{i}", FIRST[i % FIRST.len()], LAST[i / 7 % LAST.len()]);
        let mut person = Person::new(id(i), clipped(&name), Utc(now - 1_000_000_000));
        person.status = ostiary::domain::PersonStatus::Active;
        let templates: Vec<NewTemplate> = (0..3)
            .map(|k| NewTemplate {
                embedding: Embedding::from_float(&noise((i * 3 + k) as u64 + 1, DIMENSIONS)).unwrap(),
                model,
                epoch: 0,
                quality: 80,
                source: TemplateSource::Import,
                created_at: Utc(now - 1_000_000_000),
                crop: None,
            })
            .collect();
        store.enrol(&person, &templates, &[], &[]).unwrap();
    }
    println!("made {people} people in {:.0?}", begun.elapsed());
    let (begun, span) = (Instant::now(), 90 * 86_400_000_i64);
    let kinds =
        [EventKind::AccessGranted, EventKind::DoorOpened, EventKind::DoorClosed, EventKind::UnknownFace];
    for from in (0..events).step_by(10_000) {
        let batch: Vec<Event> = (from..(from + 10_000).min(events))
            .map(|n| {
                let utc = Utc(now - span + span / events as i64 * n as i64);
                let at = Now { mono: Mono(n as u64), utc, trust: ClockTrust::Trusted };
                let event = Event::new(kinds[n % 4], DoorId(1), at);
                if n % 4 == 0 { event.of(&id(n * 31 % people)) } else { event }
            })
            .collect();
        store.append(&batch).unwrap();
    }
    // Thirty days of a kiosk that a thousand people use.
    for day in (0..30).rev() {
        let records: Vec<Record> = (0..2_000_usize)
            .map(|n| {
                let out = n >= 1_000;
                let utc =
                    Utc(now - day * 86_400_000 - if out { 0 } else { 28_800_000 } + n as i64 % 1_000 * 60);
                let at = Now { mono: Mono(0), utc, trust: ClockTrust::Trusted };
                let kind = if out { PunchKind::CheckOut } else { PunchKind::CheckIn };
                let punch =
                    Punch { person: id(n % 1_000 % people), at, kind, job: 0, source: PunchSource::Face };
                Record::Punch { punch, door: DoorId(1), same_s: 0 }
            })
            .collect();
        store.append_records(&records).unwrap();
    }
    println!("made {events} events in {:.0?}", begun.elapsed());
}

const DIMENSIONS: usize = 256;

/// A running door.
struct Door {
    child: Child,
    port: String,
    key: String,
}

impl Door {
    fn start(ostiary: &Ostiary, key: String) -> Self {
        let frames = ostiary.folder().join("frames");
        let _ = fs::create_dir(&frames);
        image::RgbImage::from_pixel(640, 480, image::Rgb([90, 90, 90])).save(frames.join("0.png")).unwrap();
        let board = ostiary.file(
            "board.toml",
            format!(
                "name = \"scale\"\n[camera]\nsource = \"replay\"\npath = \"{}\"\nloop = true\nfps = 2\n[door]\nkind = \"sim\"\n",
                frames.display()
            ),
        );
        let config = ostiary.file(
            "c.toml",
            "[models]\nset = \"ostiary\"\n[http]\nlisten = \"127.0.0.1:0\"\nclear = true\nper_second = 1000\n",
        );
        let mut child = ostiary
            .command(&["run", "--board", &board, "--config", &config])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (found, address) = mpsc::channel();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("listening address=") {
                    let _ = found.send(rest.split(' ').next().unwrap_or_default().to_owned());
                }
            }
        });
        let address = address.recv_timeout(Duration::from_mins(5)).expect("the server listens");
        Self { child, port: address.rsplit(':').next().unwrap().to_owned(), key }
    }

    /// The answer, and how long it took from the first byte asked to the last one read.
    fn ask(&self, method: &str, path: &str) -> (String, f64) {
        let out = Command::new("curl")
            .args(["-sS", "-m", "300", "-X", method, "-w", "\n%{http_code} %{time_total}", "-H"])
            .arg(format!("authorization: Bearer {}", self.key))
            .arg(format!("http://127.0.0.1:{}{path}", self.port))
            .output()
            .unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        let (body, told) = text.rsplit_once('\n').unwrap();
        let (status, seconds) = told.split_once(' ').unwrap();
        assert!(status.starts_with('2'), "{method} {path}: {status} {body}");
        (body.to_owned(), seconds.parse().unwrap())
    }

    /// Kilobytes: now, and at most so far.
    fn memory(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let of = |key: &str| {
            let line = status.lines().find(|l| l.starts_with(key)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        (of("VmRSS:"), of("VmHWM:"))
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "takes minutes: make scale"]
fn fifty_thousand_people_and_a_million_events() {
    let (people, events) =
        (number("OSTIARY_SCALE_PEOPLE", 50_000), number("OSTIARY_SCALE_EVENTS", 1_000_000));
    let mut ostiary = Ostiary::new();
    if let Some(folder) = std::env::var_os("OSTIARY_SCALE_DIR") {
        ostiary.keep_in(PathBuf::from(folder));
    }
    made(&ostiary.data(), people, events);
    let size = fs::metadata(ostiary.data().join("gallery.redb")).unwrap().len();
    println!("the file has {} MB", size / 1_000_000);
    let begun = Instant::now();
    let scopes = "search,enroll,onetoN,persons,admin,door,events,scores,attendance,audit";
    let made = ostiary.run(&["tokens", "create", "--name", "scale", "--scopes", scopes, "--json"]).ends(0);
    println!("a command without a door: {:.2?}", begun.elapsed());
    let key = made.json()[0]["secret"].as_str().unwrap().to_owned();
    let begun = Instant::now();
    let door = Door::start(&ostiary, key);
    let start = begun.elapsed().as_secs_f64();
    let (rss, peak) = door.memory();
    println!("start: {start:.2} s, memory {} MB, at most {} MB", rss / 1_000, peak / 1_000);
    let mut slow = Vec::new();
    let mut measure = |what: &str, method: &str, path: &str, most: f64| {
        let (body, seconds) = door.ask(method, path);
        let (rss, peak) = door.memory();
        println!(
            "{what:<44} {seconds:>7.3} s {:>9} bytes  {:>4} MB, at most {} MB",
            body.len(),
            rss / 1_000,
            peak / 1_000
        );
        if seconds > most {
            slow.push(format!("{what}: {seconds:.2} s, limit {most} s"));
        }
        body
    };
    measure("status", "GET", "/v1/status", 0.1);
    measure("people, first page", "GET", "/v1/persons?limit=20", 0.1);
    measure("people, first page again", "GET", "/v1/persons?limit=20", 0.1);
    measure("people, last page", "GET", &format!("/v1/persons?limit=20&page={}", people / 20), 0.1);
    measure("people, searched: many", "GET", "/v1/persons?limit=20&q=castillo", 0.5);
    measure("people, searched: one", "GET", &format!("/v1/persons?limit=20&q=-{}", people - 1), 0.5);
    measure("people, searched: nobody", "GET", "/v1/persons?limit=20&q=nobody-of-that-name", 0.5);
    measure("people, of one status", "GET", "/v1/persons?limit=20&status=pending", 0.5);
    measure("one person", "GET", "/v1/persons/employee-00042", 0.1);
    measure("events, newest", "GET", &format!("/v1/events?from={}&limit=50", events - 50), 0.1);
    measure("events, a thousand", "GET", "/v1/events?from=500000&limit=1000", 0.2);
    measure("events of one kind, a step of the page", "GET", "/v1/events?from=1&limit=100&type=spoof", 0.6);
    measure(
        "events of one person, a step of the page",
        "GET",
        "/v1/events?from=1&limit=100&person=employee-00042",
        0.6,
    );
    measure("attendance, today", "GET", "/v1/attendance", 0.5);
    let month = ostiary::link::wire::Moment(ostiary::device::clock_os::OsClock::new().now().utc.0).text();
    measure("attendance, a month", "GET", &format!("/v1/attendance?from={}", &month[..7]), 1.0);
    measure("attendance, a month as CSV", "GET", &format!("/v1/attendance.csv?from={}", &month[..7]), 1.0);
    measure("who looked", "GET", "/v1/audit?limit=50", 0.1);
    measure("all that is held on one person", "GET", "/v1/persons/employee-00042/export", 10.0);
    measure("the journal, proved", "GET", "/v1/events/verify", 30.0);
    let begun = Instant::now();
    let (mut from, mut lines) = (1_u64, 0);
    while lines < events.min(100_000) {
        let (body, _) = door.ask("GET", &format!("/v1/events?from={from}&limit=1000"));
        let page: serde_json::Value = serde_json::from_str(&body).unwrap();
        lines += page["events"].as_array().unwrap().len();
        from = page["next"].as_u64().unwrap();
    }
    println!("{lines} events exported in {:.2} s", begun.elapsed().as_secs_f64());
    measure("a person erased, and the file searched", "DELETE", "/v1/persons/employee-00007", 60.0);
    let (rss, peak) = door.memory();
    println!("memory {} MB, at most {} MB", rss / 1_000, peak / 1_000);
    pages(&ostiary, &door);
    let (rss, peak) = door.memory();
    println!("memory {} MB, at most {} MB", rss / 1_000, peak / 1_000);
    assert!(slow.is_empty(), "{}", slow.join("\n"));
    assert!(rss < 150_000, "memory: {rss} kB");
}

/// The console's pages in a real browser, each with its data on the screen.
fn pages(ostiary: &Ostiary, door: &Door) {
    let tools = std::env::var_os("OSTIARY_CONSOLE_TOOLS")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/ostiary-console")));
    let Some(tools) = tools.filter(|t| t.join("node_modules/puppeteer-core").is_dir()) else {
        println!("no browser: pages are not measured");
        return;
    };
    let name = format!("m{}", std::process::id());
    let invited = ostiary.run(&["accounts", "add", &name, "--role", "admin", "--json"]).ends(0);
    let done = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/console/pages.mjs"))
        .current_dir(ostiary.folder())
        .env("TOOLS", tools.join("node_modules"))
        .env("BASE", format!("http://localhost:{}", door.port))
        .env("NAME", &name)
        .env("CODE", invited.json()[0]["code"].as_str().unwrap())
        .env("SHOTS", ostiary.folder())
        .env("FILM", "/dev/null")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    println!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "a page took longer than a second");
}
