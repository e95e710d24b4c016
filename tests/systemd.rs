//! The units of `systemd/`, as the service manager's own tools see them, and what the program owes to them.
//!
//! Owns: verify, exposure, the commands in the units, start to ready, the watchdog's feed. Does not own: a boot with
//! them (the virtual board). Invariant: without systemd-analyze the tests of the units are skipped and say so.

mod common;

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{need_shared, skip};

const OSTIARY: &str = env!("CARGO_BIN_EXE_ostiary");
const UNITS: [&str; 2] = ["ostiary-lock.service", "ostiary.service"];
/// Of 10.0, where 0 is a service that can do nothing.
const EXPOSURE: f64 = 1.2;

fn systemd_file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name);
    fs::read_to_string(path).expect("the unit is there")
}

/// The units with this build of the program in the place of the installed one, which `verify` wants to find.
fn units() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().expect("a folder");
    let written = UNITS.map(|name| {
        let path = folder.path().join(name);
        fs::write(&path, systemd_file(name).replace("/usr/bin/ostiary", OSTIARY)).expect("a unit is written");
        path
    });
    (folder, written.to_vec())
}

fn analyze(arguments: &[&str], units: &[PathBuf]) -> Option<(bool, String)> {
    let output = Command::new("systemd-analyze").args(arguments).args(units).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

#[test]
#[expect(clippy::disallowed_macros, reason = "the figure that the documents quote")]
fn the_units_are_sound_and_closed() {
    let (_folder, units) = units();
    // The manual page is part of the package, not of the checkout.
    let Some((sound, said)) = analyze(&["verify", "--man=no"], &units) else {
        skip!("no systemd-analyze (Debian: systemd)");
    };
    assert!(sound && said.trim().is_empty(), "{said}");
    for unit in units {
        let unit = [unit];
        let (_, said) = analyze(&["security", "--offline=true", "--no-pager"], &unit).expect("it ran before");
        let figure = said.split("exposure level for ").nth(1).and_then(|s| s.split(": ").nth(1));
        let exposure: f64 =
            figure.and_then(|s| s.split_whitespace().next()).and_then(|s| s.parse().ok()).expect("a figure");
        println!("{}: exposure {exposure}", unit[0].display());
        assert!(exposure <= EXPOSURE, "{said}");
    }
}

#[test]
fn the_account_and_the_groups_of_the_units_come_with_them() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("usr/lib/sysusers.d");
    fs::create_dir_all(&folder).expect("a folder");
    fs::create_dir_all(root.path().join("etc")).expect("a folder");
    fs::write(folder.join("ostiary.conf"), systemd_file("ostiary.sysusers")).expect("written");
    let made = Command::new("systemd-sysusers").arg(format!("--root={}", root.path().display())).output();
    let Ok(made) = made else { skip!("no systemd-sysusers (Debian: systemd)") };
    if !made.status.success() {
        skip!("systemd-sysusers makes no accounts here: {}", String::from_utf8_lossy(&made.stderr).trim());
    }
    let group = fs::read_to_string(root.path().join("etc/group")).expect("groups were made");
    let rules = systemd_file("60-ostiary.rules");
    for part in rules.lines().filter_map(|line| line.split("GROUP=\"").nth(1)) {
        let name = part.split('"').next().expect("split gives one");
        let line = group.lines().find(|l| l.starts_with(&format!("{name}:"))).expect(name);
        assert!(line.ends_with(":ostiary"), "{line}");
    }
    let accounts = fs::read_to_string(root.path().join("etc/passwd")).expect("an account was made");
    assert!(accounts.contains("/usr/sbin/nologin"), "{accounts}");
}

