//! The examples of docs/api.md, run as they stand there: the blocks marked `sh` and `python`.
//!
//! Only the door's address is this test's own. `KEY` and the certificate are where the document says they are.

use super::*;

fn blocks(document: &str) -> Vec<(&str, String)> {
    let mut all = Vec::new();
    let mut open: Option<(&str, String)> = None;
    for line in document.lines() {
        match (&mut open, line.trim_end()) {
            (None, "```sh") => open = Some(("sh", String::new())),
            (None, "```python") => open = Some(("python", String::new())),
            (Some(_), "```") => all.extend(open.take()),
            (Some((_, block)), line) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    all
}

#[test]
fn the_examples_of_the_document_run_as_they_stand() {
    let (models, faces) = (need_shared!("models"), need_shared!("eval/lfw"));
    if !has_curl() {
        skip!("no curl");
    }
    let Some(python) = python("jwt, requests") else { skip!("no requests or PyJWT; see scripts/api-tools") };
    let all = people(&faces, 5);
    let house = House::new(models, &all[0][..2]);
    let looks = enrollable(&house, &all[1..], 2);
    for (name, look) in ["anna.jpg", "visitor.jpg"].iter().zip(&looks) {
        fs::copy(look, house.ostiary.folder().join(name)).unwrap();
    }
    fs::copy(house.certificate(), house.ostiary.folder().join("http-certificate.pem")).unwrap();
    let mut ran = Vec::new();
    for (language, block) in blocks(include_str!("../../docs/api.md")) {
        let block = block.replace("https://door:8443", &house.address);
        let (program, before): (PathBuf, &[&str]) = if language == "sh" {
            ("bash".into(), &["-e", "-o", "pipefail", "-c"])
        } else {
            (python.clone(), &["-c"])
        };
        let mut command = house.program(program);
        command.args(before).arg(&block);
        command.env("CURL_CA_BUNDLE", house.certificate());
        ran.push((block, House::output(command)));
    }
    let said = |words: &str| {
        let (_, said) =
            ran.iter().find(|(b, _)| b.contains(words)).unwrap_or_else(|| panic!("no block with {words}"));
        said.as_str()
    };
    assert!(said("register_face").contains("\"face_uid\":\"anna\""), "{}", said("register_face"));
    assert!(
        said("recognize_face").contains("\"recognition_uidresult\":\"anna\""),
        "{}",
        said("recognize_face")
    );
    assert!(said("search_mode").contains("\"id\":\"anna\""), "{}", said("search_mode"));
    assert!(said("access/explain").contains("admitted"), "{}", said("access/explain"));
    assert!(said("jwt.decode").contains("anna"), "{}", said("jwt.decode"));
    assert!(said("-X DELETE").contains("\"occurrences\":0"), "{}", said("-X DELETE"));
    assert_eq!(ran.len(), 6, "every block is run");
}
