//! The shapes of bodies as JSON Schema, for the OpenAPI document.
//!
//! Owns: the schemas of the cloud styles, and names for those that are derived from `link::wire`. Does not own: the
//! answers themselves; schemathesis holds one against the other on the live server.

use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema};

use crate::wire::{
    AuditPage, CameraProgress, CollectionView, DoorStatus, Erased, PersonView, Status, TokenIssued, TokenView,
};

mod board;

pub(super) use board::*;

/// A score as clients see it: four decimals, or nothing.
pub(super) fn rounded(score: Option<f32>) -> Option<f64> {
    score.map(|score| (f64::from(score) * 1e4).round() / 1e4)
}

/// Every type whose schema is derived.
pub(super) fn components() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    add::<AuditPage>(&mut found);
    add::<CameraProgress>(&mut found);
    add::<CollectionView>(&mut found);
    add::<DoorStatus>(&mut found);
    add::<Erased>(&mut found);
    add::<PersonView>(&mut found);
    add::<Status>(&mut found);
    add::<TokenIssued>(&mut found);
    add::<TokenView>(&mut found);
    found
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or(Value::Bool(true))))
        .collect()
}

type Named = (String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>);

fn add<T: ToSchema + PartialSchema>(found: &mut Vec<Named>) {
    T::schemas(found);
    found.push((T::name().into_owned(), T::schema()));
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn object(required: &[&str], properties: Value) -> Value {
    let mut object = json!({ "type": "object", "required": required });
    object["properties"] = properties;
    object
}

/// An object in which nothing else may stand.
fn closed(required: &[&str], properties: Value) -> Value {
    let mut object = object(required, properties);
    object["additionalProperties"] = json!(false);
    object
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn score() -> Value {
    json!({ "type": ["number", "null"], "minimum": 0, "maximum": 1 })
}

fn base64() -> Value {
    json!({ "type": "string", "contentEncoding": "base64", "description": "JPEG or PNG, at most 5 MB decoded" })
}

fn binary() -> Value {
    json!({ "type": "string", "format": "binary", "description": "JPEG or PNG, at most 5 MB" })
}

pub(super) fn person_id() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$" })
}

pub(super) fn string() -> Value {
    text()
}

pub(super) fn page_number() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": 1_000_000, "default": 1 })
}

pub(super) fn hundred() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 20 })
}

pub(super) fn thousand() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": 1_000, "default": 100 })
}

pub(super) fn sequence() -> Value {
    json!({ "type": "integer", "minimum": 1, "default": 1 })
}

pub(super) fn person_state() -> Value {
    json!({ "type": "string", "enum": ["active", "inactive", "pending"] })
}

// ARSA

pub(super) fn face_image() -> Value {
    object(&["face_image"], json!({ "face_image": binary() }))
}

pub(super) fn two_images() -> Value {
    object(&["image1", "image2"], json!({ "image1": binary(), "image2": binary() }))
}

pub(super) fn arsa_registered() -> Value {
    closed(
        &["status", "face_uid", "latency_ms"],
        json!({ "status": { "const": "success" }, "face_uid": person_id(), "latency_ms": { "type": "integer" } }),
    )
}

pub(super) fn arsa_recognised() -> Value {
    closed(
        &["recognition_uidresult", "recognition_confidence"],
        json!({ "recognition_uidresult": text(), "recognition_confidence": score() }),
    )
}

pub(super) fn arsa_validated() -> Value {
    let live = closed(
        &["is_real_face", "liveness_probability"],
        json!({ "is_real_face": { "type": "boolean" }, "liveness_probability": score() }),
    );
    let face = closed(
        &["bbox", "passive_liveness"],
        json!({
            "bbox": { "type": "array", "items": { "type": "number" }, "minItems": 4, "maxItems": 4 },
            "passive_liveness": live,
        }),
    );
    closed(
        &["status", "match_result", "similarity_score", "face1_analysis", "face2_analysis", "latency_ms"],
        json!({
            "status": { "const": "success" },
            "match_result": { "type": "boolean" },
            "similarity_score": score(),
            "face1_analysis": face,
            "face2_analysis": face,
            "latency_ms": { "type": "integer" },
        }),
    )
}

// Verifik

fn min_score(low: f64) -> Value {
    json!({ "type": ["number", "string"], "minimum": low, "maximum": 1 })
}

