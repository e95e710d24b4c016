//! JSON that nobody means well with, for the tests of both transports.
//!
//! Owns: its making. Shapes: known names with values of every wrong type, numbers beyond every bound, control characters
//! and characters of four bytes, base64 that is none, addresses in place of pictures, members twice, deep nests.

use proptest::prelude::*;

const NAMES: [&str; 40] = [
    "id",
    "image",
    "images",
    "a",
    "b",
    "name",
    "profile",
    "status",
    "limit",
    "page",
    "min_score",
    "mode",
    "collection",
    "collection_id",
    "os",
    "search_mode",
    "liveness_min_score",
    "uploads",
    "rows",
    "values",
    "scale",
    "quality",
    "model_sha256",
    "person",
    "from",
    "until",
    "at",
    "kind",
    "seconds",
    "nonce",
    "level",
    "attempts",
    "idPhoto",
    "sourceImage",
    "targetImage",
    "minimumMatchLevel",
    "insert",
    "looks",
    "valid_from",
    "groups",
];

const TEXTS: [&str; 16] = [
    "",
    "iVBORw0KGgpyZXN0",
    "data:image/png;base64,iVBORw0KGgpyZXN0",
    "data:image/png;base64,",
    "http://169.254.169.254/latest",
    "file:///etc/passwd",
    "../../etc/passwd",
    "\u{0}",
    "a\u{7}b\u{202e}c",
    "🙂🙂🙂🙂",
    "ß́̂",
    "1e309",
    "NaN",
    "9999-99-99",
    "2026-11-21T08:00:00Z",
    "====",
];

const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "1e999",
    "-0.0",
    "1.5",
    "18446744073709551616",
    "9223372036854775807",
    "255",
    "256",
    "0.85",
    "1e-400",
    "65536",
];

fn text() -> impl Strategy<Value = String> {
    let quoted = |t: &str| serde_json::to_string(t).unwrap_or_default();
    prop_oneof![
        4 => proptest::sample::select(TEXTS.as_slice()).prop_map(quoted),
        2 => any::<String>().prop_map(move |t| quoted(&t)),
        1 => (1_usize..3_000).prop_map(|n| format!("\"{}\"", "A".repeat(n))),
        // Half of a surrogate, and an escape that is none.
        1 => Just("\"\\ud800\"".to_owned()),
        1 => Just("\"\\x\"".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => text(),
        3 => proptest::sample::select(NUMBERS.as_slice()).prop_map(str::to_owned),
        1 => Just("null".to_owned()),
        1 => Just("true".to_owned()),
        1 => (1_usize..300).prop_map(|n| format!("{}1{}", "[".repeat(n), "]".repeat(n))),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(|v| format!("[{}]", v.join(","))),
            object(inner),
        ]
    })
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let name = prop_oneof![6 => proptest::sample::select(NAMES.as_slice()).prop_map(|n| format!("\"{n}\"")), 1 => text()];
    proptest::collection::vec((name, value), 0..8)
        .prop_map(|members| members.iter().map(|(n, v)| format!("{n}:{v}")).collect::<Vec<_>>().join(","))
        .prop_map(|members| format!("{{{members}}}"))
}

/// One object, or now and then something else.
pub(crate) fn hostile_json() -> impl Strategy<Value = String> {
    prop_oneof![8 => object(value()), 1 => value()]
}

/// The text with one byte changed, or cut off there.
pub(crate) fn spoiled(json: String, at: prop::sample::Index, byte: u8) -> Vec<u8> {
    let mut bytes = json.into_bytes();
    let at = at.index(bytes.len().max(1));
    match bytes.get_mut(at) {
        Some(place) if byte != 0 => *place = byte,
        Some(_) => bytes.truncate(at),
        None => {}
    }
    bytes
}
