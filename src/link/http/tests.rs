//! The server over a real connection, with a door that only remembers what it was asked.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

mod crowd;
mod hostile;
mod order;

use super::console::tests::Doorman;
use super::route::{Access, Action, Header, Media, Method, Route, all};
use super::{HttpConfig, HttpServer, Patience, openapi};
use crate::wire::{
    Caller, Code, Command, Enrolled, EventPage, Identified, Operations, Refusal, Reply, Scope, Scopes, SignIn,
};

const KEY: &str = "a-key-with-everything";
const BLIND: &str = "a-key-without-scores";

/// Answers a few commands and remembers all.
#[derive(Default)]
struct Memory {
    asked: Mutex<Vec<Command>>,
    clock: AtomicU64,
    doorman: Doorman,
}

impl Operations for Memory {
    fn handle(&self, caller: &Caller, command: Command) -> Result<Reply, Refusal> {
        self.asked.lock().unwrap().push(command.clone());
        match command {
            Command::Enrol(put) => Ok(Reply::Enrolled(Enrolled {
                person: put.id.unwrap_or_default(),
                templates: 1,
                images: Vec::new(),
                nearest_other: None,
            })),
            Command::Identify(_) => Ok(Reply::Identified(Identified {
                person: Some("wade".into()),
                name: None,
                ambiguous: false,
                score: caller.may(Scope::Scores).then_some(0.93),
                cosine: None,
                threshold: None,
                quality: 80,
            })),
            Command::ListEvents(query) => {
                let events = if query.from <= 1 { vec![r#"{"seq":1}"#.into()] } else { Vec::new() };
                Ok(Reply::Events(EventPage { events, next: query.from.max(2), newest: 1 }))
            }
            Command::Search(_) => Err(Refusal::new(Code::LivenessFailed, "not alive")),
            Command::Setup { .. } => Err(Refusal::new(Code::Unauthenticated, "another code")),
            Command::VerifyEvents => panic!("a fault of the program"),
            _ => Err(Refusal::new(Code::Unavailable, "not here")),
        }
    }

    fn caller(&self, secret: &str) -> Option<Caller> {
        let scopes = match secret {
            KEY => Scopes::ALL,
            BLIND => Scopes::NONE.with(Scope::Search),
            _ => return None,
        };
        Some(Caller { name: secret.to_owned(), scopes })
    }

    fn sign_in(&self) -> Option<&dyn SignIn> {
        Some(&self.doorman)
    }

    fn sign(&self, _: &[u8]) -> Result<[u8; 64], Refusal> {
        Ok([7; 64])
    }

    fn public_key(&self) -> Result<[u8; 32], Refusal> {
        Ok([8; 32])
    }

    fn now_ms(&self) -> i64 {
        1_705_419_840_000
    }

    fn mono_ms(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }
}

pub(super) struct House {
    server: HttpServer,
    memory: Arc<Memory>,
}

impl House {
    pub(super) fn new() -> Self {
        Self::with(8, Patience::default())
    }

    fn with(connections: usize, patience: Patience) -> Self {
        let memory = Arc::new(Memory::default());
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = HttpConfig { listen, tls: None, per_second: 1_000, connections, patience };
        let server = HttpServer::start(config, Arc::clone(&memory) as Arc<dyn Operations>).unwrap();
        Self { server, memory }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Status, head and body of one request.
    pub(super) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, String, Vec<u8>) {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: door\r\nconnection: close\r\n");
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        if !headers.iter().any(|(name, _)| *name == "content-length") {
            write!(head, "content-length: {}\r\n", body.len()).unwrap();
        }
        let mut stream = self.connect();
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // The server may answer and close before it has read what it will not take.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("an answer has a head");
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head, answer[end + 4..].to_vec())
    }

    fn json(&self, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        let (status, _, body) = self.ask("POST", path, &all, body.as_bytes());
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// A minute and more goes by.
    pub(super) fn later(&self) {
        self.memory.clock.fetch_add(120_000, Ordering::Relaxed);
    }

    pub(super) fn doorman(&self) -> &Doorman {
        &self.memory.doorman
    }

    pub(super) fn asked(&self) -> usize {
        self.memory.asked.lock().unwrap().len()
    }
}

const BEARER: (&str, &str) = ("authorization", "Bearer a-key-with-everything");
const PNG: &str = "iVBORw0KGgpyZXN0";

fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, bytes) in parts {
        body.extend_from_slice(b"--xyz\r\ncontent-disposition: form-data; name=\"");
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(b"\"; filename=\"a.jpg\"\r\ncontent-type: text/plain\r\n\r\n");
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--xyz--\r\n");
    body
}

const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=xyz");

pub(super) fn word(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
    }
}

