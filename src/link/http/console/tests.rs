//! The way in over a real connection: the cookie, the session's token, lock-outs, the headers of the pages.

use std::sync::Mutex;

use super::super::route::{Access, all};
use super::super::tests::{House, filled, word};
use super::FILES;
use crate::wire::{Beginning, Caller, Code, Finish, Login, Refusal, Role, Secret, Session, SignIn};

/// Lets in whoever knows one password, and remembers whether a session did something.
#[derive(Default)]
pub(in super::super) struct Doorman {
    alive: Mutex<Vec<bool>>,
}

fn operator() -> Session {
    Session {
        caller: Caller { name: "account ben".into(), scopes: Role::Operator.scopes() },
        name: "ben".into(),
        role: Role::Operator,
        csrf: "the-token".into(),
        until: 60_000,
    }
}

impl SignIn for Doorman {
    fn is_first(&self) -> bool {
        true
    }

    fn begin(&self, _: &str, _: &Secret) -> Result<Beginning, Refusal> {
        Err(Refusal::new(Code::Unauthenticated, "another code"))
    }

    fn finish(&self, _: &Finish) -> Result<(Session, Secret), Refusal> {
        Err(Refusal::new(Code::Unauthenticated, "another code"))
    }

    fn login(&self, login: &Login) -> Result<(Session, Secret), Refusal> {
        if login.password.0 == "right" {
            return Ok((operator(), Secret("the-secret".into())));
        }
        Err(Refusal::new(Code::Unauthenticated, "wrong"))
    }

    fn session(&self, secret: &str, alive: bool) -> Option<Session> {
        self.alive.lock().unwrap().push(alive);
        let role = secret.strip_prefix("as-").and_then(Role::from_name);
        let of = |role: Role| Session {
            role,
            caller: Caller { scopes: role.scopes(), ..operator().caller },
            ..operator()
        };
        role.map(of).or_else(|| (secret == "the-secret").then(operator))
    }

    fn logout(&self, _: &str) {}
}

const COOKIE: (&str, &str) = ("cookie", "ostiary-clear=the-secret");
const TOKEN: (&str, &str) = ("x-csrf-token", "the-token");

