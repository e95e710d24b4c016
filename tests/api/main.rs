//! The HTTP server of the real binary, asked by programs that are not ours: curl, Python's requests,
//! `PyJWT`, schemathesis.
//!
//! Owns: the examples of the cloud APIs' documents, unchanged but for host and key; the verification of signed answers;
//! the comparison of every answer with the OpenAPI document; a session and an enrolment finished at the camera.
//! Does not own: the order of checks and the forms of errors (`src/link/http/tests.rs`, faster and without models).
//! Tools: curl; Python with the packages of `requirements.txt` (`scripts/api-tools` makes them in `.venv`). What is
//! absent is said as skipped.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/program.rs"]
mod program;

mod docs;
mod flood;
mod hostile;
mod scores;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use common::{need_shared, skip};
use program::Ostiary;
use serde_json::Value;

/// A running door with its server.
struct House {
    ostiary: Ostiary,
    child: Child,
    address: String,
    key: String,
}

impl House {
    /// A door that sees the pictures of one folder, over and over.
    fn new(models: PathBuf, pictures: &[PathBuf]) -> Self {
        Self::with(models, pictures, "")
    }

    /// With further lines of `[http]`.
    fn with(models: PathBuf, pictures: &[PathBuf], more: &str) -> Self {
        let ostiary = Ostiary::with_models(models);
        let frames = ostiary.folder().join("frames");
        fs::create_dir(&frames).unwrap();
        for (i, picture) in pictures.iter().enumerate() {
            fs::copy(picture, frames.join(format!("{i}.jpg"))).unwrap();
        }
        let board = ostiary.file(
            "board.toml",
            format!(
                "name = \"api\"\n[camera]\nsource = \"replay\"\npath = \"{}\"\nloop = true\nfps = 10\n\
                 [door]\nkind = \"sim\"\n",
                frames.display()
            ),
        );
        let config =
            ostiary.file("c.toml", format!("[http]\nlisten = \"127.0.0.1:0\"\nper_second = 200\n{more}"));
        let made = ostiary.run(&[
            "tokens",
            "create",
            "--name",
            "test",
            "--scopes",
            "search,enroll,onetoN,persons,admin,door,events,scores",
            "--json",
        ]);
        let key = made.ends(0).json()[0]["secret"].as_str().unwrap().to_owned();
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
                if let Some(at) = line.find("listening address=") {
                    let rest = &line[at + "listening address=".len()..];
                    let _ = found.send(rest.split(' ').next().unwrap_or_default().to_owned());
                }
            }
        });
        let address = address.recv_timeout(Duration::from_mins(3)).expect("the server listens");
        let port = address.rsplit(':').next().unwrap().to_owned();
        Self { ostiary, child, address: format!("https://localhost:{port}"), key }
    }

    fn certificate(&self) -> PathBuf {
        self.ostiary.data().join("http-certificate.pem")
    }

    /// A program that trusts the door's certificate, in the scratch folder.
    fn program(&self, name: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(name);
        command
            .current_dir(self.ostiary.folder())
            .env("CURL_CA_BUNDLE", self.certificate())
            .env("REQUESTS_CA_BUNDLE", self.certificate())
            .env("BASE", &self.address)
            .env("KEY", &self.key)
            .env("VERIFIK_TOKEN", &self.key);
        command
    }

    /// Runs and gives what it printed; fails the test when it fails.
    #[track_caller]
    fn output(mut command: Command) -> String {
        let done = command.stdin(Stdio::null()).output().unwrap();
        let out = String::from_utf8_lossy(&done.stdout).into_owned();
        let err = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{command:?}\n{out}\n{err}");
        out
    }

    /// Asks with curl: status and JSON.
    #[track_caller]
    fn curl(&self, arguments: &[&str], path: &str) -> (u16, Value) {
        let mut command = self.program("curl");
        command.args(["-sS", "-m", "60", "-w", "\n%{http_code}"]).args(arguments);
        command.arg(format!("{}{path}", self.address));
        let out = Self::output(command);
        let (body, status) = out.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
    }

    fn bearer(&self) -> String {
        format!("Authorization: Bearer {}", self.key)
    }

    /// Asks again and again until the answer is as wanted, for a minute.
    #[track_caller]
    fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..240 {
            last = self.curl(&["-H", &self.bearer()], path).1;
            if wanted(&last) {
                return last;
            }
            std::thread::park_timeout(Duration::from_millis(250));
        }
        panic!("it never came: {last}");
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// Python with these modules: of `.venv` in the checkout, of `OSTIARY_PYTHON`, or of the system.
fn python(modules: &str) -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    let named = std::env::var_os("OSTIARY_PYTHON").map(PathBuf::from);
    [Some(own), named, Some("python3".into())].into_iter().flatten().find(|python| {
        let tried = Command::new(python).args(["-c", &format!("import {modules}")]).output();
        tried.is_ok_and(|done| done.status.success())
    })
}

fn has_curl() -> bool {
    Command::new("curl").arg("--version").output().is_ok_and(|done| done.status.success())
}

