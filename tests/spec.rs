//! Every promise in SPECIFICATION.md is held by a test or a benchmark that exists.
//!
//! Owns: reading the tables of promises and looking for what they name. Does not own: the promises, the tests.
//! Invariants: each row of each table ends with at least one `path/to/file.rs::name`; the name is a test of that
//! file, or in `benches/` a benchmark.

#[path = "common/source.rs"]
mod source;

use std::collections::HashMap;
use std::fs;

use source::{root, rust_files, tokens};

/// Title of the last column of every table.
const HELD_BY: &str = "Held by";

#[test]
fn every_promise_names_a_test_that_exists() {
    let text = fs::read_to_string(root().join("SPECIFICATION.md")).expect("SPECIFICATION.md is there");
    let files: HashMap<String, String> =
        ["src", "tests", "benches"].iter().flat_map(|folder| rust_files(folder)).collect();
    let promises = promises(&text);
    assert!(
        promises.len() >= 40,
        "only {} promises were found: the tables changed their form",
        promises.len()
    );
    let broken: Vec<String> = promises.iter().flat_map(|p| faults(p, &files)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let mut broken = Vec::new();
    let mut links = 0;
    for folder in [".", "docs", "models"] {
        for entry in fs::read_dir(root().join(folder)).expect("the folder is readable") {
            let path = entry.expect("the folder is readable").path();
            if path.extension().is_none_or(|e| e != "md") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a document is readable");
            for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
                if target.is_empty() || target.contains("://") {
                    continue;
                }
                links += 1;
                if !path.parent().is_some_and(|beside| beside.join(target).exists()) {
                    broken.push(format!("{} leads to {target}, which is not there", path.display()));
                }
            }
        }
    }
    assert!(links >= 10, "only {links} links were found");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_promise_without_its_test_is_found() {
    let test =
        "#[test]\n#[should_panic]\nfn holds() {}\nfn helper() {} // #[test] fn commented() {}".to_owned();
    let bench = "c.bench_function(\"whole look\", run);".to_owned();
    let files = HashMap::from([("src/a.rs".to_owned(), test), ("benches/b.rs".to_owned(), bench)]);
    let faults_of = |cell: &str| -> Vec<String> {
        let table = format!("| Promise | Held by |\n|---|---|\n| The door is shut. | {cell} |\n");
        promises(&table).iter().flat_map(|p| faults(p, &files)).collect()
    };
    assert_eq!(faults_of("`src/a.rs::holds`"), [""; 0]);
    assert_eq!(faults_of("`src/a.rs::holds`, `benches/b.rs::whole look`"), [""; 0]);
    for cell in [
        "",
        "to be written",
        "`src/a.rs::helper`",
        "`src/a.rs::commented`",
        "`src/a.rs::gone`",
        "`src/gone.rs::holds`",
        "`src/a.rs::holds`, `src/a.rs::gone`",
        "`benches/b.rs::look`",
        "`holds`",
    ] {
        assert_eq!(faults_of(cell).len(), 1, "{cell}");
    }
    let unheld = "| Promise | Number |\n|---|---|\n| Fast. | 3 |\n";
    assert_eq!(promises(unheld).iter().flat_map(|p| faults(p, &files)).count(), 1);
}

/// One row of one table.
struct Promise {
    line: usize,
    /// Its words, for the message.
    words: String,
    /// The last cell, where its column is the right one.
    held_by: Option<String>,
}

fn promises(text: &str) -> Vec<Promise> {
    let mut rows = Vec::new();
    let mut header: Option<Vec<String>> = None;
    for (number, line) in text.lines().enumerate() {
        let Some(row) = line.trim().strip_prefix('|') else {
            header = None;
            continue;
        };
        let cells: Vec<String> = row.trim_end_matches('|').split('|').map(|c| c.trim().to_owned()).collect();
        let Some(titles) = &header else {
            header = Some(cells);
            continue;
        };
        if cells.iter().all(|c| !c.is_empty() && c.chars().all(|c| matches!(c, '-' | ':'))) {
            continue;
        }
        let right = titles.last().is_some_and(|t| t == HELD_BY) && titles.len() == cells.len();
        let held_by = if right { cells.last().cloned() } else { None };
        rows.push(Promise { line: number + 1, words: cells[0].clone(), held_by });
    }
    rows
}

fn faults(promise: &Promise, files: &HashMap<String, String>) -> Vec<String> {
    let fault = |what: String| format!("SPECIFICATION.md:{}: {what}: {}", promise.line, promise.words);
    let Some(cell) = &promise.held_by else {
        return vec![fault(format!(
            "the table's last column is not `{HELD_BY}`, or the row has other cells"
        ))];
    };
    let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
    if names.is_empty() {
        return vec![fault("no test is named".to_owned())];
    }
    let missing = names.into_iter().filter(|name| !exists(name, files));
    missing.map(|name| fault(format!("there is no `{name}`"))).collect()
}

fn exists(name: &str, files: &HashMap<String, String>) -> bool {
    let Some((path, item)) = name.split_once("::") else { return false };
    let Some(text) = files.get(path) else { return false };
    if path.starts_with("benches/") {
        return text.contains(&format!("\"{item}\""));
    }
    tests_of(text).iter().any(|test| test == item)
}

/// The functions below `#[test]`.
fn tests_of(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let word = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
    let mut found = Vec::new();
    let mut attributed = false;
    for i in 0..tokens.len() {
        if word(i) == "#" && word(i + 1) == "[" && word(i + 2) == "test" && word(i + 3) == "]" {
            attributed = true;
        } else if word(i) == "fn" && attributed {
            found.push(word(i + 1).to_owned());
            attributed = false;
        }
    }
    found
}