#[test]
fn a_session_may_what_its_role_may_and_changes_need_its_token() {
    let house = House::new();
    let login = |password: &str| {
        let body = format!(r#"{{"name":"ben","password":"{password}","totp":"123456"}}"#);
        house.ask("POST", "/console/login", &[("content-type", "application/json")], body.as_bytes())
    };
    assert_eq!(login("wrong").0, 401);
    let (status, head, body) = login("right");
    assert_eq!(status, 200);
    assert!(
        head.contains("set-cookie: ostiary-clear=the-secret; path=/; httponly; samesite=strict"),
        "{head}"
    );
    assert!(!String::from_utf8_lossy(&body).contains("the-secret"), "its secret is in the cookie alone");

    let status = |method: &str, path: &str, headers: &[(&str, &str)]| house.ask(method, path, headers, b"").0;
    assert_eq!(status("GET", "/v1/events", &[COOKIE]), 200);
    assert_eq!(status("GET", "/v1/persons", &[COOKIE]), 403, "the role lacks the scope");
    assert_eq!(status("GET", "/v1/events", &[("cookie", "ostiary-clear=another")]), 401);
    assert_eq!(status("GET", "/v1/events", &[("cookie", "__Host-ostiary=the-secret")]), 401, "of TLS alone");
    let asked = house.asked();
    assert_eq!(status("POST", "/v1/door/open", &[COOKIE]), 403, "without the token");
    assert_eq!(status("POST", "/v1/door/open", &[COOKIE, ("x-csrf-token", "another")]), 403);
    assert_eq!(house.asked(), asked, "nothing reached the door");
    assert_eq!(status("POST", "/v1/door/open", &[COOKIE, TOKEN]), 503);
    assert_eq!(house.asked(), asked + 1);
    // A key counts before a cookie, and needs no token.
    assert_eq!(status("POST", "/v1/door/open", &[COOKIE, ("authorization", "Bearer wrong")]), 401);
    let (status, head, _) = house.ask("POST", "/console/logout", &[COOKIE, TOKEN], b"");
    assert!(status == 204 && head.contains("max-age=0"), "{head}");
}

#[test]
fn what_the_page_asks_by_itself_keeps_no_session_alive() {
    let house = House::new();
    house.doorman().alive.lock().unwrap().clear();
    house.ask("GET", "/v1/door", &[COOKIE, ("x-background", "1")], b"");
    house.ask("GET", "/console/session", &[COOKIE], b"");
    house.ask("GET", "/v1/door", &[COOKIE], b"");
    assert_eq!(*house.doorman().alive.lock().unwrap(), [false, false, true]);
}

#[test]
fn wrong_passwords_lock_an_address_out_as_wrong_keys_do() {
    let house = House::new();
    let body = br#"{"name":"ben","password":"wrong","totp":"123456"}"#;
    let json = ("content-type", "application/json");
    for _ in 0..10 {
        assert_eq!(house.ask("POST", "/console/login", &[json], body).0, 401);
    }
    let (status, head, _) = house.ask("POST", "/console/login", &[json], body);
    assert!(status == 429 && head.contains("retry-after: 60"), "{head}");
    assert_eq!(house.ask("POST", "/console/begin", &[json], br#"{"name":"a","code":"b"}"#).0, 429);
}

#[test]
fn pages_come_with_headers_that_bind_a_browser_and_are_sent_once() {
    let house = House::new();
    for path in ["/", "/console/app.js", "/console/style.css"] {
        let (status, head, body) = house.ask("GET", path, &[], b"");
        assert_eq!(status, 200, "{path}");
        assert!(!body.is_empty());
        for wanted in [
            "content-security-policy: default-src 'none'; script-src 'self'",
            "frame-ancestors 'none'",
            "x-frame-options: deny",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-cache",
        ] {
            assert!(head.contains(wanted), "{path}: no {wanted} in {head}");
        }
        assert!(!head.contains("unsafe"));
        let tag = head.split("etag: ").nth(1).unwrap().lines().next().unwrap().to_owned();
        let (status, _, body) = house.ask("GET", path, &[("if-none-match", &tag)], b"");
        assert!(status == 304 && body.is_empty(), "{path}");
    }
    assert_eq!(house.ask("GET", "/console/nothing.js", &[], b"").0, 404);
    assert_eq!(house.ask("GET", "/console/..%2fmod.rs", &[], b"").0, 404);
}

#[test]
fn pages_hold_no_inline_script_nor_style_and_name_only_files_that_are_there() {
    for file in FILES {
        let lines = file.text.lines().count();
        assert!((1..=300).contains(&lines), "{}: {lines} lines", file.name);
        for word in
            ["innerHTML", "outerHTML", "document.write", "eval(", "javascript:", "http://", "https://"]
        {
            let allowed = word == "http://" && file.media == "image/svg+xml";
            assert!(allowed || !file.text.contains(word), "{} holds {word}", file.name);
        }
        for name in file.text.split(['"', '\'']).filter_map(|t| t.strip_prefix("./")) {
            assert!(FILES.iter().any(|f| f.name == name), "{} names {name}", file.name);
        }
    }
    let html = FILES[0].text;
    assert!(!html.contains(" style=") && !html.contains(" on") && !html.contains("<style"));
    assert!(html.matches("<script").count() == 1 && html.contains("<script type=\"module\" src="));
}

/// Who may call what with a session: operator, enroller, clerk of attendance, auditor (`u`), administrator.
/// Written down by hand, so that a scope that changes by accident is seen.
const TABLE: &str = include_str!("roles.txt");

#[test]
fn every_role_may_call_its_own_routes_and_no_other() {
    let house = House::new();
    let listed: Vec<(&str, &str, &str)> = TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut words = line.split_whitespace();
            (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or(""))
        })
        .collect();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for route in all().filter(|route| matches!(route.access, Access::Key(..))) {
        let method = word(route.method);
        let mut may = String::new();
        for (role, letter) in Role::ALL.into_iter().zip("oecua".chars()) {
            // Addresses count refusals: each is asked afresh.
            house.later();
            let cookie = format!("ostiary-clear=as-{}", role.name());
            // A stream would not end: one that is asked wrongly begins not.
            let path = filled(route) + if route.path.ends_with("stream") { "?from=0" } else { "" };
            let (status, _, _) = house.ask(method, &path, &[("cookie", &cookie), TOKEN], b"");
            match status {
                401 | 403 => {}
                // An answer, or what is wrong with an empty body: the door was opened.
                _ => may.push(letter),
            }
        }
        let wanted = listed.iter().find(|(m, path, _)| *m == method && *path == route.path);
        seen += 1;
        if wanted.is_none_or(|(_, _, who)| *who != may) {
            wrong.push(format!("{method:<6} {:<50} {may}", route.path));
        }
    }
    assert!(wrong.is_empty(), "not as in roles.txt:\n{}", wrong.join("\n"));
    assert_eq!(seen, listed.len(), "roles.txt names what is no route");
}
