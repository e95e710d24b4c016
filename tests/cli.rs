//! The command line through the real binary: what it teaches, how it ends, what it refuses.
//!
//! Owns: exit codes, help, bad files in the place of pictures, models and galleries. Does not own: configuration
//! (`config`), what is said in logs (`privacy`), recognition itself.
//! Invariant: whatever is handed in, the answer is an exit code of the documented list and a line that says what to
//! do; never a panic, never a silently empty gallery.

#[path = "common/mod.rs"]
mod common;
#[path = "common/program.rs"]
mod program;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use common::need_shared;
use program::Ostiary;

/// Every command a person may give.
const COMMANDS: [&str; 16] = [
    "run",
    "demo",
    "enroll",
    "identify",
    "verify",
    "persons",
    "events",
    "door",
    "tokens",
    "status",
    "evaluate",
    "models",
    "doctor",
    "config",
    "completions",
    "version",
];

#[test]
fn help_teaches() {
    let ostiary = Ostiary::new();
    let help = ostiary.run(&["--help"]).ends(0).out;
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is not listed:\n{help}");
    }
    for words in
        ["First steps", "ostiary enroll --person", "ostiary run --board", "Exit codes: 0 done; 1", "--json"]
    {
        assert!(help.contains(words), "no {words:?}:\n{help}");
    }
    assert!(!help.contains("camera-child"), "what is not for people is not listed");
    for command in COMMANDS {
        let own = ostiary.run(&[command, "--help"]).ends(0).out;
        assert!(own.contains("Usage: ostiary"), "{own}");
        // Every option and argument says what it is for: no line of the lists ends with its own name.
        for line in own.lines().filter(|l| l.trim_start().starts_with("--")) {
            let explained = line.trim().split("  ").count() > 1 || own.contains(&format!("{line}\n   "));
            assert!(explained, "{command}: {line:?} is not explained:\n{own}");
        }
    }
    assert!(ostiary.run(&["enroll", "--help"]).out.contains("one face"));
}

#[test]
fn wrong_usage_ends_with_two_and_the_nearest_command() {
    let ostiary = Ostiary::new();
    ostiary.run(&[]).ends(2).says(&["Usage"]);
    ostiary.run(&["enrol"]).ends(2).says(&["enroll"]);
    ostiary.run(&["identify"]).ends(2).says(&["<FILE>"]);
    ostiary.run(&["status", "--jsn"]).ends(2).says(&["--json"]);
    ostiary.run(&["persons", "list", "--limit", "100000"]).ends(2).says(&["1000"]);
    ostiary.run(&["enroll", "--name", "A", "a.jpg"]).ends(2).says(&["--person"]);
}

