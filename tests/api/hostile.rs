//! Whatever a client may send instead of what it should, sent to the real program: refused in words, in bounded memory.
//!
//! Owns: the bad input, the answers, the memory. Does not own: random bodies (`src/link/http/tests/hostile.rs`), slow ones
//! (`crowd.rs` beside it), decoding in itself (`tests/pictures.rs`).

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::flood::{ask_within, memory, peak};
use super::*;

struct Client<'a> {
    house: &'a House,
    port: u16,
}

impl Client<'_> {
    fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> (u16, Value) {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: d\r\nconnection: close\r\nauthorization: Bearer {0}\r\n\
             x-key-secret: {0}\r\nx-face-uid: somebody\r\ncontent-type: {kind}\r\ncontent-length: {1}\r\n\r\n",
            self.house.key,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        let answer = ask_within(60, self.port, &request).unwrap_or_default();
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or_default();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    fn json(&self, path: &str, body: &str) -> (u16, Value) {
        self.send("POST", path, "application/json", body.as_bytes())
    }

    /// The picture by ARSA's form, then in base64.
    fn picture(&self, bytes: &[u8]) -> [u16; 2] {
        let mut form = b"--x\r\ncontent-disposition: form-data; name=\"face_image\"; filename=\"a.jpg\"\r\n\
              content-type: image/jpeg\r\n\r\n"
            .to_vec();
        form.extend_from_slice(bytes);
        form.extend_from_slice(b"\r\n--x--\r\n");
        let path = "/api/v1/face_recognition/recognize_face";
        let form = self.send("POST", path, "multipart/form-data; boundary=x", &form).0;
        let body = json!({ "image": STANDARD.encode(bytes), "search_mode": "FAST", "min_score": 0.5 });
        [form, self.json("/v2/face-recognition/search", &body.to_string()).0]
    }
}

/// A PNG of those dimensions by its header, with next to nothing in it.
fn png_that_claims(width: u32, height: u32) -> Vec<u8> {
    let mut small = Vec::new();
    let picture = image::GrayImage::new(1, 1);
    picture.write_to(&mut std::io::Cursor::new(&mut small), image::ImageFormat::Png).unwrap();
    small[16..20].copy_from_slice(&width.to_be_bytes());
    small[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = !small[12..29].iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
    });
    small[29..33].copy_from_slice(&crc.to_be_bytes());
    small
}

/// A JPEG of those dimensions by its header.
fn jpeg_that_claims(width: u16, height: u16) -> Vec<u8> {
    let mut jpeg = ostiary::picture::encode_jpeg(8, 8, &[90; 192], 80).unwrap();
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    jpeg[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    jpeg
}

#[test]
fn whatever_is_sent_is_refused_in_words_and_in_bounded_memory() {
    let (models, faces) = (need_shared!("models"), need_shared!("eval/lfw"));
    let house = House::with(models, &people(&faces, 5)[0][..2], "clear = true\n");
    let client = Client { house: &house, port: house.address.rsplit(':').next().unwrap().parse().unwrap() };
    let good = fs::read(&people(&faces, 5)[0][0]).unwrap();
    // Once round, so that what is loaded once is loaded.
    client.picture(&good);
    let before = memory(house.child.id());

    // Bombs: many pixels out of few bytes; the largest that is taken has 25 million.
    assert_eq!(client.picture(&png_that_claims(60_000, 60_000)), [413, 413]);
    assert_eq!(client.picture(&png_that_claims(u32::MAX, 1)), [413, 413]);
    assert_eq!(client.picture(&jpeg_that_claims(65_500, 65_500)), [413, 413]);
    let mut flat = Vec::new();
    image::GrayImage::new(5_000, 5_000)
        .write_to(&mut std::io::Cursor::new(&mut flat), image::ImageFormat::Png)
        .unwrap();
    assert_eq!(client.picture(&flat), [422, 409], "{} bytes with nobody on them", flat.len());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| client.picture(&flat));
        }
    });
    // One byte too many, by either way.
    let mut large = good.clone();
    large.resize(5_000_001, 0);
    assert_eq!(client.picture(&large), [413, 413]);
    assert!(client.picture(&large[..5_000_000]).iter().all(|status| *status < 500 && *status != 413));

    // What is no picture, whatever it says of itself.
    let lies: [&[u8]; 7] = [
        b"GIF89a\x01\x00\x01\x00",
        b"RIFF\x24\x00\x00\x00WEBPVP8 ",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"\x7fELF",
        b"http://169.254.169.254/latest/meta-data",
        b"\0",
    ];
    for lie in lies {
        assert_eq!(client.picture(lie), [415, 415], "{}", String::from_utf8_lossy(lie));
    }
    // One that begins as it should and breaks off, or is only its beginning.
    for cut in [4, 40, good.len() / 2, good.len() - 2] {
        let said = client.picture(&good[..cut]);
        assert!(said.iter().all(|s| (200..500).contains(s)), "cut at {cut}: {said:?}");
    }
    for kind in ["text/plain", "image/jpeg", "multipart/form-data", "application/x-www-form-urlencoded", ""] {
        let path = "/v2/face-recognition/search";
        assert_eq!(client.send("POST", path, kind, b"{}").0, 415, "{kind:?}");
    }
    let address = r#"{"image":"https://example.org/me.jpg","min_score":0.5,"search_mode":"FAST","os":"IOS"}"#;
    let (status, said) = client.json("/v2/face-recognition/search-active-user", address);
    assert_eq!((status, &said["code"]), (409, &json!("InvalidParameter")), "{said}");

    words(&client);

    let after = peak(house.child.id());
    let line = format!(
        "hostile: memory {} -> at most {} MB, {} of it after all was refused; the server lives: {}\n",
        before / 1_024,
        after / 1_024,
        memory(house.child.id()) / 1_024,
        client.send("GET", "/healthz", "", b"").0
    );
    let _ = std::io::stderr().write_all(line.as_bytes());
    assert!(after < before + 450 * 1_024, "{line}");
    assert_eq!(client.send("GET", "/healthz", "", b"").0, 200);
}