pub(super) fn filled(route: &Route) -> String {
    route.path.replace("{id}", "x").replace("{sessionId}", "x")
}

#[test]
fn every_route_has_an_auth_class_and_keeps_it() {
    // What may be had without a key, and nothing else.
    const OPEN: [&str; 4] = ["/", "/healthz", "/openapi.json", "/.well-known/jwks.json"];
    const ANY_KEY: [&str; 3] = ["/v1/status", "/v1/door", "/metrics"];
    let house = House::new();
    for route in all() {
        let path = filled(route);
        // Addresses count their failures; here every route is tried afresh.
        house.memory.clock.fetch_add(120_000, Ordering::Relaxed);
        let (bare, _, _) = house.ask(word(route.method), &path, &[], b"");
        match route.access {
            Access::Open => {
                assert!(OPEN.contains(&route.path), "{} is open", route.path);
                assert_eq!(bare, 200, "{path}");
            }
            Access::SetupCode => assert_eq!((route.path, bare), ("/v1/setup", 415)),
            Access::Key(place, scope) => {
                assert_eq!(bare, 401, "{path}");
                assert_eq!(scope.is_none(), ANY_KEY.contains(&route.path), "{path}");
                let header = |secret: &str| match place {
                    Header::KeySecret => ("x-key-secret", secret.to_owned()),
                    Header::Bearer => ("authorization", format!("Bearer {secret}")),
                };
                let status = |secret: &str| {
                    let (name, value) = header(secret);
                    house.ask(word(route.method), &path, &[(name, &value)], b"").0
                };
                assert_eq!(status("wrong"), 401, "{path}");
                if scope.is_some_and(|s| s != Scope::Search) {
                    assert_eq!(status(BLIND), 403, "{path}");
                }
                if !matches!(route.action, Action::EventStream) {
                    assert!(!matches!(status(KEY), 401 | 403), "{path}");
                }
            }
        }
    }
}

#[test]
fn the_document_and_the_router_name_the_same() {
    let document = openapi::document();
    let paths = document["paths"].as_object().unwrap();
    let house = House::new();
    let mut count = 0;
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            count += 1;
            let path = path.replace("{id}", "x").replace("{sessionId}", "x");
            house.memory.clock.fetch_add(120_000, Ordering::Relaxed);
            let (status, _, _) = house.ask(&method.to_ascii_uppercase(), &path, &[], b"");
            assert!(!matches!(status, 404 | 405), "{method} {path} is documented and not there: {status}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                responses.contains_key(&status.to_string()),
                "{method} {path}: {status} is not documented"
            );
            for body in operation["requestBody"]["content"].as_object().into_iter().flat_map(|c| c.values()) {
                assert!(body["schema"].is_object(), "{method} {path}");
            }
        }
    }
    assert_eq!(count, all().count());
    let text = document.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name} is referred to and not there");
    }
    assert_eq!(house.ask("GET", "/nowhere", &[], b"").0, 404);
    let (status, head, _) = house.ask("PATCH", "/v1/status", &[], b"");
    assert_eq!(status, 405);
    assert!(head.contains("allow: get"), "{head}");
}