fn search_mode() -> Value {
    json!({ "type": "string", "enum": ["FAST", "ACCURATE"] })
}

fn os() -> Value {
    json!({ "type": "string", "enum": ["ANDROID", "IOS", "DESKTOP"] })
}

pub(super) fn search_body() -> Value {
    object(
        &[],
        json!({
            "image": base64(),
            "images": { "type": "array", "items": base64(), "maxItems": 3 },
            "min_score": min_score(0.0),
            "search_mode": search_mode(),
            "collection_id": text(),
        }),
    )
}

pub(super) fn active_body() -> Value {
    object(
        &["image", "os", "min_score", "search_mode"],
        json!({
            "image": base64(), "os": os(), "min_score": min_score(0.5), "search_mode": search_mode(),
            "collection_id": text(),
        }),
    )
}

pub(super) fn live_body() -> Value {
    let mut body = active_body();
    body["properties"]["liveness_min_score"] = min_score(0.5);
    body["required"] = json!(["image", "os", "min_score", "search_mode", "liveness_min_score"]);
    body
}

pub(super) fn liveness_body() -> Value {
    object(&["image"], json!({ "image": base64(), "os": os(), "liveness_min_score": min_score(0.0) }))
}

pub(super) fn compare_body() -> Value {
    object(
        &["probe", "gallery"],
        json!({
            "probe": base64(), "gallery": { "type": "array", "items": base64(), "minItems": 1, "maxItems": 2 },
            "search_mode": search_mode(), "compare_min_score": min_score(0.0),
        }),
    )
}

pub(super) fn compare_live_body() -> Value {
    let mut body = compare_body();
    body["properties"]["liveness_min_score"] = min_score(0.0);
    body
}

fn thumbnails() -> Value {
    let one = closed(&["id", "thumbnail"], json!({ "id": text(), "thumbnail": base64() }));
    json!({ "type": "array", "items": one })
}

fn verifik_person_fields() -> Value {
    json!({
        "id": person_id(), "name": text(), "notes": text(), "gender": text(), "thumbnails": thumbnails(),
        "collections": { "type": "array", "items": text() }, "create_date": text(), "nationality": text(),
        "date_of_birth": text(), "modified_date": text(),
    })
}

const PERSON_FIELDS: [&str; 10] = [
    "id",
    "name",
    "notes",
    "gender",
    "thumbnails",
    "collections",
    "create_date",
    "nationality",
    "date_of_birth",
    "modified_date",
];

/// An answer with the certificate of the door beside it.
fn signed(mut properties: Value, required: &[&str]) -> Value {
    properties["id"] = text();
    properties["signature"] =
        closed(&["message", "dateTime"], json!({ "message": text(), "dateTime": text() }));
    properties["jws"] =
        json!({ "type": "string", "description": "EdDSA, compact; key at /.well-known/jwks.json" });
    let required: Vec<&str> =
        ["id", "signature", "jws"].into_iter().chain(required.iter().copied()).collect();
    closed(&required, properties)
}

pub(super) fn search_answer() -> Value {
    let mut fields = verifik_person_fields();
    fields["score"] = score();
    let required: Vec<&str> = PERSON_FIELDS.into_iter().chain(["score"]).collect();
    signed(json!({ "data": { "type": "array", "items": closed(&required, fields) } }), &["data"])
}

pub(super) fn live_answer() -> Value {
    let mut answer = search_answer();
    answer["properties"]["liveness_score"] = score();
    answer["required"] = json!(["id", "signature", "jws", "data", "liveness_score"]);
    answer
}

pub(super) fn active_answer() -> Value {
    let hit = closed(&["id", "score"], json!({ "id": person_id(), "score": score() }));
    signed(json!({ "data": { "type": "array", "items": hit } }), &["data"])
}

fn liveness() -> Value {
    closed(
        &["passed", "min_score", "liveness_score"],
        json!({ "passed": { "type": "boolean" }, "min_score": { "type": "number" }, "liveness_score": score() }),
    )
}

pub(super) fn liveness_answer() -> Value {
    signed(json!({ "data": liveness() }), &["data"])
}

pub(super) fn compare_answer() -> Value {
    let least = json!({ "type": ["number", "null"] });
    let data = closed(
        &["passed", "compare_min_score", "score"],
        json!({ "passed": { "type": "boolean" }, "compare_min_score": least, "score": score() }),
    );
    signed(json!({ "data": data }), &["data"])
}

