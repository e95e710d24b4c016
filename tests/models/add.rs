//! `ostiary models add`: what is taken, what is refused, and what is said.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::need_shared;
use crate::program::Ostiary;

const FILE: &str = "yunet/yunet_n_320_320.onnx";

#[test]
fn a_file_and_a_folder_of_the_catalogue_are_added_and_nothing_else() {
    let models = need_shared!("models");
    let ostiary = Ostiary::new();
    let right = fs::read(models.join(FILE)).unwrap();
    let to = ostiary.data().join("models");

    let file = ostiary.file("whatever.onnx", &right);
    let added = ostiary.run(&["--json", "models", "add", &file]).ends(0).json().remove(0);
    assert_eq!((added["model"].as_str(), added["already"].as_bool()), (Some("yunet-n-320"), Some(false)));
    assert!(added["median_ms"].as_f64().unwrap() > 0.0, "{added}");
    assert_eq!(fs::read(to.join(FILE)).unwrap(), right);
    let again = ostiary.run(&["models", "add", &file]).ends(0).out;
    assert!(again.contains("is there already") && again.contains("Apache-2.0"), "{again}");
    // Nothing lies beside it.
    assert_eq!(fs::read_dir(to.join("yunet")).unwrap().count(), 1);
    assert!(
        ostiary
            .run(&["models", "list"])
            .ends(0)
            .out
            .lines()
            .any(|l| { l.starts_with("yunet-n-320 ") && l.contains(" here ") })
    );

    // Cut short, one bit off, and by the name of a model.
    fs::create_dir(ostiary.folder().join("cut")).unwrap();
    let cut = ostiary.file("cut/yunet_n_320_320.onnx", &right[..right.len() / 2]);
    ostiary.run(&["models", "add", &cut]).ends(6).says(&["cut short", "yunet-n-320", "curl", "https://"]);
    let mut bent = right.clone();
    bent[1_000] ^= 1;
    let bent = ostiary.file("yunet-n-320.onnx", bent);
    ostiary.run(&["models", "add", &bent]).ends(6).says(&["another version", "81dbde155e98"]);
    let other = ostiary.file("other.onnx", b"no model at all");
    ostiary.run(&["models", "add", &other]).ends(6).says(&["not in the catalogue", "models list", "README"]);
    let link = ostiary.folder().join("link.onnx");
    symlink(models.join(FILE), &link).unwrap();
    ostiary.run(&["models", "add", link.to_str().unwrap()]).ends(4).says(&["symbolic link"]);
    ostiary.run(&["models", "add", "/dev/null"]).ends(4).says(&["neither a file nor a folder"]);
    ostiary.run(&["models", "add", "nowhere.onnx"]).ends(4).says(&["no file or folder", "models list"]);
    ostiary.run(&["models", "add", "yunet-s-320"]).ends(4).says(&["the catalogue has a model", "curl -"]);
    ostiary.run(&["models", "add", "mobileface-v2"]).ends(4).says(&["no address of its own", "MobileFace"]);
    let address = "https://example.org/models/yunet_n_320_320.onnx?raw=true";
    ostiary.run(&["models", "add", address]).ends(4).says(&["fetches nothing", "curl --proto '=https' -fLO"]);
    let empty = ostiary.folder().join("cut");
    ostiary.run(&["models", "add", empty.to_str().unwrap()]).ends(6).says(&["(1 looked at)", "cut short"]);
    let huge = ostiary.folder().join("huge.onnx");
    fs::File::create(&huge).unwrap().set_len(65 << 20).unwrap();
    ostiary.run(&["models", "add", huge.to_str().unwrap()]).ends(6).says(&["64 MiB"]);

    // A folder with everything: what the catalogue knows is taken, the rest passed over. Then the set serves.
    let rows = ostiary.run(&["--json", "models", "add", models.to_str().unwrap()]).ends(0).json();
    assert!(rows.len() >= 8, "{rows:?}");
    ostiary.run(&["models", "verify", "strong"]).ends(0);
    let rows = ostiary.run(&["--json", "models", "verify", "--all"]).ends(0).json().remove(0);
    assert_eq!(rows["wrong"].as_array().unwrap().len(), 0, "{rows}");
    assert!(rows["right"].as_array().unwrap().len() >= 8, "{rows}");

    let bench = ostiary.run(&["--json", "models", "bench", "strong", "--runs", "3"]).ends(0).json().remove(0);
    let rows = bench["rows"].as_array().unwrap();
    assert_eq!((rows.len(), rows[4]["model"].as_str()), (5, Some("all of it")), "{bench}");
    assert!(rows.iter().all(|r| r["p95_ms"].as_f64() >= r["median_ms"].as_f64()), "{bench}");

    // A file that rots on the card is found, and added anew.
    let rotten = to.join(FILE);
    let mut bytes = right.clone();
    bytes[500] ^= 4;
    fs::write(&rotten, bytes).unwrap();
    let found = ostiary.run(&["models", "verify", "--all"]).ends(1).out;
    assert!(found.contains(&format!("WRONG    {}", rotten.display())), "{found}");
    ostiary.run(&["models", "add", &file]).ends(0);
    ostiary.run(&["models", "verify", "--all"]).ends(0);
    unwritable(&ostiary, &file);
}

/// A folder that cannot be written is told with what to do.
fn unwritable(ostiary: &Ostiary, file: &str) {
    let blocked = ostiary.file("blocked", b"a file where a folder should be");
    let said = ostiary.run(&["models", "add", file, "--to", &blocked]).ends(5);
    said.says(&["cannot be written", "--to"]);
    assert!(Path::new(&blocked).is_file());
}

#[test]
fn the_commands_of_the_document_run_as_they_stand() {
    let models = need_shared!("models");
    let ostiary = Ostiary::new();
    let downloads = ostiary.folder().join("downloads");
    symlink(&models, &downloads).unwrap();
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(checkout.join("models/README.md")).unwrap();
    let mut blocks: Vec<&str> =
        text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    // A folder must be there before its models can be chosen.
    blocks.sort_by_key(|block| !block.contains("models add"));
    assert!(blocks.len() >= 2 && blocks[0].contains("models add downloads"), "{blocks:?}");
    let program = PathBuf::from(env!("CARGO_BIN_EXE_ostiary"));
    let config = ostiary
        .file("c.toml", format!("[models]\nmanifest = \"{}/models/manifest.toml\"\n", checkout.display()));
    for block in blocks {
        let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
        // A trailing slash: the folder behind the link is meant.
        let script = block.replace("add downloads", "add downloads/");
        let done = Command::new("bash")
            .args(["-e", "-c", &script])
            .current_dir(ostiary.folder())
            .env("PATH", path)
            .env("OSTIARY_DATA", ostiary.data())
            .env("OSTIARY_CONFIG", &config)
            .env("OSTIARY_MODELS", ostiary.folder())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{block}\n{said}{}", String::from_utf8_lossy(&done.stdout));
    }
}
