//! The shape of the house, held by a test: who may import whom, and what every file owes its reader.
//!
//! Each station is a crate, so Cargo forbids what its manifest does not name; this holds the manifests to the table.
//! Owns: the import table (ARCHITECTURE.md shows it to people) and the rules of a file: an opening `//!`, at most
//! 500 lines, `unsafe` only where the hardware or the arithmetic needs it, no heap and no `std` in the core,
//! adapters built in one place. Does not own: style within a file (clippy, rustfmt).
//! Invariant: every rule is a function over text, and each has a test that it finds a breach.

#[path = "common/source.rs"]
mod source;

use source::{Token, rust_files, tokens};

/// Station of the tree and the stations it may name besides itself.
const TABLE: [(&str, &[&str]); 11] = [
    ("domain", &[]),
    ("ports", &["domain"]),
    ("access", &["domain"]),
    ("matching", &["domain"]),
    ("picture", &["domain"]),
    ("engine", &[]),
    ("vision", &["engine", "picture", "domain"]),
    ("store", &["ports", "domain", "picture"]),
    ("device", &["ports", "domain", "picture"]),
    ("link", &["ports", "domain", "picture"]),
    (
        "app",
        &["domain", "ports", "access", "matching", "picture", "engine", "vision", "store", "device", "link"],
    ),
];

/// No `std`, no `alloc`, no crate but these: the core runs on anything.
const CORE: [&str; 3] = ["domain", "ports", "access"];
const CORE_CRATES: [&str; 6] = ["core", "heapless", "crate", "super", "self", "ostiary_domain"];

/// Where the compiler's word is not enough.
const UNSAFE: [&str; 3] = ["src/device/", "src/engine/kernels/", "tests/alloc.rs"];

/// The one file that builds what stands behind a port.
const WIRING: &str = "src/app/wiring.rs";
/// How a function that builds begins its name.
const BUILDS: [&str; 10] =
    ["new", "open", "start", "spawn", "connect", "create", "build", "with", "from", "default"];
const PORTS: [&str; 5] = ["Camera", "Door", "Display", "Clock", "Uplink"];

const MAX_LINES: usize = 500;