/// Pictures of people with at least so many, in the order of their names.
fn people(faces: &Path, pictures: usize) -> Vec<Vec<PathBuf>> {
    let list = |path: &Path| {
        let mut paths: Vec<_> = fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let folders = list(&faces.join("images"));
    folders.iter().map(|folder| list(folder)).filter(|found| found.len() >= pictures).collect()
}

/// Good pictures of one person, and those of another: found by asking the door itself.
fn enrollable(house: &House, people: &[Vec<PathBuf>], wanted: usize) -> Vec<PathBuf> {
    let key = format!("x-key-secret: {}", house.key);
    for pictures in people {
        let good = |path: &PathBuf| {
            let part = format!("face_image=@{}", path.display());
            let path = "/api/v1/face_recognition/recognize_face";
            house.curl(&["-H", &key, "-F", &part], path).0 == 200
        };
        let found: Vec<PathBuf> = pictures.iter().take(6).filter(|p| good(p)).cloned().collect();
        if found.len() >= wanted {
            return found;
        }
    }
    panic!("nobody has {wanted} good pictures");
}

#[test]
fn the_examples_of_the_cloud_documents_run_unchanged_and_answers_are_signed() {
    let (models, faces) = (need_shared!("models"), need_shared!("eval/lfw"));
    if !has_curl() {
        skip!("no curl");
    }
    let all = people(&faces, 5);
    let house = House::new(models, &all[0][..2]);
    let looks = enrollable(&house, &all[1..], 3);
    for (name, look) in ["photo.jpg", "unknown.jpg", "selfie.jpg"].iter().zip(&looks) {
        fs::copy(look, house.ostiary.folder().join(name)).unwrap();
    }
    fs::copy(&looks[0], house.ostiary.folder().join("passport_photo.jpg")).unwrap();

    // ARSA's example of curl, its host and key replaced.
    let mut command = house.program("bash");
    command.args([
        "-c",
        "curl -sS -X POST \"$BASE/api/v1/face_recognition/validate_faces\" \\\n  -H \"x-key-secret: $KEY\" \\\n  \
         -F \"image1=@selfie.jpg\" \\\n  -F \"image2=@passport_photo.jpg\"",
    ]);
    let compared: Value = serde_json::from_str(&House::output(command)).unwrap();
    assert_eq!(compared["match_result"], true, "{compared}");

    let Some(python) = python("requests") else { skip!("no Python with requests; see scripts/api-tools") };
    let mut command = house.program(&python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/examples.py"));
    let out = House::output(command);
    assert!(out.contains("recognised employee_42"), "{out}");
    assert!(out.contains("found employee_42"), "{out}");

    let Some(python) = self::python("requests, jwt, cryptography") else {
        skip!("no Python with PyJWT; see scripts/api-tools")
    };
    let mut command = house.program(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/verify_jws.py"));
    let out = House::output(command);
    assert!(out.contains("verified") && out.contains("refused a changed one"), "{out}");
}

#[test]
fn a_session_and_an_enrolment_are_finished_at_the_camera() {
    let (models, faces) = (need_shared!("models"), need_shared!("eval/lfw"));
    if !has_curl() {
        skip!("no curl");
    }
    let all = people(&faces, 5);
    // Who is good enough is known only to the door: a first one is asked.
    let looks = {
        let asked = House::new(models.clone(), &all[0][..2]);
        enrollable(&asked, &all, 4)
    };
    let house = House::new(models, &looks[..2]);
    let bearer = house.bearer();
    let part = format!("idPhoto=@{}", looks[3].display());
    let (status, started) = house.curl(&["-H", &bearer, "-F", &part, "-F", "nonce=n-1"], "/api/v1/face/");
    assert_eq!(status, 201, "{started}");
    let path = format!("/api/v1/face/{}", started["sessionId"].as_str().unwrap());
    let ended = house.until(&path, |session| session["status"] == "FINISHED");
    let payload = ended["result"].as_str().unwrap().split('.').nth(1).unwrap();
    let result: Value = serde_json::from_slice(&base64_url(payload)).unwrap();
    assert_eq!((&result["face"]["match"], &result["nonce"]), (&Value::Bool(true), &Value::from("n-1")));
    assert_eq!(house.curl(&["-H", &bearer], "/api/v1/face/nothing").0, 404);

    let json = "Content-Type: application/json";
    let wish = r#"{"id":"camera-1","name":"At The Camera","looks":2}"#;
    let (status, begun) = house.curl(&["-H", &bearer, "-H", json, "-d", wish], "/v1/enroll/camera");
    assert_eq!((status, &begun["stage"]), (202, &Value::from("looking")), "{begun}");
    let again = house.curl(&["-H", &bearer, "-H", json, "-d", wish], "/v1/enroll/camera");
    assert_eq!(again.0, 409, "one at a time");
    let done = house.until("/v1/enroll/camera", |p| p["stage"] == "done" || p["stage"] == "failed");
    assert_eq!((&done["stage"], &done["taken"]), (&Value::from("done"), &Value::from(2)), "{done}");
    house.until("/v1/events?type=access_granted", |page| {
        page["events"].as_array().is_some_and(|events| !events.is_empty())
    });
}

#[test]
fn every_answer_is_as_the_document_says() {
    let (models, faces) = (need_shared!("models"), need_shared!("eval/lfw"));
    let Some(python) = python("schemathesis") else { skip!("no schemathesis; see scripts/api-tools") };
    // It opens a connection a question, and what is asked here is not how many there may be.
    let house = House::with(models, &people(&faces, 5)[0][..2], "connections = 512\n");
    let mut command = house.program(python.with_file_name("schemathesis"));
    command
        .args(["run", &format!("{}/openapi.json", house.address), "--tls-verify=false"])
        .args(["-H", &house.bearer(), "-H", &format!("x-key-secret: {}", house.key)])
        .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance"])
        .args(["--checks", "response_schema_conformance,unsupported_method"])
        // Wrong codes lock the address out, and a stream has no end.
        .args(["--exclude-path", "/v1/setup", "--exclude-path", "/v1/events/stream"])
        .args(["--phases", "coverage,fuzzing", "-n", "10", "--continue-on-failure", "--seed", "1"]);
    let out = House::output(command);
    assert!(!out.contains("FAILURES"), "{out}");
}

fn base64_url(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut out, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes() {
        let value = ALPHABET.iter().position(|b| *b == byte).unwrap() as u32;
        bits = bits << 6 | value;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    out
}
