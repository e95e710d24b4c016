//! The shipped manifest, and what happens to one with mistakes.

use super::Manifest;

const SHIPPED: &str = include_str!("../../../models/manifest.toml");

#[test]
fn the_shipped_manifest_is_sound() {
    let manifest = Manifest::parse(SHIPPED).unwrap();
    for name in ["strong", "strong-refined", "strong-640", "mobile"] {
        manifest.set(name).unwrap();
    }
}

#[test]
fn mistakes_are_named_with_what_was_meant() {
    let misspelt = SHIPPED.replacen("sha256 =", "sha265 =", 1);
    let error = Manifest::parse(&misspelt).unwrap_err().to_string();
    assert!(error.contains("did you mean \"sha256\"?"), "{error}");
    let outside = SHIPPED.replacen("file = \"yunet/", "file = \"../yunet/", 1);
    assert!(Manifest::parse(&outside).unwrap_err().to_string().contains("inside the models folder"));
    let error = Manifest::parse(SHIPPED).unwrap().set("stronk").unwrap_err().to_string();
    assert_eq!(error, "there is no model set \"stronk\"; did you mean \"strong\"?");
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[a-z0-9=\\[\\]\"\\.\n{} ]{0,400}") {
        let _ = Manifest::parse(&text);
    }

    #[test]
    fn a_manifest_with_any_byte_changed_is_read_or_refused(at in 0_usize..4_000, byte in 32_u8..127) {
        let mut bytes = SHIPPED.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let _ = Manifest::parse(text);
        }
    }
}
