//! Bodies that nobody means well with, at every route that reads one.
//!
//! 256 of them in a normal run; `make fuzz` sends 100,000 (`PROPTEST_CASES`).

use base64::Engine as _;
use proptest::prelude::*;

use super::*;
use crate::hostile::{hostile_json, spoiled};

/// Answers that a body may bring about; 503 is the door of these tests, which can do little.
const FIT: [u16; 13] = [200, 201, 202, 204, 400, 404, 409, 413, 415, 422, 429, 431, 503];

fn header(route: &Route) -> (&'static str, String) {
    match route.access {
        Access::Key(Header::KeySecret, _) => ("x-key-secret", KEY.to_owned()),
        Access::Key(Header::Bearer, _) | Access::Open | Access::SetupCode => {
            ("authorization", format!("Bearer {KEY}"))
        }
    }
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => hostile_json().prop_map(String::into_bytes),
        2 => (hostile_json(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(j, i, b)| spoiled(j, i, b)),
        1 => proptest::collection::vec(any::<u8>(), 0..400),
        1 => (proptest::collection::vec(any::<u8>(), 0..400), "[a-z_0-9]{1,20}")
            .prop_map(|(bytes, name)| form(&[(&name, &bytes), ("face_image", &bytes), (&name, b"\x89PNG\r\n\x1a\n")])),
    ]
}

#[test]
fn no_body_brings_the_server_down() {
    let house = House::new();
    let routes: Vec<&Route> =
        all().filter(|r| r.media != Media::None && !matches!(r.access, Access::SetupCode)).collect();
    let types = ["application/json", "multipart/form-data; boundary=xyz", "image/png", "text/plain", ""];
    proptest!(|(which in any::<prop::sample::Index>(), kind in any::<prop::sample::Index>(), body in body())| {
        // Nobody is slowed down for asking much: this is about bodies.
        house.memory.clock.fetch_add(60_000, Ordering::Relaxed);
        let route = which.get(&routes);
        let (name, secret) = header(route);
        let usual = if matches!(route.media, Media::Form(_)) { types[1] } else { types[0] };
        // Half of them with the content type that the route wants.
        let kind = if kind.index(2) == 0 { usual } else { kind.get(&types) };
        let headers = [(name, secret.as_str()), ("content-type", kind)];
        let (status, _, _) = house.ask(word(route.method), &filled(route), &headers, &body);
        prop_assert!(FIT.contains(&status), "{} answers {status} to {}", route.path, String::from_utf8_lossy(&body));
    });
    assert_eq!(house.ask("GET", "/healthz", &[], b"").0, 200);
}

#[test]
fn a_nest_a_bomb_and_five_megabytes_and_one_are_refused_before_they_cost_anything() {
    let house = House::new();
    let search = "/v2/face-recognition/search-active-user";
    let post =
        |body: &[u8]| house.ask("POST", search, &[BEARER, ("content-type", "application/json")], body).0;
    assert!(matches!(post("[".repeat(60_000).as_bytes()), 400 | 409));
    let nested = format!("{{\"image\":{}1{}}}", "{\"a\":".repeat(50_000), "}".repeat(50_000));
    assert!(matches!(post(nested.as_bytes()), 400 | 409));
    let large = |bytes: usize| {
        let mut picture = b"\x89PNG\r\n\x1a\n".to_vec();
        picture.resize(bytes, 0);
        let text = base64::engine::general_purpose::STANDARD.encode(&picture);
        format!("{{\"image\":\"{text}\",\"os\":\"IOS\",\"min_score\":0.5,\"search_mode\":\"FAST\"}}")
    };
    let asked = house.asked();
    assert_eq!(post(large(5_000_001).as_bytes()), 413);
    assert_eq!(post(&vec![b'A'; 8_000_000]), 413);
    assert_eq!(house.asked(), asked, "none of them came as far as the door");
    post(large(5_000_000).as_bytes());
    assert_eq!(house.asked(), asked + 1);
}
