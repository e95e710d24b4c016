//! Remote enrolment as an installer does it, with faces and the real program: reasons, duplicates, bulk, parts.
//!
//! Needs third-party models and faces.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::broker::need_broker;
use crate::common::need_shared;
use crate::docs::good_pictures;
use crate::kill::board;
use crate::program::Ostiary;

fn base64(path: &Path) -> String {
    STANDARD.encode(std::fs::read(path).unwrap())
}

#[test]
fn faces_are_taken_in_from_afar_with_a_reason_for_each_that_is_not() {
    let (models, faces) = (need_shared!("models"), need_shared!("eval/lfw"));
    let broker = need_broker!();
    let ostiary = Ostiary::with_models(models);
    let board = board(&ostiary);
    let config = format!(
        "[mqtt]\nbroker = \"mqtt://127.0.0.1:{}\"\ndevice = \"front\"\nconfirm = \"broker\"\nkeep_alive_s = 5\n\
         scopes = [\"persons\", \"enroll\", \"search\", \"events\", \"scores\"]\n",
        broker.port
    );
    let config = ostiary.file("mqtt.toml", config);
    let pictures: Vec<PathBuf> = good_pictures(&ostiary, &faces, 2);
    let ear = broker.listen(&["-t", "ostiary/front/#"]);
    let mut child = ostiary
        .command(&["run", "--config", &config, "--board", &board])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(ear.hear_within(90_000, &mut |h| h.payload == "online").is_some(), "the door is connected");
    let mut n = 0;
    let mut ask = |verb: &str, mut command: Value| {
        n += 1;
        command["req_id"] = format!("q{n}").into();
        broker.publish(&format!("ostiary/front/cmd/{verb}"), command.to_string().as_bytes(), &[]);
        let rsp = format!("ostiary/front/rsp/q{n}");
        let said = ear.hear_within(60_000, &mut |h| h.topic == rsp);
        said.unwrap_or_else(|| panic!("{verb} is not answered")).json()
    };

    // The first in parts, as a picture too large for one message comes.
    let bytes = std::fs::read(&pictures[0]).unwrap();
    let parts = bytes.chunks(4_096).count();
    for (i, part) in bytes.chunks(4_096).enumerate() {
        broker.publish(&format!("ostiary/front/cmd/upload/ada/{i}/{parts}"), part, &[]);
    }
    let said = ask("enroll.image", json!({ "id": "ada", "profile": { "name": "Ada" }, "uploads": ["ada"] }));
    let image = &said["result"]["images"][0];
    assert!(said["ok"] == true && image["template"].is_u64() && image["quality"].is_u64(), "{said}");

    // One result a row: another person, the first one's face again, a wall, no picture, somebody without one.
    let wall = ostiary::picture::encode_jpeg(320, 240, &[120; 320 * 240 * 3], 80).unwrap();
    let rows = json!({ "rows": [
        { "id": "bob", "profile": { "name": "Bob" }, "images": [base64(&pictures[1])] },
        { "id": "twin", "profile": { "name": "Twin" }, "images": [base64(&pictures[0])] },
        { "id": "wall", "profile": { "name": "Wall" }, "images": [STANDARD.encode(&wall)] },
        { "id": "text", "profile": { "name": "Text" }, "images": [STANDARD.encode("a text, and no picture")] },
        { "id": "cut", "profile": { "name": "Cut" }, "images": [STANDARD.encode(&bytes[..bytes.len() / 3])] },
        { "id": "none", "profile": { "name": "None" } },
    ] });
    let said = ask("enroll.bulk", rows);
    let rows = said["result"]["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &said["result"]["accepted"]), (6, &1.into()), "{said}");
    assert_eq!(rows[0]["result"]["templates"], 1, "{}", rows[0]);
    let near = &rows[0]["result"]["nearest_other"];
    assert_eq!(
        near["id"].as_str().or(near["person"].as_str()),
        Some("ada"),
        "the margin to whom: {}",
        rows[0]
    );
    assert_eq!(rows[1]["error"]["code"], "duplicate", "{}", rows[1]);
    assert_eq!(rows[1]["error"]["person"], "ada", "{}", rows[1]);
    assert_eq!(rows[2]["error"]["code"], "face_quality", "{}", rows[2]);
    assert!(rows[2].to_string().contains("no_face"), "{}", rows[2]);
    for row in &rows[3..] {
        assert_eq!(row["ok"], false, "{row}");
        assert!(row["error"]["message"].as_str().is_some_and(|words| words.len() > 10), "{row}");
    }
    // They are found by their faces from now on, and nobody else was taken in.
    let who = ask("face.identify", json!({ "image": base64(&pictures[1]) }));
    assert!(who.to_string().contains("bob"), "{who}");
    let listed = ask("person.list", json!({}));
    let ids: Vec<_> = ["ada", "bob", "twin", "wall", "text", "cut", "none"]
        .into_iter()
        .filter(|id| listed.to_string().contains(&format!("\"{id}\"")))
        .collect();
    assert_eq!(ids, ["ada", "bob"], "{listed}");
    let kept = ask("image.get", json!({ "id": "bob" }));
    let jpeg = STANDARD.decode(kept["result"].as_str().unwrap()).unwrap();
    assert!(jpeg.starts_with(b"\xff\xd8"), "the kept picture");
    assert_eq!(ask("image.delete", json!({ "id": "bob" }))["ok"], false, "the scope onetoN is not given");
    child.kill().unwrap();
    child.wait().unwrap();
}