#[test]
fn version_completions_and_manual_come_from_one_definition() {
    let ostiary = Ostiary::new();
    let version = ostiary.run(&["version"]).ends(0).out;
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    assert_eq!(ostiary.run(&["version", "--json"]).ends(0).json().len(), 1);
    for shell in ["bash", "zsh", "fish"] {
        assert!(ostiary.run(&["completions", shell]).ends(0).out.contains("enroll"), "{shell}");
    }
    let man = ostiary.run(&["man"]).ends(0).out;
    assert!(man.contains(".TH ostiary"), "{}", &man[..man.len().min(200)]);
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_failure() {
    let ostiary = Ostiary::new();
    let mut child =
        ostiary.command(&["man"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn the_first_start_makes_a_gallery_and_a_key_for_their_owner_alone() {
    let ostiary = Ostiary::new();
    let first = ostiary.run(&["persons", "list", "--json"]).ends(0);
    assert_eq!(first.json()[0]["total"], 0);
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&ostiary.data()), 0o700);
    assert_eq!(mode(&ostiary.data().join("ostiary.key")), 0o600);
    assert_eq!(mode(&ostiary.data().join("gallery.redb")), 0o600);
    for command in [&["status"][..], &["events", "list"], &["events", "verify"]] {
        ostiary.run(command).ends(0);
        let arguments: Vec<&str> = command.iter().copied().chain(["--json"]).collect();
        ostiary.run(&arguments).ends(0).json();
    }
}

#[test]
fn an_unknown_or_impossible_person_is_named() {
    let ostiary = Ostiary::new();
    for verb in ["show", "delete", "export"] {
        ostiary.run(&["persons", verb, "nobody"]).ends(4).says(&["nobody", "persons list"]);
        ostiary.run(&["persons", verb, "../etc/passwd"]).ends(4).says(&["../etc/passwd"]);
        ostiary.run(&["persons", verb, &"x".repeat(65)]).ends(4).says(&["64"]);
    }
}

#[test]
fn keys_are_made_listed_and_revoked_and_their_secrets_shown_once() {
    let ostiary = Ostiary::new();
    let made = ostiary.run(&["tokens", "create", "--name", "clock", "--scopes", "search,scores", "--json"]);
    let made = made.ends(0).json().remove(0);
    let (id, secret) =
        (made["view"]["id"].as_str().expect("an id"), made["secret"].as_str().expect("a secret"));
    assert!(secret.starts_with("ost_") && secret.contains(id) && secret.len() > 50);
    let listed = ostiary.run(&["tokens", "list"]).ends(0).out;
    assert!(listed.contains(id) && listed.contains("search,scores") && !listed.contains(secret), "{listed}");
    ostiary.run(&["tokens", "create", "--name", "x", "--scopes", "root"]).ends(4).says(&["root", "onetoN"]);
    let past = ["tokens", "create", "--name", "x", "--scopes", "search", "--expires", "2020-01-01"];
    ostiary.run(&past).ends(4).says(&["ahead"]);
    ostiary.run(&["tokens", "revoke", id]).ends(0);
    ostiary.run(&["tokens", "revoke", id]).ends(4).says(&[id, "tokens list"]);
    assert_eq!(ostiary.run(&["tokens", "list"]).ends(0).out, "");
}

#[test]
fn a_door_that_does_not_run_cannot_be_opened() {
    let ostiary = Ostiary::new();
    for order in ["state", "open", "lock", "lockdown", "release"] {
        ostiary.run(&["door", order]).ends(7).says(&["run"]);
    }
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    let ostiary = Ostiary::new();
    let file = ostiary.file("file", "");
    ostiary.run(&["persons", "list", "--data", &format!("{file}/data")]).ends(5).says(&["--data"]);
}

#[test]
fn a_damaged_gallery_is_refused_and_never_empty() {
    let ostiary = Ostiary::new();
    ostiary.run(&["persons", "list"]).ends(0);
    let gallery = ostiary.data().join("gallery.redb");
    let whole = fs::read(&gallery).expect("it was made");
    let mut refused = 0;
    for step in 0..24 {
        let mut flipped = whole.clone();
        let at = step * (whole.len() / 24) + step * 7 % 13;
        flipped[at] ^= 0x55;
        fs::write(&gallery, &flipped).expect("the file takes it");
        let done = ostiary.run(&["persons", "list", "--json"]);
        match done.code {
            // The byte was not in use: what is read is what was written.
            0 => assert_eq!(done.json()[0]["total"], 0),
            5 => {
                refused += 1;
                done.says(&["gallery"]);
            }
            other => panic!("exit code {other} at byte {at}: {}", done.err),
        }
    }
    assert!(refused > 0, "no flipped byte was noticed");
    for wrong in [&b""[..], b"not a database", &whole[..whole.len() / 2], &[0; 8192]] {
        fs::write(&gallery, wrong).expect("the file takes it");
        ostiary.run(&["persons", "list"]).ends(5).says(&["gallery"]);
    }
    fs::write(&gallery, &whole).expect("the file takes it");
    ostiary.run(&["persons", "list"]).ends(0);
}

#[test]
fn a_gallery_without_its_key_is_refused() {
    let ostiary = Ostiary::new();
    ostiary.run(&["persons", "list"]).ends(0);
    let key = ostiary.data().join("ostiary.key");
    let kept = fs::read(&key).expect("it was made");
    fs::remove_file(&key).expect("it can be removed");
    ostiary.run(&["persons", "list"]).ends(5).says(&["key"]);
    assert!(!key.exists(), "no new key is made for an old gallery");
    let write = |bytes: &[u8], mode: u32| {
        fs::write(&key, bytes).expect("the folder takes it");
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("the mode is ours");
    };
    write(&[7; 32], 0o600);
    ostiary.run(&["persons", "list"]).ends(5).says(&["key"]);
    write(&kept[..31], 0o600);
    ostiary.run(&["persons", "list"]).ends(5).says(&["key"]);
    write(&kept, 0o644);
    ostiary.run(&["persons", "list"]).ends(5).says(&["key"]);
    write(&kept, 0o600);
    ostiary.run(&["persons", "list"]).ends(0);
}

#[test]
fn without_models_the_missing_file_is_named() {
    let ostiary = Ostiary::new();
    let manifest =
        ostiary.file("manifest.toml", fs::read("models/manifest.toml").expect("the manifest is shipped"));
    let config = ostiary.file("ostiary.toml", format!("[models]\nmanifest = {manifest:?}\n"));
    let picture = ostiary.file("a.png", one_pixel());
    ostiary
        .run(&["identify", &picture, "--config", &config])
        .ends(6)
        .says(&["yunet_n_320_320.onnx", "missing"]);
    ostiary.run(&["models", "verify", "--config", &config]).ends(6).says(&[".onnx"]);
    let gone = ostiary.file("gone.toml", "[models]\nmanifest = \"/nonexistent/manifest.toml\"\n");
    ostiary.run(&["models", "list", "--config", &gone]).ends(6).says(&["/nonexistent/manifest.toml"]);
}

#[test]
fn a_model_of_another_hash_is_never_parsed() {
    let models = need_shared!("models");
    let ostiary = Ostiary::new();
    let copy = ostiary.folder().join("models");
    copy_tree(&models, &copy);
    let detector = copy.join("yunet/yunet_n_320_320.onnx");
    let whole = fs::read(&detector).expect("the detector is there");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let hostile = vec![0xff; 100_000];
    for bytes in [&flipped[..], &whole[..whole.len() / 2], &[], b"<html>", &hostile] {
        fs::write(&detector, bytes).expect("the copy takes it");
        let manifest = fs::read_to_string("models/manifest.toml").expect("the manifest is shipped");
        fs::write(copy.join("manifest.toml"), manifest).expect("the copy takes it");
        let path = copy.join("manifest.toml");
        let config = ostiary.file("ostiary.toml", format!("[models]\nmanifest = {path:?}\n"));
        ostiary.run(&["models", "verify", "--config", &config]).ends(6).says(&["yunet_n_320_320.onnx"]);
    }
}

#[test]
fn what_is_no_usable_picture_is_refused_with_the_reason() {
    let models = need_shared!("models");
    let groups = need_shared!("eval/groups");
    let ostiary = Ostiary::with_models(models);
    let wide = header_only_png(30_000, 30_000);
    for (name, bytes, words) in [
        ("empty.jpg", Vec::new(), "empty.jpg"),
        ("text.jpg", b"this is no picture".to_vec(), "text.jpg"),
        ("wide.png", wide, "25"),
        ("cut.jpg", first_jpeg(&groups)[..2_000].to_vec(), "cut.jpg"),
        ("large.jpg", [&[0xff, 0xd8, 0xff, 0xe0][..], &vec![0; 6 << 20]].concat(), "5000000"),
        ("pixel.png", one_pixel(), "no_face"),
        ("grey.png", flat_png(), "no_face"),
    ] {
        let path = ostiary.file(name, bytes);
        ostiary.run(&["identify", &path]).ends(4).says(&[words]);
        ostiary.run(&["enroll", "--person", "a", "--name", "A", &path]).ends(4).says(&[words]);
        ostiary.run(&["verify", &path, &path]).ends(4).says(&[words]);
    }
    ostiary.run(&["identify", "/nonexistent.jpg"]).ends(4).says(&["/nonexistent.jpg"]);
    let folder = ostiary.folder().to_str().expect("UTF-8").to_owned();
    ostiary.run(&["identify", &folder]).ends(4);
    let listed = ostiary.run(&["persons", "list", "--json"]).ends(0);
    assert_eq!(listed.json()[0]["total"], 0, "nobody was enrolled from any of it");
}

fn first_jpeg(folder: &Path) -> Vec<u8> {
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("it is readable").map(|e| e.expect("readable").path()).collect();
    paths.sort();
    let path = paths.iter().find(|p| p.extension().is_some_and(|e| e == "jpg")).expect("a picture is there");
    fs::read(path).expect("it is readable")
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the scratch folder takes it");
    for entry in fs::read_dir(from).expect("it is readable") {
        let path = entry.expect("it is readable").path();
        let target = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            fs::write(target, fs::read(path).expect("it is readable")).expect("the scratch folder takes it");
        }
    }
}

/// A PNG of one black pixel.
fn one_pixel() -> Vec<u8> {
    png(1, 1, &[0x78, 0x01, 0x01, 0x04, 0x00, 0xfb, 0xff, 0, 0, 0, 0, 0x00, 0x04, 0x00, 0x01])
}

/// A PNG of 64x64 black pixels: one stored block.
fn flat_png() -> Vec<u8> {
    let raw = vec![0_u8; 64 * (1 + 64 * 3)];
    let length = raw.len() as u16;
    let mut stream = vec![0x78, 0x01, 0x01];
    stream.extend_from_slice(&length.to_le_bytes());
    stream.extend_from_slice(&(!length).to_le_bytes());
    stream.extend_from_slice(&raw);
    // Adler-32 of zeros: a = 1, b = length.
    stream.extend_from_slice(&((u32::from(length) % 65_521) << 16 | 1).to_be_bytes());
    png(64, 64, &stream)
}

/// A PNG whose header claims a size that its data does not have.
fn header_only_png(width: u32, height: u32) -> Vec<u8> {
    png(width, height, &[0x78, 0x01, 0x01, 0x00, 0x00, 0xff, 0xff, 0, 0, 0, 1])
}

fn png(width: u32, height: u32, data: &[u8]) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], body: &[u8]| {
        out.extend_from_slice(&(body.len() as u32).to_be_bytes());
        let start = out.len();
        out.extend_from_slice(kind);
        out.extend_from_slice(body);
        let sum = crc(&out[start..]);
        out.extend_from_slice(&sum.to_be_bytes());
    };
    // 8 bits, RGB, no interlace.
    chunk(b"IHDR", &[&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat());
    chunk(b"IDAT", data);
    chunk(b"IEND", &[]);
    out
}

