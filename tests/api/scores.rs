//! Scores leave with the scope `scores` alone, whichever API is asked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;

/// Every number in the answer that tells how sure the door is, by its path.
fn scores(value: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let path = format!("{path}.{key}");
                let telling = ["score", "confidence", "probability", "similarity", "cosine", "margin"];
                // What the caller named itself is no secret.
                let own = key.contains("min_score");
                if telling.iter().any(|word| key.contains(word)) && !own && !value.is_object() {
                    found.push((path, value.clone()));
                } else {
                    scores(value, &path, found);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                scores(item, path, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn scores_leave_with_their_scope_alone() {
    let (models, faces) = (need_shared!("models"), need_shared!("eval/lfw"));
    if !has_curl() {
        skip!("no curl");
    }
    let all = people(&faces, 5);
    let mut house = House::new(models, &all[0][..2]);
    let looks = enrollable(&house, &all[1..], 2);
    let made = house.ostiary.run(&[
        "tokens",
        "create",
        "--name",
        "blind",
        "--scopes",
        "search,enroll,onetoN,persons",
        "--json",
    ]);
    let blind = made.ends(0).json()[0]["secret"].as_str().unwrap().to_owned();
    let seeing = house.key.clone();

    let key = format!("x-key-secret: {seeing}");
    let part = format!("face_image=@{}", looks[0].display());
    let register = "/api/v1/face_recognition/register_face";
    assert_eq!(house.curl(&["-H", &key, "-H", "x-face-uid: anna", "-F", &part], register).0, 200);

    let image = STANDARD.encode(fs::read(&looks[1]).unwrap());
    let body = |more: Value| {
        let mut body = json!({ "image": image, "os": "IOS", "min_score": 0.5, "search_mode": "FAST" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let asked = [
        ("/v2/face-recognition/search", body(json!({})), 1),
        ("/v2/face-recognition/search-active-user", body(json!({})), 1),
        ("/v2/face-recognition/liveness", body(json!({})), 1),
        ("/v2/face-recognition/compare", json!({ "probe": image, "gallery": [image] }), 1),
        ("/v2/face-recognition/compare-with-liveness", json!({ "probe": image, "gallery": [image] }), 2),
    ];
    let forms = [
        ("/api/v1/face_recognition/recognize_face", vec![format!("face_image=@{}", looks[1].display())], 1),
        (
            "/api/v1/face_recognition/validate_faces",
            vec![format!("image1=@{}", looks[0].display()), format!("image2=@{}", looks[1].display())],
            3,
        ),
    ];
    for (secret, sees) in [(seeing, true), (blind, false)] {
        house.key = secret;
        let mut answers = Vec::new();
        for (path, body, count) in &asked {
            let file = house.ostiary.file("body.json", body.to_string());
            let data = format!("@{file}");
            let json = "content-type: application/json";
            answers.push((path, house.curl(&["-H", &house.bearer(), "-H", json, "-d", &data], path), count));
        }
        for (path, parts, count) in &forms {
            let key = format!("x-key-secret: {}", house.key);
            let mut arguments = vec!["-H", key.as_str()];
            for part in parts {
                arguments.extend(["-F", part.as_str()]);
            }
            answers.push((path, house.curl(&arguments, path), count));
        }
        for (path, (status, answer), count) in answers {
            assert_eq!(status, 200, "{path}: {answer}");
            let mut found = Vec::new();
            scores(&answer, "", &mut found);
            assert_eq!(found.len(), *count, "{path}: {found:?} in {answer}");
            assert!(
                found.iter().all(|(_, v)| v.is_number() == sees && v.is_null() != sees),
                "{path}: {found:?}"
            );
            // Nor are they in what is signed.
            if let Some(jws) = answer["jws"].as_str() {
                let payload = base64_url(jws.split('.').nth(1).unwrap());
                let mut signed = Vec::new();
                scores(&serde_json::from_slice(&payload).unwrap(), "", &mut signed);
                assert_eq!(signed, found, "{path}");
            }
        }
    }
}
