//! What every test may use, in `tests/` as well as in the unit tests of `src/`.
//!
//! Owns: how a test says that it did not run, and where the shared models and faces lie.
//! Invariant: a test without its data counts as skipped, never as passed: `scripts/test` reads what is written here.
#![allow(dead_code, unused_macros, unused_imports, reason = "each test program uses its own part")]

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Ends the calling test as skipped, with its reason: `skip!("no camera at {path}")`.
macro_rules! skip {
    ($($reason:tt)*) => {{
        crate::common::record_skip(module_path!(), &format!($($reason)*));
        return;
    }};
}
pub(crate) use skip;

/// The path of a file or folder below the shared data, or the calling test ends as skipped:
/// `let faces = need_shared!("eval/lfw");`
macro_rules! need_shared {
    ($below:expr) => {
        match crate::common::shared($below) {
            Some(path) => path,
            None => crate::common::skip!("no {} in the shared data (set OSTIARY_SHARED)", $below),
        }
    };
}
pub(crate) use need_shared;

/// The path of `below` in the shared data, if it is there: `OSTIARY_SHARED`, else `shared` beside the checkout.
pub(crate) fn shared(below: &str) -> Option<PathBuf> {
    let root = std::env::var_os("OSTIARY_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    // Browsers refuse to read a file whose path climbs with `..`, so the path is the resolved one.
    root.join(below).canonicalize().ok()
}

/// Notes a skipped test: a line on the terminal, past the test harness, and one in the file of `scripts/test`.
pub(crate) fn record_skip(module: &str, reason: &str) {
    let program = module.split("::").next().unwrap_or(module);
    let thread = std::thread::current();
    // The harness names its threads by the test; with one thread it runs tests on `main`.
    let test = thread.name().filter(|name| *name != "main").unwrap_or(module);
    let reason = reason.replace(['\n', '\t'], " ");
    let _ = writeln!(std::io::stderr(), "skipped: {program}::{test}: {reason}");
    if let Some(path) = std::env::var_os("OSTIARY_SKIPPED") {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .expect("OSTIARY_SKIPPED names a file that can be written");
        file.write_all(format!("{program}::{test}\t{reason}\n").as_bytes()).expect("the note is written");
    }
}
