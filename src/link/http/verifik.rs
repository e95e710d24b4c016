//! Verifik style (SPEC 3.2), faces: search, liveness, comparison. JSON in, a signed answer out, `Bearer`.
//!
//! Owns: these endpoints' forms. Does not own: what is done; people and collections (`people`). Decisions of ours:
//! bad input is 400 `{"error":"Invalid request"}` for `/search` and 409 `{message, code}` elsewhere; a face that is
//! not good enough is 409 `FaceQuality`; scores are `null` without the scope.

use serde_json::{Value, json};

use crate::wire::{
    Code, Command, Compare, FaceQuery, Live, LiveQuery, Moment, Operations, PersonView, Photo, Refusal,
    Reply, Scope, SearchMode, Thumbnail, hex,
};

use super::answer::Answer;
use super::call::Call;
use super::json::{self, Object};
use super::jws;
use super::route::{
    Access, Action, Doc, Header, Media, Method, ONE_PHOTO, Route, Schema, Style, THREE_PHOTOS,
};
use super::schema::{self, rounded};
use super::serve::unexpected;

const TAG: &str = "Verifik style";
/// Liveness that counts where none is named: the original's default.
const LIVE_SCORE: f32 = 0.6;

const fn post(
    path: &'static str,
    style: Style,
    media: Media,
    action: Action,
    (summary, body, ok): (&'static str, Schema, Schema),
) -> Route {
    Route {
        method: Method::Post,
        path,
        access: Access::Key(Header::Bearer, Some(Scope::Search)),
        style,
        media,
        action,
        doc: Doc {
            tag: TAG,
            summary,
            body: Some(body),
            params: &[],
            ok: (200, Some(ok)),
            also: &[409],
            creates: false,
        },
    }
}

pub(super) const ROUTES: &[Route] = &[
    post(
        "/v2/face-recognition/search",
        Style::VerifikSearch,
        THREE_PHOTOS,
        Action::Ask { parse: search, render: |_, reply, operations| found(reply, operations, Shape::Full) },
        ("Who resembles this face (1:N), best first", schema::search_body, schema::search_answer),
    ),
    post(
        "/v2/face-recognition/search-active-user",
        Style::Verifik,
        ONE_PHOTO,
        Action::Ask {
            parse: search_active,
            render: |_, reply, operations| found(reply, operations, Shape::Short),
        },
        ("Who is this (1:N), without liveness", schema::active_body, schema::active_answer),
    ),
    post(
        "/v2/face-recognition/search-live-face",
        Style::Verifik,
        ONE_PHOTO,
        Action::Ask {
            parse: search_live,
            render: |_, reply, operations| found(reply, operations, Shape::Live),
        },
        ("Liveness first, then who is this (1:N)", schema::live_body, schema::live_answer),
    ),
    post(
        "/v2/face-recognition/liveness",
        Style::Verifik,
        ONE_PHOTO,
        Action::Ask { parse: liveness, render: lives },
        ("Does the image show a living person", schema::liveness_body, schema::liveness_answer),
    ),
    post(
        "/v2/face-recognition/compare",
        Style::Verifik,
        THREE_PHOTOS,
        Action::Ask { parse: |call| compare(call, false), render: compared },
        ("Does the probe show the person of the gallery (1:1)", schema::compare_body, schema::compare_answer),
    ),
    post(
        "/v2/face-recognition/compare-with-liveness",
        Style::Verifik,
        THREE_PHOTOS,
        Action::Ask { parse: |call| compare(call, true), render: compared_live },
        ("The same, and does the probe live", schema::compare_live_body, schema::compare_live_answer),
    ),
];

fn search(call: &Call) -> Result<Command, Refusal> {
    let body = call.json();
    let mut images = json::photos(body, "images", 3)?;
    images.extend(json::photo(body, "image", true)?);
    if images.is_empty() {
        return Err(Refusal::missing("image"));
    }
    Ok(Command::Search(FaceQuery {
        images,
        min_score: json::number(body, "min_score", 0.0, 1.0)?,
        mode: mode(body)?.unwrap_or_default(),
        collection: collection(body)?,
        thumbnails: true,
        ..FaceQuery::default()
    }))
}

fn search_active(call: &Call) -> Result<Command, Refusal> {
    let body = call.json();
    let image = json::photo(body, "image", true)?.ok_or_else(|| Refusal::missing("image"))?;
    client(body)?;
    Ok(Command::Search(FaceQuery {
        images: vec![image],
        min_score: Some(half_to_one(body, "min_score")?),
        mode: mode(body)?.ok_or_else(|| Refusal::missing("search_mode"))?,
        collection: collection(body)?,
        ..FaceQuery::default()
    }))
}

fn search_live(call: &Call) -> Result<Command, Refusal> {
    let body = call.json();
    let image = json::photo(body, "image", false)?.ok_or_else(|| Refusal::missing("image"))?;
    client(body)?;
    Ok(Command::Search(FaceQuery {
        images: vec![image],
        min_live: Some(half_to_one(body, "liveness_min_score")?),
        min_score: Some(half_to_one(body, "min_score")?),
        mode: mode(body)?.ok_or_else(|| Refusal::missing("search_mode"))?,
        collection: collection(body)?,
        thumbnails: true,
        ..FaceQuery::default()
    }))
}

fn liveness(call: &Call) -> Result<Command, Refusal> {
    let body = call.json();
    let image = json::photo(body, "image", true)?.ok_or_else(|| Refusal::missing("image"))?;
    if body.contains_key("os") {
        client(body)?;
    }
    let min_score = json::number(body, "liveness_min_score", 0.0, 1.0)?.unwrap_or(LIVE_SCORE);
    Ok(Command::Live(LiveQuery { image, min_score: Some(min_score) }))
}

fn compare(call: &Call, live: bool) -> Result<Command, Refusal> {
    let body = call.json();
    let probe = json::photo(body, "probe", true)?.ok_or_else(|| Refusal::missing("probe"))?;
    let mut gallery: Vec<Photo> = json::photos(body, "gallery", 2)?;
    if gallery.is_empty() {
        return Err(Refusal::missing("gallery"));
    }
    mode(body)?;
    let least = json::number(body, "liveness_min_score", 0.0, 1.0)?;
    Ok(Command::Compare(Compare {
        a: probe,
        b: gallery.remove(0),
        also: gallery,
        min_score: json::number(body, "compare_min_score", 0.0, 1.0)?,
        level: None,
        min_live: live.then(|| least.unwrap_or(LIVE_SCORE)),
        measure_live: false,
    }))
}

fn mode(body: &Object) -> Result<Option<SearchMode>, Refusal> {
    match json::text(body, "search_mode")?.as_deref() {
        None => Ok(None),
        Some("FAST") => Ok(Some(SearchMode::Fast)),
        Some("ACCURATE") => Ok(Some(SearchMode::Accurate)),
        Some(_) => Err(Refusal::invalid("search_mode", "\"search_mode\" must be FAST or ACCURATE")),
    }
}

/// A client without collections sends an empty one.
fn collection(body: &Object) -> Result<Option<String>, Refusal> {
    Ok(json::text(body, "collection_id")?.filter(|id| !id.is_empty()))
}

fn client(body: &Object) -> Result<(), Refusal> {
    match json::required(body, "os")?.as_str() {
        "ANDROID" | "IOS" | "DESKTOP" => Ok(()),
        _ => Err(Refusal::invalid("os", "\"os\" must be ANDROID, IOS or DESKTOP")),
    }
}

fn half_to_one(body: &Object, key: &str) -> Result<f32, Refusal> {
    json::number(body, key, 0.5, 1.0)?.ok_or_else(|| Refusal::missing(key))
}

#[derive(Clone, Copy)]
enum Shape {
    Full,
    Short,
    Live,
}

fn found(reply: Reply, operations: &dyn Operations, shape: Shape) -> Result<Answer, Refusal> {
    let found = match reply {
        Reply::Found(found) => found,
        other => return Err(unexpected(&other)),
    };
    let data: Vec<Value> = found
        .candidates
        .iter()
        .map(|candidate| match shape {
            Shape::Short => json!({ "id": candidate.person.id, "score": rounded(candidate.score) }),
            Shape::Full | Shape::Live => {
                let mut object = person(&candidate.person, &candidate.thumbnails);
                object["score"] = json!(rounded(candidate.score));
                object
            }
        })
        .collect();
    let mut body = json!({ "data": data });
    if let Shape::Live = shape {
        body["liveness_score"] = json!(rounded(found.live_score));
    }
    certified(body, operations)
}

fn lives(_: &Call, reply: Reply, operations: &dyn Operations) -> Result<Answer, Refusal> {
    match reply {
        Reply::Live(Live { passed, min_score, score }) => {
            let data = json!({
                "passed": passed, "min_score": rounded(Some(min_score)), "liveness_score": rounded(score),
            });
            certified(json!({ "data": data }), operations)
        }
        other => Err(unexpected(&other)),
    }
}

fn compared(call: &Call, reply: Reply, operations: &dyn Operations) -> Result<Answer, Refusal> {
    match reply {
        Reply::Compared(compared) => {
            let least = json::number(call.json(), "compare_min_score", 0.0, 1.0)?;
            let data = json!({
                "passed": compared.same,
                "compare_min_score": rounded(least),
                "score": rounded(compared.score),
            });
            certified(json!({ "data": data }), operations)
        }
        other => Err(unexpected(&other)),
    }
}

fn compared_live(call: &Call, reply: Reply, operations: &dyn Operations) -> Result<Answer, Refusal> {
    match reply {
        Reply::Compared(compared) => {
            let least = json::number(call.json(), "liveness_min_score", 0.0, 1.0)?.unwrap_or(LIVE_SCORE);
            let face = &compared.faces[0];
            let data = json!({
                "passed": compared.same,
                "comparison": { "score": rounded(compared.score) },
                "liveness": {
                    "passed": face.live.unwrap_or(false),
                    "min_score": rounded(Some(least)),
                    "liveness_score": rounded(face.live_score),
                },
            });
            certified(json!({ "data": data }), operations)
        }
        other => Err(unexpected(&other)),
    }
}

/// A person as the original shows one.
pub(super) fn person(person: &PersonView, thumbnails: &[Thumbnail]) -> Value {
    json!({
        "id": person.id,
        "name": person.name,
        "notes": person.notes,
        "gender": person.gender,
        "thumbnails": thumbnails,
        "collections": person.collections,
        "create_date": date(person.create_date),
        "nationality": person.nationality,
        "date_of_birth": person.date_of_birth,
        "modified_date": date(person.modified_date),
    })
}

/// Adds the answer's id, the certificate in words, and the one that can be verified.
pub(super) fn certified(mut body: Value, operations: &dyn Operations) -> Result<Answer, Refusal> {
    let mut id = [0; 3];
    getrandom::fill(&mut id)
        .map_err(|e| Refusal::new(Code::Internal, format!("the system gives no random numbers: {e}")))?;
    body["id"] = json!(hex(&id).to_ascii_uppercase());
    let now = jiff::Timestamp::from_millisecond(operations.now_ms()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    body["signature"] = json!({
        "message": "Certified by the door that answered",
        "dateTime": now.strftime("%B %-d, %Y %-I:%M %p").to_string(),
    });
    let signed = jws::sign(operations, &body)?;
    body["jws"] = json!(signed);
    Answer::json(&body)
}

/// As the original writes dates: microseconds, no zone.
fn date(at: Moment) -> String {
    let time = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}
