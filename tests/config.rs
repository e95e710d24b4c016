//! Configuration and board files through the real binary: what is wrong is named, with what was meant.
//!
//! Owns: the mistakes an installer makes. Does not own: the ranges (each module tests its own).
//! Invariant: a wrong file ends with exit code 3 and one line that names file and key; nothing starts with it.

#[path = "common/program.rs"]
mod program;

use program::{Done, Ostiary};

/// The shortest right board.
const BOARD: &str = "name = \"desk\"\n\
    [camera]\nsource = \"replay\"\npath = \"frames\"\n\
    [door]\nkind = \"sim\"\n";

fn config(text: &str) -> Done {
    let ostiary = Ostiary::new();
    let path = ostiary.file("ostiary.toml", text);
    ostiary.run(&["config", "check", "--config", &path])
}

fn board(text: &str) -> Done {
    let ostiary = Ostiary::new();
    let path = ostiary.file("board.toml", text);
    ostiary.run(&["config", "check", "--board", &path])
}

#[test]
fn what_is_right_passes() {
    config("").ends(0);
    config("[access]\nstrike_s = 7\n[recognition]\nfpir_target = 1e-4\n").ends(0);
    board(BOARD).ends(0);
}

#[test]
fn every_shipped_board_passes() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("board");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("board files are there") {
        let path = entry.expect("the folder is readable").path();
        if path.extension().is_some_and(|e| e == "toml") {
            let done = Ostiary::new().run(&["config", "check", "--board", path.to_str().expect("UTF-8")]);
            assert_eq!(done.code, 0, "{}: {}", path.display(), done.err);
            seen += 1;
        }
    }
    assert!(seen >= 6);
}

/// What a board file offers in comments (`#: `) is as right as what it says.
#[test]
fn every_choice_in_a_shipped_board_passes_too() {
    let mut choices = 0;
    for name in ["raspberry-pi-4", "raspberry-pi-5", "rock-5b"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("board/{name}.toml"));
        let text = std::fs::read_to_string(path).expect("the board is there");
        // Blocks are divided by blank lines; one display of several is chosen.
        let blocks: Vec<&str> = text.split("\n\n").collect();
        for (at, block) in blocks.iter().enumerate().filter(|(_, b)| b.contains("#: ")) {
            let chosen = blocks.iter().enumerate().map(|(other, text)| {
                let display = text.contains("#: [display]") && other != at;
                if display { (*text).to_owned() } else { text.replace("#: ", "") }
            });
            let chosen = chosen.collect::<Vec<_>>().join("\n\n");
            let done = board(&chosen);
            assert_eq!(done.code, 0, "{name}: {block}\n{}", done.err);
            choices += 1;
        }
    }
    assert!(choices >= 15);
}

#[test]
fn a_line_with_two_uses_is_named_with_both_whatever_they_are() {
    let wires = "[door]\nkind = \"gpio\"\nchip = \"/dev/gpiochip0\"\nrelay = { line = 17 }\n";
    let text = BOARD.replace("[door]\nkind = \"sim\"\n", wires);
    let lamp = "[signals]\nchip = \"/dev/gpiochip0\"\nbuzzer = { line = 17 }\n";
    board(&format!("{text}{lamp}")).ends(3).says(&["signals.buzzer and door.relay both use line 17"]);
    board(&format!("{text}{}", lamp.replace("gpiochip0", "gpiochip1"))).ends(0);
    let panel =
        "[display]\nkind = \"st7789\"\nbus = \"/dev/spidev0.0\"\nchip = \"/dev/gpiochip0\"\ndc = 17\n";
    board(&format!("{text}{panel}")).ends(3).says(&["display.dc and door.relay both use line 17"]);
    let panel = panel.replace("dc = 17", "dc = 18");
    board(&format!("{text}{panel}")).ends(0);
    board(&format!("{text}{panel}rotate = 45\n")).ends(3).says(&["display.rotate must be 0, 90, 180 or 270"]);
    board(&format!("{text}{panel}width = 320\n")).ends(3).says(&["display.width must be from 64 to 240"]);
    board(&format!("{text}{panel}offset = [0, 80]\n")).ends(3).says(&["display.offset[1]"]);
    board(&format!("{text}{panel}height = 240\noffset = [0, 80]\n")).ends(0);
    let long = text.replace("{ line = 17 }", "{ line = 17, max_on_s = 0 }");
    board(&long).ends(3).says(&["door.relay.max_on_s must be from 1 to 3600"]);
}