pub(super) fn compare_live_answer() -> Value {
    let comparison = closed(&["score"], json!({ "score": score() }));
    let data = closed(
        &["passed", "comparison", "liveness"],
        json!({ "passed": { "type": "boolean" }, "comparison": comparison, "liveness": liveness() }),
    );
    signed(json!({ "data": data }), &["data"])
}

/// What became of a person that was written.
pub(super) fn enrolled_person() -> Value {
    let image = closed(
        &["image", "accepted", "quality", "reasons"],
        json!({
            "image": text(), "accepted": { "type": "boolean" }, "quality": { "type": ["integer", "null"] },
            "reasons": { "type": "array", "items": text() },
        }),
    );
    closed(
        &["id", "templates", "images"],
        json!({ "id": person_id(), "templates": { "type": "integer" }, "images": { "type": "array", "items": image } }),
    )
}

fn profile() -> Value {
    json!({
        "name": text(), "notes": text(), "gender": text(), "nationality": text(), "date_of_birth": text(),
        "status": person_state(), "collections": { "type": "array", "items": text() },
        "groups": { "type": "array", "items": text() },
        "images": { "type": "array", "items": base64(), "maxItems": 3 },
        "consent": text(), "valid_from": text(), "valid_until": text(),
    })
}

pub(super) fn person_new() -> Value {
    let mut fields = profile();
    fields["id"] = person_id();
    object(&["name"], fields)
}

pub(super) fn person_change() -> Value {
    object(&[], profile())
}

pub(super) fn verifik_person() -> Value {
    closed(&PERSON_FIELDS, verifik_person_fields())
}

pub(super) fn verifik_persons() -> Value {
    let count = json!({ "type": "integer" });
    closed(
        &["data", "total", "page", "limit"],
        json!({
            "data": { "type": "array", "items": verifik_person() }, "total": count, "page": count, "limit": count,
        }),
    )
}

pub(super) fn deleted() -> Value {
    reference("Erased")
}

pub(super) fn collection_new() -> Value {
    object(&["name"], json!({ "id": person_id(), "name": text(), "description": text() }))
}

pub(super) fn collection_change() -> Value {
    object(&[], json!({ "name": text(), "description": text() }))
}

pub(super) fn collection() -> Value {
    reference("CollectionView")
}

pub(super) fn collections() -> Value {
    closed(&["data"], json!({ "data": { "type": "array", "items": collection() } }))
}

// Face API

pub(super) fn id_photo_form() -> Value {
    object(&["idPhoto"], json!({ "idPhoto": binary(), "nonce": text() }))
}

pub(super) fn session_started() -> Value {
    closed(&["sessionId"], json!({ "sessionId": text() }))
}

pub(super) fn session() -> Value {
    closed(
        &["sessionId", "status", "attemptsLeft"],
        json!({
            "sessionId": text(),
            "status": { "type": "string", "enum": ["PENDING", "FINISHED"] },
            "attemptsLeft": { "type": "integer" },
            "result": { "type": "string", "description": "JWS, once finished" },
        }),
    )
}

pub(super) fn match_body() -> Value {
    object(
        &["sourceImage", "targetImage"],
        json!({
            "sourceImage": base64(), "targetImage": base64(),
            "minimumMatchLevel": { "type": "integer", "minimum": 1, "maximum": 5, "default": 3 },
        }),
    )
}

pub(super) fn match_answer() -> Value {
    closed(
        &["match", "matchLevel"],
        json!({ "match": { "type": "boolean" }, "matchLevel": { "type": "integer", "minimum": 0, "maximum": 5 } }),
    )
}

pub(super) fn one_to_n_body() -> Value {
    object(&["idPhoto"], json!({ "idPhoto": base64(), "insert": { "type": "boolean", "default": false } }))
}

pub(super) fn insert_body() -> Value {
    object(&["idPhoto"], json!({ "idPhoto": base64() }))
}

pub(super) fn one_to_n_answer() -> Value {
    closed(
        &["oneToNVerificationId", "oneToNVerificationMatch"],
        json!({ "oneToNVerificationId": { "type": ["string", "null"] }, "oneToNVerificationMatch": { "type": "boolean" } }),
    )
}

pub(super) fn inserted() -> Value {
    closed(&["oneToNVerificationId"], json!({ "oneToNVerificationId": person_id() }))
}