#[test]
fn the_tree_keeps_the_rules() {
    let files = rust_files("src");
    assert!(files.len() > 20, "the sources are where this test looks for them");
    let adapters = adapters(&files);
    let tests = test_modules(&files);
    let in_test = |path: &str| tests.iter().any(|module| path.starts_with(module.as_str()));
    let mut breaches: Vec<String> = files
        .iter()
        .flat_map(|(path, text)| {
            let mut found = breaches_of_form(path, text);
            found.extend(breaches_of_imports(path, text, in_test(path)));
            if !in_test(path) {
                found.extend(breaches_of_wiring(path, text, &adapters));
            }
            found
        })
        .collect();
    for folder in ["tests", "benches"] {
        breaches.extend(rust_files(folder).iter().flat_map(|(path, text)| breaches_of_form(path, text)));
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn the_manifests_keep_the_table() {
    for (station, allowed) in TABLE.iter().filter(|(station, _)| *station != "app") {
        let path = source::root().join("src").join(station).join("Cargo.toml");
        let manifest = std::fs::read_to_string(&path).expect("each station is a crate");
        assert_eq!(&stations_in(&manifest), allowed, "what {} depends on", path.display());
    }
    let one = "[dependencies]\nostiary-store.workspace = true\nredb.workspace = true\n\n[dev-dependencies]\n";
    assert_eq!(stations_in(one), ["store"]);
    assert_eq!(stations_in(&format!("{one}ostiary-device.workspace = true\n")), ["store", "device"]);
}

/// The stations that a manifest names as dependencies of any kind.
fn stations_in(manifest: &str) -> Vec<&str> {
    let lines = manifest.lines().filter_map(|line| line.strip_prefix("ostiary-"));
    lines.map(|rest| rest.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or(rest)).collect()
}

#[test]
fn a_forbidden_import_is_found() {
    let finds =
        |path: &str, text: &str| breaches_of_imports(path, text, path.ends_with("tests.rs")).join("; ");
    for (path, text) in [
        ("src/vision/detect.rs", "use ostiary_matching::Gallery;"),
        ("src/domain/time.rs", "use ostiary_ports::Clock;"),
        ("src/engine/mod.rs", "fn f() -> ostiary_picture::Picture { todo() }"),
        ("src/access/gate.rs", "use ostiary_ports :: Door;"),
        ("src/main.rs", "use ostiary::domain::Frame;"),
        ("src/app/run.rs", "use crate::unheard_of::Thing;"),
        ("src/cellar/mod.rs", "use ostiary_domain::Frame;"),
    ] {
        assert!(!finds(path, text).is_empty(), "not found: {path}: {text}");
    }
    for (path, text) in [
        ("src/vision/detect.rs", "use ostiary_engine::Network; use crate::align;"),
        ("src/store/mod.rs", "use ostiary_ports::Clock; // not ostiary_device"),
        ("src/store/mod.rs", "const HELP: &str = \"see ostiary_device\";"),
        ("src/app/run.rs", "use crate::{store::Store, device::sim, access::Gate};"),
        ("src/main.rs", "use ostiary::app; fn main() { ostiary::app::main() }"),
    ] {
        assert_eq!(finds(path, text), "", "{path}: {text}");
    }
}

#[test]
fn heap_and_std_in_the_core_are_found() {
    let finds = |text: &str| breaches_of_imports("src/access/gate.rs", text, false).join("; ");
    for text in
        ["use std::fmt;", "fn f() { ::std::process::exit(1) }", "use tracing::info;", "extern crate alloc;"]
    {
        assert!(!finds(text).is_empty(), "not found: {text}");
    }
    assert_eq!(
        finds("use core::fmt; use heapless::Vec; use super::door; use State::Locked; mod rex; use rex::Rex;"),
        ""
    );
    assert_eq!(
        finds("#[cfg(test)] mod tests { use std::collections::HashSet; use proptest::prelude::*; }"),
        ""
    );
}

#[test]
fn a_careless_file_is_found() {
    let finds = |path: &str, text: &str| breaches_of_form(path, text).join("; ");
    assert!(finds("src/a.rs", "fn main() {}").contains("//!"));
    assert!(finds("src/a.rs", &"//! Much.\n".repeat(501)).contains("501 lines"));
    assert!(finds("src/store/a.rs", "//! X.\nfn f() { unsafe { g() } }").contains("unsafe"));
    assert_eq!(finds("src/device/a.rs", "//! X.\nfn f() { unsafe { g() } }"), "");
    assert_eq!(finds("src/a.rs", "//! X.\n// unsafe\nconst A: &str = \"unsafe\"; fn unsafe_code() {}"), "");
}

#[test]
fn an_adapter_built_outside_the_wiring_is_found() {
    let device =
        "impl<'a, R: Read> Camera for Replay<'a, R> {} impl Door for sim::SimDoor {} impl Sink for Other {}";
    let adapters = adapters(&[("src/device/replay.rs".into(), device.into())]);
    assert_eq!(adapters, ["Replay", "SimDoor"]);
    let finds = |path: &str, text: &str| breaches_of_wiring(path, text, &adapters).join("; ");
    assert!(!finds("src/app/pipeline.rs", "fn f() { let c = Replay::open(p); }").is_empty());
    assert!(!finds("src/app/pipeline.rs", "fn f() { let c = Replay::<u8>::open(p); }").is_empty());
    assert_eq!(finds("src/app/wiring.rs", "fn f() { let c = Replay::open(p); }"), "");
    assert_eq!(finds("src/app/pipeline.rs", "fn f() -> u64 { Replay::length(3) }"), "");
    assert_eq!(finds("src/app/pipeline.rs", "fn f(c: &Replay) { c.open() } use device::Replay;"), "");
    assert_eq!(finds("src/app/pipeline.rs", "#[cfg(test)] mod tests { fn f() { SimDoor::new() } }"), "");
}

/// What every file owes: an opening text, a bounded length, no `unsafe` out of place.
fn breaches_of_form(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//! ") {
        found.push(format!("{path}:1: opens without `//!`: what it owns, what it does not, what holds"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        found.push(format!("{path}: {lines} lines; split it before {MAX_LINES}"));
    }
    if !UNSAFE.iter().any(|place| path.starts_with(place)) {
        let uses = tokens(text).into_iter().filter(|t| t.text == "unsafe");
        found.extend(uses.map(|t| format!("{path}:{}: unsafe outside of {}", t.line, UNSAFE.join(", "))));
    }
    found
}

/// Every path to a station that the table forbids, and everything foreign in the core.
fn breaches_of_imports(path: &str, text: &str, test_file: bool) -> Vec<String> {
    let below = path.strip_prefix("src/").unwrap_or(path);
    if below == "lib.rs" {
        return Vec::new();
    }
    let station = below.split('/').next().unwrap_or(below).trim_end_matches(".rs");
    let allowed = match TABLE.iter().find(|(name, _)| *name == station) {
        Some((_, allowed)) => *allowed,
        None if station == "main" => &["app"],
        None => return vec![format!("{path}: no place for `{station}` in the import table")],
    };
    let in_core = CORE.contains(&station);

    let tokens = tokens(text);
    let scopes = scopes(&tokens);
    let word = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
    let mut found = Vec::new();
    for i in 0..tokens.len() {
        let in_test = test_file || scopes[i].test;
        let mut check = |name: &str| {
            if name != station && !allowed.contains(&name) {
                found.push(format!("{path}:{}: `{station}` may not import `{name}`", tokens[i].line));
            }
        };
        match word(i) {
            // The program's own crate shows the stations under their names.
            "crate" | "ostiary" if word(i + 1) == "::" && ["app", "main"].contains(&station) => {
                first_segments(&tokens, i + 2).into_iter().for_each(check);
            }
            name if name.starts_with("ostiary_") => check(&name["ostiary_".len()..]),
            name @ ("std" | "alloc") if in_core && !in_test => {
                found.push(format!("{path}:{}: `{name}` in the core", tokens[i].line));
            }
            "use" if in_core && !in_test => {
                let root = word(i + 1);
                let declared = || tokens.windows(2).any(|w| w[0].text == "mod" && w[1].text == root);
                let known = CORE_CRATES.contains(&root) || root.starts_with(char::is_uppercase) || declared();
                if !known && root != "std" && root != "alloc" {
                    found.push(format!(
                        "{path}:{}: `{root}` in the core; it has core and heapless only",
                        tokens[i].line
                    ));
                }
            }
            _ => {}
        }
    }
    found
}

/// Every call of a constructor of an adapter in `app` outside of the wiring.
fn breaches_of_wiring(path: &str, text: &str, adapters: &[String]) -> Vec<String> {
    if !path.starts_with("src/app/") || path == WIRING || path.starts_with("src/app/wiring/") {
        return Vec::new();
    }
    let tokens = tokens(text);
    let scopes = scopes(&tokens);
    let builds = |i: usize| {
        // The called name: past the type's own parameters, as in `Replay::<File>::open(path)`.
        let call =
            tokens[i + 1..].iter().take_while(|t| t.text != "(" && t.text != ";").filter(|t| t.is_word());
        tokens.get(i + 1).is_some_and(|t| t.text == "::")
            && call.last().is_some_and(|name| BUILDS.iter().any(|word| name.text.starts_with(word)))
    };
    (0..tokens.len())
        .filter(|i| !scopes[*i].test && adapters.contains(&tokens[*i].text) && builds(*i))
        .map(|i| format!("{path}:{}: builds `{}`; only {WIRING} does", tokens[i].line, tokens[i].text))
        .collect()
}

/// Where the modules stand that only exist for tests: `#[cfg(test)] mod space;` in `src/access/door/mod.rs` gives
/// `src/access/door/space`, and a `#[path]` what it names.
fn test_modules(files: &[(String, String)]) -> Vec<String> {
    let mut modules = Vec::new();
    for (path, text) in files {
        let folder = path.trim_end_matches("mod.rs").trim_end_matches(".rs").trim_end_matches('/');
        let tokens = tokens(text);
        for i in 0..tokens.len().saturating_sub(2) {
            if tokens[i].text == "mod" && tokens[i + 2].text == ";" && attributed_test(&tokens, i) {
                modules.push(format!("{folder}/{}", tokens[i + 1].text));
            }
        }
        // Tokens hold no strings, and a path is one.
        for (at, _) in text.match_indices("#[cfg(test)]\n#[path = \"") {
            let named = text[at..].split('"').nth(1).unwrap_or_default();
            let beside = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            modules.push(format!("{beside}/{}", named.trim_end_matches(".rs")));
        }
    }
    modules
}

/// The types below `device` and `link` that stand behind a port.
fn adapters(files: &[(String, String)]) -> Vec<String> {
    let mut names = Vec::new();
    for (_, text) in files.iter().filter(|(p, _)| p.starts_with("src/device/") || p.starts_with("src/link/"))
    {
        let tokens = tokens(text);
        for i in 1..tokens.len() {
            if tokens[i].text == "for" && PORTS.contains(&tokens[i - 1].text.as_str()) {
                let path = tokens[i + 1..].iter().take_while(|t| t.text == "::" || t.is_word());
                names.extend(path.last().map(|t| t.text.clone()));
            }
        }
    }
    names.sort();
    names.dedup();
    names
}

/// The first names of a path or of a group of paths that begins at `i`: `a::b` or `{a::b, c}`.
fn first_segments(tokens: &[Token], i: usize) -> Vec<&str> {
    if tokens.get(i).is_none_or(|t| t.text != "{") {
        return tokens.get(i).filter(|t| t.is_word()).map(|t| t.text.as_str()).into_iter().collect();
    }
    let mut names = Vec::new();
    let mut depth = 0;
    for j in i..tokens.len() {
        match tokens[j].text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            name if depth == 1 && tokens[j].is_word() && matches!(tokens[j - 1].text.as_str(), "{" | ",") => {
                names.push(name);
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// Where a token stands.
#[derive(Clone, Copy, Default)]
struct Scope {
    /// Inline modules around it.
    depth: usize,
    /// Within a `#[cfg(test)]` module.
    test: bool,
}

/// The scope of each token.
fn scopes(tokens: &[Token]) -> Vec<Scope> {
    let text: Vec<&str> = tokens.iter().map(|t| t.text.as_str()).collect();
    let mut open: Vec<Scope> = vec![Scope::default()];
    let mut scopes = Vec::with_capacity(tokens.len());
    for i in 0..tokens.len() {
        let now = open.last().copied().unwrap_or_default();
        scopes.push(now);
        match text[i] {
            "{" if i >= 2 && text[i - 2] == "mod" => {
                let attributed = attributed_test(tokens, i - 2);
                open.push(Scope { depth: now.depth + 1, test: now.test || attributed });
            }
            "{" => open.push(now),
            "}" if open.len() > 1 => drop(open.pop()),
            _ => {}
        }
    }
    scopes
}

/// Whether the item that begins with the word at `i` is only there for tests.
fn attributed_test(tokens: &[Token], i: usize) -> bool {
    let before: Vec<&str> = tokens[i.saturating_sub(24)..i].iter().map(|t| t.text.as_str()).collect();
    let own = before.rsplit(|t| matches!(*t, ";" | "}")).next().unwrap_or_default();
    own.windows(7).any(|w| w == ["#", "[", "cfg", "(", "test", ")", "]"])
}
