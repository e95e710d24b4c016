//! Shapes of the board's own endpoints.
//!
//! Owns: their schemas. Does not own: those of the cloud styles (the parent).

use serde_json::{Value, json};

use super::{closed, object, person_id, profile, reference, text};

pub(in crate::http) fn status() -> Value {
    reference("Status")
}

pub(in crate::http) fn door() -> Value {
    reference("DoorStatus")
}

pub(in crate::http) fn seconds_body() -> Value {
    closed(
        &["mode"],
        json!({
            "mode": { "type": "string", "enum": ["normal", "unlocked", "lockdown"] },
            "seconds": { "type": "integer", "minimum": 0, "maximum": 86_400, "default": 0 },
        }),
    )
}

pub(in crate::http) fn events() -> Value {
    let event = object(
        &["seq", "boot", "type", "time", "door", "hash"],
        json!({ "seq": { "type": "integer" }, "type": text(), "time": text(), "person": { "type": ["string", "null"] } }),
    );
    let number = json!({ "type": "integer" });
    closed(
        &["events", "next", "newest"],
        json!({ "events": { "type": "array", "items": event }, "next": number, "newest": number }),
    )
}

pub(in crate::http) fn any() -> Value {
    json!({})
}

pub(in crate::http) fn door_number() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": 255 })
}

pub(in crate::http) fn any_object() -> Value {
    json!({ "type": "object" })
}

pub(in crate::http) fn token_new() -> Value {
    let scopes: Vec<&str> = crate::wire::Scope::ALL.iter().map(|s| s.name()).collect();
    closed(
        &["name", "scopes"],
        json!({
            "name": text(),
            "scopes": { "type": "array", "items": { "type": "string", "enum": scopes }, "minItems": 1 },
            "expires": { "type": "string", "format": "date-time" },
        }),
    )
}

pub(in crate::http) fn token_issued() -> Value {
    reference("TokenIssued")
}

pub(in crate::http) fn tokens() -> Value {
    closed(&["tokens"], json!({ "tokens": { "type": "array", "items": reference("TokenView") } }))
}

pub(in crate::http) fn setup_body() -> Value {
    closed(&["code"], json!({ "code": text(), "name": text() }))
}

pub(in crate::http) fn camera_body() -> Value {
    let mut fields = profile();
    if let Some(fields) = fields.as_object_mut() {
        fields.remove("images");
    }
    fields["id"] = person_id();
    fields["looks"] = json!({ "type": "integer", "minimum": 1, "maximum": 5, "default": 3 });
    fields["within_s"] = json!({ "type": "integer", "minimum": 5, "maximum": 120, "default": 60 });
    fields["allow_duplicate"] = json!({ "type": "boolean", "default": false });
    object(&[], fields)
}

pub(in crate::http) fn camera() -> Value {
    reference("CameraProgress")
}

pub(in crate::http) fn health() -> Value {
    closed(&["status"], json!({ "status": { "const": "ok" } }))
}