#[test]
fn every_command_of_the_units_is_one_of_the_program() {
    let folder = tempfile::tempdir().expect("a folder");
    // A board whose chip is not there: the command is understood and says what is wrong.
    let board = folder.path().join("board.toml");
    let text = "name = \"t\"\n[camera]\nsource = \"v4l\"\ndevice = \"/dev/video99\"\n\
                [door]\nkind = \"gpio\"\nchip = \"/dev/gpiochip99\"\nrelay = { line = 1 }\n";
    fs::write(&board, text).expect("written");
    let mut commands = 0;
    for line in
        UNITS.iter().flat_map(|name| systemd_file(name).lines().map(str::to_owned).collect::<Vec<_>>())
    {
        let Some(command) = line.strip_prefix("ExecStart=").or_else(|| line.strip_prefix("ExecStopPost="))
        else {
            continue;
        };
        let words: Vec<_> = command.split_whitespace().collect();
        assert_eq!(words[0], "/usr/bin/ostiary");
        commands += 1;
        let help = Command::new(OSTIARY).args(&words[1..]).arg("--help").output().expect("it runs");
        assert!(help.status.success(), "{command}");
        if words.contains(&"safe") {
            let words =
                words[1..].iter().map(|w| w.replace("/etc/ostiary/board.toml", &board.to_string_lossy()));
            let words = words.map(|w| if w == "10" { "1".into() } else { w });
            let ran = Command::new(OSTIARY).args(words).output().expect("it runs");
            let said = String::from_utf8_lossy(&ran.stderr).into_owned();
            assert_eq!(ran.status.code(), Some(7), "{said}");
            assert!(said.contains("there is no GPIO chip /dev/gpiochip99"), "{said}");
        }
    }
    assert_eq!(commands, 3);
}

#[test]
fn a_board_without_wires_has_nothing_to_release() {
    let board = Path::new(env!("CARGO_MANIFEST_DIR")).join("board/simulator.toml");
    let ran = Command::new(OSTIARY).args(["door", "safe", "--board"]).arg(board).output().expect("it runs");
    assert!(ran.status.success());
    assert!(String::from_utf8_lossy(&ran.stdout).contains("no relay"));
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A door whose wires, camera and display are not there: it starts, says so, stays up and feeds the watchdog.
#[test]
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a service manager's clock, and its figure"
)]
fn a_door_without_its_devices_is_ready_in_fault_and_feeds_the_watchdog() {
    let models = need_shared!("models");
    let folder = tempfile::tempdir().expect("a folder");
    let board = folder.path().join("board.toml");
    let text = "name = \"bare\"\n[camera]\nsource = \"v4l\"\ndevice = \"/dev/video99\"\n\
                [door]\nkind = \"gpio\"\nchip = \"/dev/gpiochip99\"\nrelay = { line = 1 }\n";
    fs::write(&board, text).expect("written");
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).expect("a socket");
    manager.set_read_timeout(Some(Duration::from_secs(30))).expect("a time");
    let log = folder.path().join("log");
    let started = Instant::now();
    let child = Command::new(OSTIARY)
        .args(["run", "--board"])
        .arg(&board)
        .env("OSTIARY_DATA", folder.path().join("data"))
        .env("OSTIARY_MODELS", models)
        .env_remove("OSTIARY_CONFIG")
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "2000000")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).expect("a log"))
        .spawn();
    let mut child = Ended(child.expect("it starts"));
    let mut buffer = [0; 4096];
    let mut told = |until: &str| loop {
        let read = manager.recv(&mut buffer).unwrap_or(0);
        let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
        let log = fs::read_to_string(&log).unwrap_or_default();
        assert!(read > 0, "no {until} came: {log}");
        if text.contains(until) {
            return Instant::now();
        }
    };
    let ready = told("READY=1").duration_since(started);
    println!("ready after {ready:?}");
    assert!(ready < Duration::from_secs(20));
    let mut last = told("WATCHDOG=1");
    for _ in 0..8 {
        let next = told("WATCHDOG=1");
        assert!(next.duration_since(last) < Duration::from_secs(2), "the manager would have killed it");
        last = next;
    }
    assert!(child.0.try_wait().expect("it can be asked").is_none(), "it stays up");
    let log = fs::read_to_string(&log).expect("a log");
    assert!(log.contains("there is no GPIO chip /dev/gpiochip99"), "{log}");
    assert_eq!(
        log.matches("there is no GPIO chip").count(),
        2,
        "said once by the wires, once by the gate: {log}"
    );
}
