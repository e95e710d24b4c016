//! How well the whole pipeline tells people apart, on a part of a public test set small enough for every run.
//!
//! Owns: the floor below which a change has broken something. Does not own: the figures of the whole set, which
//! `make evaluate` measures (docs/accuracy.md).
//! Invariant: measured by the product's own command, with the thresholds of folds not chosen on.

#[path = "common/mod.rs"]
mod common;
#[path = "common/program.rs"]
mod program;

use std::fs;

use common::need_shared;
use program::Ostiary;

#[test]
fn people_are_told_apart_and_every_rate_has_its_interval() {
    let ostiary = Ostiary::with_models(need_shared!("models"));
    let pairs = need_shared!("eval/lfw/pairs.csv");
    let images = need_shared!("eval/lfw/images");
    // Every fiftieth pair: the list names all pairs of one person first.
    let list = fs::read_to_string(pairs).expect("the list is readable");
    let (header, rows) = list.split_once('\n').expect("the list has a header");
    let part: Vec<&str> = std::iter::once(header).chain(rows.lines().step_by(50)).collect();
    let pairs = ostiary.file("pairs.csv", part.join("\n"));
    // Every picture of the folder is looked at, so the folder holds no more than the pairs need.
    let few = ostiary.folder().join("images");
    for picture in part.iter().skip(1).flat_map(|row| row.split(',').take(2)) {
        let copy = few.join(picture);
        fs::create_dir_all(copy.parent().expect("a person has a folder"))
            .expect("the scratch folder takes it");
        fs::write(copy, fs::read(images.join(picture)).expect("a listed picture is there"))
            .expect("as before");
    }
    let few = few.to_str().expect("scratch paths are UTF-8");
    let arguments = ["evaluate", "--json", "--pairs", &pairs, "--images", few];
    let report = ostiary.run(&arguments).ends(0).json().remove(0);

    let verification = &report["verification"];
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or_else(|| panic!("a number in {report}"));
    let (genuine, impostor) = (number(&verification["genuine"]), number(&verification["impostor"]));
    assert!(genuine > 20.0 && impostor > 15.0, "{genuine} and {impostor} pairs");
    let accuracy = &verification["accuracy"];
    let [rate, low, high] = ["rate", "low", "high"].map(|key| number(&accuracy[key]));
    assert!(low <= rate && rate <= high && low < high, "{accuracy}");
    // The whole set does better; of so few pairs two may fall.
    assert!(rate >= 0.96, "{accuracy}");
    assert!(number(&verification["auc"]["value"]) >= 0.99, "{verification}");
    assert!(number(&verification["genuine_failed"]) <= 2.0, "{verification}");
}
