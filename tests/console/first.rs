//! The first sign-in of all, with the code that the display shows: read off its picture, digit by digit.
//!
//! Owns: reading the code, the requests that a browser would make. Does not own: the browser (`drive.mjs`).

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ostiary::app::accounts::totp;
use ostiary::device::display::{PngDisplay, PngOptions};
use ostiary::domain::Screen;
use ostiary::picture::{self, Limits, Picture};
use ostiary::ports::Display as _;
use serde_json::{Value, json};

use super::common::{need_shared, skip};
use super::{House, program::Ostiary};

/// The display with that code.
fn rendered(folder: &Path, code: &str) -> Picture {
    let code = heapless::String::try_from(code).unwrap();
    PngDisplay::open(PngOptions::new(folder)).unwrap().show(&Screen::Setup { code }).unwrap();
    picture::decode(&fs::read(folder.join("latest.png")).unwrap(), Limits::default()).unwrap()
}

/// The code on a picture of the display, if that is what it shows.
fn code_on(shown: &Picture, folder: &Path) -> Option<String> {
    let digits: Vec<Picture> =
        (0..10).map(|d| rendered(folder, &format!("{d}{d}{d}{d} {d}{d}{d}{d}"))).collect();
    let width = shown.width() as usize;
    let mut code = String::new();
    for place in [0, 1, 2, 3, 5, 6, 7, 8] {
        let mut other = "1111 1111".to_owned();
        other.replace_range(place..=place, "8");
        let other = rendered(folder, &other);
        // Where this place is: what differs between a one and an eight.
        let differs = |i: &usize| other.rgb()[i * 3..i * 3 + 3] != digits[1].rgb()[i * 3..i * 3 + 3];
        let cell: Vec<usize> = (0..other.rgb().len() / 3).filter(differs).collect();
        let (left, right) = (cell.iter().map(|i| i % width).min()?, cell.iter().map(|i| i % width).max()?);
        let unlike = |digit: &Picture| {
            (0..shown.rgb().len() / 3)
                .filter(|i| (left..=right).contains(&(i % width)))
                .filter(|i| shown.rgb()[i * 3..i * 3 + 3] != digit.rgb()[i * 3..i * 3 + 3])
                .count()
        };
        let nearest = digits.iter().enumerate().min_by_key(|(_, digit)| unlike(digit))?;
        code.push_str(&nearest.0.to_string());
    }
    let spaced = format!("{} {}", &code[..4], &code[4..]);
    (rendered(folder, &spaced).rgb() == shown.rgb()).then_some(code)
}

/// Asks as a browser does, with a jar of cookies: status and JSON.
fn ask(house: &House, more: &[&str], path: &str, body: Option<&Value>) -> (u16, Value) {
    let jar = house.ostiary.folder().join("cookies");
    let mut command = Command::new("curl");
    command.args(["-sSk", "-m", "60", "-w", "\n%{http_code}", "-b"]).arg(&jar).arg("-c").arg(&jar).args(more);
    if let Some(body) = body {
        command.args(["-H", "content-type: application/json", "-d", &body.to_string()]);
    }
    let done = command.arg(format!("{}{path}", house.address)).stdin(Stdio::null()).output().unwrap();
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    let (body, status) = out.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

fn base32(text: &str) -> Vec<u8> {
    let (mut out, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for c in text.bytes() {
        let value = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|a| *a == c).unwrap();
        held = held << 5 | value as u32;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    out
}

#[test]
fn the_code_on_the_display_makes_the_first_account_and_is_then_used_up() {
    let models = need_shared!("models");
    if Command::new("curl").arg("--version").output().is_err() {
        skip!("no curl");
    }
    let ostiary = Ostiary::with_models(models);
    // Nobody stands there: the code gives way to whoever does.
    let empty = [90_u8, 110].map(|grey| {
        let path = ostiary.folder().join(format!("empty-{grey}.png"));
        image::RgbImage::from_fn(640, 480, |x, y| image::Rgb([grey, (x / 8) as u8, (y / 4) as u8]))
            .save(&path)
            .unwrap();
        path
    });
    let house = House::new(ostiary, &empty);
    let (latest, scratch) =
        (house.ostiary.folder().join("display/latest.png"), house.ostiary.folder().join("read"));
    let code = (0..100)
        .find_map(|_| {
            std::thread::park_timeout(Duration::from_millis(250));
            let shown = picture::decode(&fs::read(&latest).ok()?, Limits::default()).ok()?;
            code_on(&shown, &scratch)
        })
        .expect("the display shows a code");
    assert_eq!(ask(&house, &[], "/console/session", None).1["first"], true);
    let wrong = format!("{:08}", (code.parse::<u32>().unwrap() + 1) % 100_000_000);
    assert_eq!(ask(&house, &[], "/console/begin", Some(&json!({ "name": "anna", "code": wrong }))).0, 401);
    let (status, begun) = ask(&house, &[], "/console/begin", Some(&json!({ "name": "anna", "code": code })));
    assert_eq!(status, 200, "{begun}");
    let key = base32(begun["key"].as_str().unwrap());
    let now = ostiary::device::clock_os::OsClock::new();
    let digits = totp::code(&key, totp::step(ostiary::ports::Clock::now(&now).utc.0));
    let finish =
        |password: &str| json!({ "name": "anna", "code": code, "password": password, "totp": digits });
    let (status, refused) = ask(&house, &[], "/console/finish", Some(&finish("short")));
    assert_eq!((status, &refused["parameter"]), (400, &json!("password")), "{refused}");
    let (status, session) = ask(&house, &[], "/console/finish", Some(&finish("four calm green words")));
    assert_eq!((status, &session["role"]), (200, &json!("admin")), "{session}");
    assert_eq!(ask(&house, &[], "/v1/accounts", None).1["accounts"][0]["name"], "anna");
    let open = ask(&house, &["-X", "POST"], "/v1/door/open", None);
    assert_eq!(open.0, 403, "a change without the session's token: {}", open.1);
    let token = format!("x-csrf-token: {}", session["csrf"].as_str().unwrap());
    assert_eq!(ask(&house, &["-X", "POST", "-H", &token], "/v1/door/open", None).0, 200);
    let again = ask(&house, &[], "/console/begin", Some(&json!({ "name": "berta", "code": code })));
    assert_eq!(again.0, 401, "used up");
    assert_eq!(ask(&house, &["-X", "POST", "-H", &token], "/console/logout", None).0, 204);
    assert_eq!(ask(&house, &[], "/v1/accounts", None).0, 401);
}
