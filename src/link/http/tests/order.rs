//! The order of checks and the form of each refusal, at every route that wants a key.

use super::*;
use crate::http::route::Style;

/// A refusal as its style has it, and as the document has it.
fn in_style(route: &Route, document: &Value, status: u16, head: &str, body: &[u8]) {
    let said: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let place = format!("{:?} {}: {status} {said}", route.method, route.path);
    let is_text = |key: &str| said[key].as_str().is_some_and(|text| !text.is_empty());
    let members = said.as_object().map_or(0, serde_json::Map::len);
    match route.style {
        Style::Arsa => assert!(said["status"] == "error" && is_text("code") && is_text("message"), "{place}"),
        Style::Verifik | Style::VerifikSearch if status == 400 => {
            assert_eq!(said, serde_json::json!({ "error": "Invalid request" }), "{place}");
        }
        Style::Verifik | Style::VerifikSearch | Style::FaceApi | Style::Own => {
            assert!(is_text("code") && is_text("message") && members >= 2, "{place}");
        }
    }
    assert!(head.contains("content-type: application/json"), "{place}");
    assert!(head.contains("cache-control: no-store"), "{place}");
    assert_eq!(head.contains("www-authenticate: bearer"), status == 401, "{place}");
    let method = word(route.method).to_ascii_lowercase();
    let documented = &document["paths"][route.path][method.as_str()]["responses"][status.to_string()];
    assert!(documented.is_object(), "{place} is not in the document");
}

#[test]
fn every_route_checks_in_one_order_and_refuses_in_its_style() {
    let house = House::new();
    let document = openapi::document();
    let (huge, odd) = (("content-length", "99999999"), ("content-type", "text/plain"));
    let mut steps = 0;
    for route in all() {
        let Access::Key(place, scope) = route.access else { continue };
        let name = match place {
            Header::KeySecret => "x-key-secret",
            Header::Bearer => "authorization",
        };
        let secret = |key: &str| match place {
            Header::KeySecret => key.to_owned(),
            Header::Bearer => format!("Bearer {key}"),
        };
        let (key, blind, wrong) = (secret(KEY), secret(BLIND), secret("wrong"));
        let right = match route.media {
            Media::Form(_) => FORM,
            Media::None | Media::Json(_) => ("content-type", "application/json"),
        };
        let mut refused = |status: u16, headers: &[(&str, &str)], body: &[u8]| {
            house.memory.clock.fetch_add(120_000, Ordering::Relaxed);
            let asked = house.asked();
            let (got, head, said) = house.ask(word(route.method), &filled(route), headers, body);
            assert_eq!(got, status, "{:?} {} with {headers:?}", route.method, route.path);
            in_style(route, &document, status, &head, &said);
            assert_eq!(house.asked(), asked, "{} came as far as the door", route.path);
            steps += 1;
        };
        // Everything is wrong; then one thing less each time.
        let sends = route.media != Media::None;
        let faults: &[(&str, &str)] = if sends { &[huge, odd] } else { &[] };
        refused(401, faults, b"");
        refused(401, &[&[(name, wrong.as_str())], faults].concat(), b"");
        if scope.is_some_and(|scope| scope != Scope::Search) {
            refused(403, &[&[(name, blind.as_str())], faults].concat(), b"");
        }
        if sends {
            refused(413, &[(name, key.as_str()), huge, odd], b"");
            refused(415, &[(name, key.as_str()), odd], b"{\"a\":");
            refused(415, &[(name, key.as_str())], b"{\"a\":");
            refused(400, &[(name, key.as_str()), right], b"{\"a\":");
        }
    }
    assert!(steps > 200, "{steps} refusals");
}

#[test]
fn every_key_is_slowed_down_by_its_own_rate() {
    let house = House::new();
    // The bucket is full at first: twice a second's worth.
    let (mut limited, path) = (None, "/v1/status");
    for _ in 0..2_100 {
        let (status, head, body) = house.ask("GET", path, &[BEARER], b"");
        if status == 429 {
            limited = Some((head, body));
            break;
        }
    }
    let (head, body) = limited.expect("the rate is held");
    assert!(head.contains("retry-after: 1"), "{head}");
    let said: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(said["code"], "limited", "{said}");
    let blind = ("authorization", "Bearer a-key-without-scores");
    assert_ne!(house.ask("GET", path, &[blind], b"").0, 429, "another key has its own");
    house.memory.clock.fetch_add(1_000, Ordering::Relaxed);
    assert_ne!(house.ask("GET", path, &[BEARER], b"").0, 429, "waiting as long as it was told helps");
}