/// CRC-32 of ISO 3309, as PNG asks for.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
    })
}

/// Every part on the spot, at a board without wires: what is there is used, what is not is said.
#[test]
fn the_doctor_tests_each_part_on_the_spot() {
    let models = need_shared!("models");
    let ostiary = Ostiary::with_models(models);
    let frames = ostiary.folder().join("frames");
    fs::create_dir_all(&frames).expect("a folder");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/display/welcome-320x240.png");
    fs::copy(golden, frames.join("a.png")).expect("a picture");
    let shown = ostiary.folder().join("shown");
    let board = format!(
        "name = \"desk\"\n[camera]\nsource = \"replay\"\npath = \"{}\"\n[door]\nkind = \"sim\"\n\
         [display]\nkind = \"png\"\nfolder = \"{}\"\n",
        frames.display(),
        shown.display()
    );
    let board = ostiary.file("board.toml", &board);
    let picture = ostiary.folder().join("seen.png");
    let picture = picture.to_str().expect("UTF-8");
    let done = ostiary.run(&[
        "doctor",
        "--board",
        &board,
        "--click",
        "--watch-s",
        "6",
        "--picture",
        picture,
        "--json",
    ]);
    let parts: Vec<_> = done.json();
    let part = |name: &str| {
        parts.iter().find(|p| p["part"] == name).unwrap_or_else(|| panic!("no {name}: {}", done.out)).clone()
    };
    for name in ["key", "models", "gallery", "camera", "wires", "relay", "display"] {
        assert_eq!(part(name)["ok"], true, "{}", part(name));
    }
    assert!(part("wires")["says"].as_str().expect("text").contains("the door is shut"));
    assert_eq!(part("inputs")["ok"], false, "nobody pressed anything");
    assert_eq!(done.code, 1, "and that is said");
    assert_eq!(image::image_dimensions(picture).expect("a PNG"), (320, 240));
    let card = image::open(shown.join("latest.png")).expect("the card").to_rgb8();
    assert_eq!(card.get_pixel(0, 0).0, [255; 3], "the line on the outermost pixels");
}