/// Texts and numbers.
fn words(client: &Client<'_>) {
    let persons = "/v2/face-recognition/persons";
    let deep = format!("{{\"name\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let malformed = [
        r#"{"name":"a","name":"b"}"#,
        r#"{"name":"\ud800"}"#,
        "{\"name\":\"a\u{1}\"}",
        "[]",
        "\"name\"",
        "nul",
        "",
        "{\"name\":\"a\"} {}",
        &deep,
    ];
    for body in malformed {
        let (status, said) = client.json(persons, body);
        assert_eq!((status, &said["error"]), (400, &json!("Invalid request")), "{body:.60}");
    }
    assert_eq!(client.send("POST", persons, "application/json", b"{\"name\":\"\xff\xfe\"}").0, 400);
    for (body, parameter) in [
        (json!({ "name": 5 }), "name"),
        (json!({ "name": "a", "collections": "x" }), "collections"),
        (json!({ "name": "a", "images": { "0": "x" } }), "images"),
        (json!({ "name": "a", "valid_from": 1e300 }), "valid_from"),
        (json!({ "name": "a", "id": "../../etc/passwd" }), "id"),
        (json!({ "name": "a\nb", "id": "c1" }), "name"),
        (json!({ "name": "a\u{0}b", "id": "c1" }), "name"),
        (json!({ "name": "a\u{1b}[2Jb", "id": "c1" }), "name"),
        (json!({ "name": "x".repeat(10_000), "id": "c1" }), "name"),
    ] {
        let (status, said) = client.json(persons, &body.to_string());
        let text = body.to_string();
        assert_eq!(status, 409, "{text:.80}: {said}");
        assert!(said["message"].as_str().unwrap().contains(parameter), "{text:.80}: {said}");
    }
    // Characters of four bytes are letters like any other.
    let name = "Zoë 🙂 𠮷田 𝒵";
    let (status, said) = client.json(persons, &json!({ "name": name, "id": "zoe" }).to_string());
    assert_eq!(status, 201, "{said}");
    assert_eq!(client.send("GET", &format!("{persons}/zoe"), "", b"").1["name"], name);
    for (method, path) in [
        ("GET", "/v2/face-recognition/persons/nobody"),
        ("DELETE", "/v2/face-recognition/persons/nobody"),
        ("GET", "/v2/face-recognition/collections/none"),
        ("GET", "/api/v1/face/none"),
        ("DELETE", "/api/v1/face/one-to-n/search/none"),
    ] {
        assert_eq!(client.send(method, path, "", b"").0, 404, "{method} {path}");
    }
    let active = |key: &str, value: Value| {
        let mut body =
            json!({ "image": "iVBORw0KGgpyZXN0", "os": "IOS", "min_score": 0.5, "search_mode": "FAST" });
        body[key] = value;
        let (status, said) = client.json("/v2/face-recognition/search-active-user", &body.to_string());
        assert_eq!((status, &said["code"]), (409, &json!("InvalidParameter")), "{key}: {said}");
    };
    for wrong in [json!(0.49), json!(1.01), json!(-1), json!("0,7"), json!("NaN"), json!(true), json!([0.7])]
    {
        active("min_score", wrong);
    }
    active("os", json!("WINDOWS"));
    active("search_mode", json!("fast"));
    active("image", json!(["iVBORw0KGgpyZXN0"]));
}