#[test]
fn checks_come_in_the_order_of_the_specification() {
    let house = House::new();
    let path = "/v2/face-recognition/search-active-user";
    let huge = ("content-length", "99999999");
    let text = ("content-type", "text/plain");
    let wrong = ("authorization", "Bearer wrong");
    let blind = ("authorization", "Bearer a-key-without-scores");
    assert_eq!(house.ask("POST", path, &[wrong, huge, text], b"").0, 401);
    assert_eq!(house.ask("POST", "/v2/face-recognition/persons", &[blind, huge, text], b"").0, 403);
    assert_eq!(house.ask("POST", path, &[blind, huge, text], b"").0, 413);
    assert_eq!(house.ask("POST", path, &[blind, text], b"{}").0, 415);
    assert_eq!(house.json(path, &[blind], "{").0, 400);
    assert_eq!(house.json(path, &[blind], "{}").0, 409);
    assert_eq!(house.asked(), 0, "nothing reached the door");
    let good = format!(r#"{{"image":"{PNG}","os":"IOS","min_score":"0.7","search_mode":"FAST"}}"#);
    assert_eq!(house.json(path, &[blind], &good).0, 409);
    assert_eq!(house.asked(), 1);
}

#[test]
fn verifik_errors_have_the_forms_of_the_original() {
    let house = House::new();
    let ask = |path: &str, body: &str| house.json(&format!("/v2/face-recognition/{path}"), &[BEARER], body);
    let (status, body) = ask("search", r#"{"image":5}"#);
    assert_eq!((status, body), (400, serde_json::json!({ "error": "Invalid request" })));
    let no_os = format!(r#"{{"image":"{PNG}","min_score":0.7,"search_mode":"FAST"}}"#);
    let (status, body) = ask("search-active-user", &no_os);
    let missing = serde_json::json!({ "message": "\"os\" is required", "code": "MissingParameter" });
    assert_eq!((status, body), (409, missing));
    let live = |image: &str, extra: &str| {
        format!(r#"{{"image":"{image}","os":"IOS","min_score":0.7,"search_mode":"FAST"{extra}}}"#)
    };
    let code = |body: &str| {
        let (status, answer) = ask("search-live-face", body);
        (status, answer["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(code(&live(PNG, "")), (409, "MissingParameter".to_owned()));
    let least = r#","liveness_min_score":0.6"#;
    assert_eq!(
        code(&live(&format!("data:image/png;base64,{PNG}"), least)),
        (409, "InvalidParameter".to_owned())
    );
    assert_eq!(code(&live(PNG, r#","liveness_min_score":0.4"#)), (409, "InvalidParameter".to_owned()));
    assert_eq!(code(&live("https://x/y.jpg", least)), (409, "InvalidParameter".to_owned()));
    assert_eq!(house.asked(), 0);
    assert_eq!(code(&live(PNG, least)), (409, "LivenessFailed".to_owned()));
}

#[test]
fn arsa_takes_forms_and_hides_scores() {
    let house = House::new();
    let image = b"\xff\xd8\xff\xe0rest";
    let recognise = "/api/v1/face_recognition/recognize_face";
    let (status, _, body) =
        house.ask("POST", recognise, &[("x-key-secret", KEY), FORM], &form(&[("face_image", image)]));
    assert_eq!(status, 200);
    let text = String::from_utf8_lossy(&body).into_owned();
    assert_eq!(text, r#"{"recognition_confidence":0.93,"recognition_uidresult":"wade"}"#);
    let (_, _, body) =
        house.ask("POST", recognise, &[("x-key-secret", BLIND), FORM], &form(&[("face_image", image)]));
    assert!(String::from_utf8_lossy(&body).contains(r#""recognition_confidence":null"#));
    let register = "/api/v1/face_recognition/register_face";
    let key = ("x-key-secret", KEY);
    let status = |headers: &[(&str, &str)], body: &[u8]| house.ask("POST", register, headers, body).0;
    assert_eq!(status(&[key, FORM], &form(&[("face_image", image)])), 400, "no uid");
    let uid = ("x-face-uid", "employee_42");
    assert_eq!(status(&[key, uid, FORM], &form(&[("other", image)])), 400, "no image");
    assert_eq!(status(&[key, uid, FORM], &form(&[("face_image", b"<svg/>")])), 415, "lying about the type");
    assert_eq!(status(&[key, uid, FORM], &form(&[("face_image", image), ("face_image", image)])), 400);
    assert_eq!(status(&[key, uid, FORM], b"--xyz nonsense"), 400);
    assert_eq!(status(&[key, uid, ("content-type", "multipart/form-data")], b""), 400, "no boundary");
    let large = [&image[..], &vec![0; 5_000_000 - image.len() + 1]].concat();
    assert_eq!(status(&[key, uid, FORM], &form(&[("face_image", &large)])), 413, "5 MB and one byte");
    assert_eq!(status(&[key, uid, FORM], &form(&[("face_image", &large[..5_000_000])])), 200, "5 MB");
}

#[test]
fn a_create_sent_twice_is_done_once() {
    let house = House::new();
    let path = "/api/v1/face_recognition/register_face";
    let body = form(&[("face_image", b"\xff\xd8\xff\xe0rest")]);
    let headers = [("x-key-secret", KEY), ("x-face-uid", "a"), FORM, ("idempotency-key", "k1")];
    assert_eq!(house.ask("POST", path, &headers, &body).0, 200);
    let (status, head, _) = house.ask("POST", path, &headers, &body);
    assert!(status == 200 && head.contains("idempotency-replayed: true"), "{head}");
    assert_eq!(house.asked(), 1);
    let other = form(&[("face_image", b"\xff\xd8\xff\xe0other")]);
    assert_eq!(house.ask("POST", path, &headers, &other).0, 409);
    let bad = [("x-key-secret", KEY), ("x-face-uid", "a"), FORM, ("idempotency-key", "a b")];
    assert_eq!(house.ask("POST", path, &bad, &body).0, 400);
}

#[test]
fn wrong_keys_lock_an_address_out_and_say_for_how_long() {
    let house = House::new();
    for _ in 0..10 {
        assert_eq!(house.ask("GET", "/v1/status", &[("authorization", "Bearer wrong")], b"").0, 401);
    }
    let (status, head, _) = house.ask("GET", "/v1/status", &[BEARER], b"");
    assert_eq!(status, 429, "even with the right key");
    assert!(head.contains("retry-after: 60"), "{head}");
    assert_eq!(house.ask("GET", "/healthz", &[], b"").0, 200);
    house.memory.clock.store(61_000, Ordering::Relaxed);
    assert_ne!(house.ask("GET", "/v1/status", &[BEARER], b"").0, 429);
    for _ in 0..10 {
        assert_eq!(house.json("/v1/setup", &[], r#"{"code":"1"}"#).0, 401);
    }
    assert_eq!(house.json("/v1/setup", &[], r#"{"code":"1"}"#).0, 429, "codes are not to be guessed either");
}

#[test]
fn events_stream_until_the_client_goes() {
    let house = House::new();
    let mut stream = house.connect();
    let head =
        format!("GET /v1/events/stream?from=1 HTTP/1.1\r\nhost: d\r\n{}: {}\r\n\r\n", BEARER.0, BEARER.1);
    stream.write_all(head.as_bytes()).unwrap();
    let mut seen = String::new();
    let mut buffer = [0; 1_024];
    while !seen.contains("data: {\"seq\":1}") {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the stream ended: {seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    assert!(seen.contains("text/event-stream") && seen.contains("id: 1"), "{seen}");
}

#[test]
fn media_limits_are_those_of_the_specification() {
    for route in all() {
        assert!(route.media.limit() <= 21_000_000, "{}", route.path);
        if route.media == Media::None {
            assert!(route.doc.body.is_none(), "{}", route.path);
        }
    }
}