#[test]
fn what_is_not_on_this_machine_is_said_one_line_each() {
    let text = "name = \"t\"\n[camera]\nsource = \"v4l\"\ndevice = \"/dev/video99\"\n\
                [door]\nkind = \"gpio\"\nchip = \"/dev/gpiochip99\"\nrelay = { line = 1 }\n\
                [display]\nkind = \"ssd1306\"\nbus = \"/dev/i2c-99\"\n";
    let ostiary = Ostiary::new();
    let path = ostiary.file("board.toml", text);
    ostiary.run(&["config", "check", "--board", &path]).ends(0);
    let done = ostiary.run(&["config", "check", "--here", "--board", &path]);
    assert_eq!(done.code, 1, "{}", done.err);
    assert_eq!(done.out.lines().count(), 3, "{}", done.out);
    for part in ["/dev/gpiochip99", "/dev/video99", "/dev/i2c-99; switch i2c on"] {
        assert!(done.out.contains(part), "{part}: {}", done.out);
    }
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_right_one() {
    config("[access]\nstrike_z = 5\n").ends(3).says(&[
        "ostiary.toml",
        "strike_z",
        "did you mean `strike_s`?",
    ]);
    config("[acces]\nstrike_s = 5\n").ends(3).says(&["acces", "did you mean `access`?"]);
    config("[vision.livenes]\nk = 3\n").ends(3).says(&["did you mean `liveness`?"]);
    board(&BOARD.replace("path", "pth")).ends(3).says(&["pth", "did you mean `path`?"]);
    board(&BOARD.replace("\"sim\"", "\"simm\"")).ends(3).says(&["simm", "did you mean `sim`?"]);
}

#[test]
fn a_wrong_unit_is_refused_by_key_or_by_range() {
    // Milliseconds by name, milliseconds by value, a unit in the text, a percentage for a share.
    config("[access]\nstrike_ms = 5000\n").ends(3).says(&["did you mean `strike_s`?"]);
    config("[access]\nstrike_s = 5000\n").ends(3).says(&["strike", "60"]);
    config("[access]\nstrike_s = \"5s\"\n").ends(3).says(&["strike_s", "string"]);
    config("[recognition]\nfpir_target = 5\n").ends(3).says(&["recognition.fpir_target", "0.1", "5"]);
    config("[recognition]\nfpir_target = nan\n").ends(3).says(&["recognition.fpir_target"]);
    config("[access]\nstrike_s = -1\n").ends(3).says(&["strike_s"]);
    config("[access]\nheld_warn_s = 40\nheld_alarm_s = 30\n").ends(3).says(&["held"]);
}

#[test]
fn a_wrong_board_is_refused() {
    board("").ends(3).says(&["board.toml", "name"]);
    board(&BOARD.replace("source = \"replay\"\n", "")).ends(3).says(&["source"]);
    let gpio = BOARD.replace(
        "kind = \"sim\"",
        "kind = \"gpio\"\nchip = \"/dev/gpiochip0\"\nrelay = { line = 17 }\ncontact = { line = 17 }",
    );
    board(&gpio).ends(3).says(&["17", "contact", "relay"]);
    let huge =
        BOARD.replace("\"replay\"\npath = \"frames\"", "\"v4l\"\ndevice = \"/dev/video0\"\nwidth = 30000");
    board(&huge).ends(3).says(&["camera.width", "1920"]);
}

#[test]
fn what_a_camera_is_told_is_checked_before_it_is_told() {
    let camera =
        |told: &str| {
            board(&BOARD.replace(
                "\"replay\"\npath = \"frames\"",
                &format!("\"v4l\"\ndevice = \"/dev/video0\"\n{told}"),
            ))
        };
    camera("exposure_us = 8000\ngain = 32\npower_line_hz = 50").ends(0);
    camera("power_line_hz = 0").ends(0);
    camera("power_line_hz = 55").ends(3).says(&["camera.power_line_hz", "50 or 60"]);
    camera("exposure_us = 5").ends(3).says(&["camera.exposure_us", "100"]);
    camera("exposure_ms = 5").ends(3).says(&["exposure_us"]);
}

#[test]
fn a_file_that_is_missing_or_no_text_is_named() {
    let ostiary = Ostiary::new();
    ostiary
        .run(&["config", "check", "--config", "/nonexistent/door.toml"])
        .ends(3)
        .says(&["/nonexistent/door.toml"]);
    ostiary.run(&["run", "--board", "/nonexistent/board.toml"]).ends(3).says(&["/nonexistent/board.toml"]);
    let folder = ostiary.folder().to_str().expect("UTF-8").to_owned();
    ostiary.run(&["config", "check", "--config", &folder]).ends(3);
    let binary = ostiary.file("binary.toml", [0xff, 0xfe, 0x00, 0x41]);
    ostiary.run(&["config", "check", "--config", &binary]).ends(3).says(&["binary.toml"]);
    let large = ostiary.file("large.toml", "# ".repeat(1 << 20));
    ostiary.run(&["config", "check", "--config", &large]).ends(3).says(&["1 MiB"]);
    config("[access\nstrike_s = 5").ends(3).says(&["line 1"]);
    config("[access]\nstrike_s = 5\nstrike_s = 6\n").ends(3).says(&["duplicate"]);
}

#[test]
fn nothing_starts_with_a_wrong_configuration() {
    let ostiary = Ostiary::new();
    let wrong = ostiary.file("ostiary.toml", "[access]\nstrike = 5\n");
    for command in [
        &["persons", "list"][..],
        &["status"],
        &["enroll", "--person", "a", "--name", "A", "/dev/null"],
        &["run", "--board", "board/simulator.toml"],
        &["doctor"],
        &["models", "list"],
    ] {
        let arguments: Vec<&str> = command.iter().copied().chain(["--config", &wrong]).collect();
        let done = ostiary.run(&arguments).ends(3);
        done.says(&["strike"]);
    }
    assert!(!ostiary.data().exists(), "no gallery was begun");
}

#[test]
fn what_is_shown_is_what_is_read() {
    let ostiary = Ostiary::new();
    let shown = ostiary.run(&["config", "show"]).ends(0);
    assert!(shown.out.contains("strike_s = 5"), "{}", shown.out);
    let path = ostiary.file("shown.toml", &shown.out);
    let again = ostiary.run(&["config", "show", "--config", &path]).ends(0);
    assert_eq!(shown.out, again.out);
    for question in ["show", "check"] {
        assert_eq!(ostiary.run(&["config", question, "--json"]).ends(0).json().len(), 1, "{question}");
    }
}
