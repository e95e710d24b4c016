//! Face API style (SPEC 3.3, as uqudo's): sessions finished at the door's camera, 1:1 with match levels, 1:N.
//!
//! Owns: these endpoints' forms. Does not own: what is done. Decisions of ours where the original is silent: the
//! result of a session is read at `GET /api/v1/face/{sessionId}`; what is wrong with a face is 400.

use serde_json::json;

use crate::wire::{Command, Compare, OneToN, Operations, Refusal, Reply, Scope, SessionStart};

use super::answer::Answer;
use super::call::Call;
use super::json;
use super::jws;
use super::route::{
    Access, Action, Doc, Header, Media, Method, ONE_PART, ONE_PHOTO, Route, Schema, Style, TWO_PHOTOS,
};
use super::schema;
use super::serve::unexpected;

const TAG: &str = "Face API style";
const LEVEL: u8 = 3;
const ATTEMPTS: u8 = 3;

const fn route(
    method: Method,
    path: &'static str,
    scope: Scope,
    media: Media,
    action: Action,
    doc: Doc,
) -> Route {
    let access = Access::Key(Header::Bearer, Some(scope));
    Route { method, path, access, style: Style::FaceApi, media, action, doc }
}

const fn doc(summary: &'static str, body: Option<Schema>, ok: (u16, Option<Schema>)) -> Doc {
    Doc { tag: TAG, summary, body, params: &[], ok, also: &[], creates: false }
}

const START: Action = Action::Ask { parse: start, render: started };
const CREATED: (u16, Option<Schema>) = (201, Some(schema::session_started));

pub(super) const ROUTES: &[Route] = &[
    route(
        Method::Post,
        "/api/v1/face/",
        Scope::Search,
        ONE_PART,
        START,
        Doc {
            also: &[409],
            ..doc(
                "Begin a session that is finished at the door's camera",
                Some(schema::id_photo_form),
                CREATED,
            )
        },
    ),
    route(
        Method::Post,
        "/api/v1/face",
        Scope::Search,
        ONE_PART,
        START,
        Doc { also: &[409], ..doc("The same without the last slash", Some(schema::id_photo_form), CREATED) },
    ),
    route(
        Method::Get,
        "/api/v1/face/{sessionId}",
        Scope::Search,
        Media::None,
        Action::Ask { parse: |call| Ok(Command::GetSession(call.param("sessionId"))), render: session },
        Doc {
            also: &[404],
            ..doc("How the session stands, and its result", None, (200, Some(schema::session)))
        },
    ),
    route(
        Method::Post,
        "/api/v1/face/match",
        Scope::Search,
        TWO_PHOTOS,
        Action::Ask { parse: compare, render: compared },
        doc(
            "Do two images show the same person (1:1)",
            Some(schema::match_body),
            (200, Some(schema::match_answer)),
        ),
    ),
    route(
        Method::Post,
        "/api/v1/face/one-to-n/search",
        Scope::OneToN,
        ONE_PHOTO,
        Action::Ask { parse: one_to_n, render: answered },
        doc(
            "Is the face known (1:N); take it in if not",
            Some(schema::one_to_n_body),
            (200, Some(schema::one_to_n_answer)),
        ),
    ),
    route(
        Method::Post,
        "/api/v1/face/one-to-n/insert",
        Scope::OneToN,
        ONE_PHOTO,
        Action::Ask { parse: insert, render: inserted },
        Doc {
            creates: true,
            ..doc("Take a face in", Some(schema::insert_body), (200, Some(schema::inserted)))
        },
    ),
    route(
        Method::Delete,
        "/api/v1/face/one-to-n/search/{id}",
        Scope::OneToN,
        Media::None,
        Action::Ask {
            parse: |call| Ok(Command::DeleteImages(call.param("id"))),
            render: |_, _, _| Ok(Answer::nothing()),
        },
        Doc { also: &[400, 404], ..doc("Delete the image; features and id stay", None, (204, None)) },
    ),
];

fn start(call: &Call) -> Result<Command, Refusal> {
    Ok(Command::StartSession(SessionStart {
        photo: call.part("idPhoto")?,
        nonce: call.part_text("nonce"),
        level: LEVEL,
        attempts: ATTEMPTS,
    }))
}

fn started(_: &Call, reply: Reply, _: &dyn Operations) -> Result<Answer, Refusal> {
    match reply {
        Reply::Session(session) => Answer::json_with(201, &json!({ "sessionId": session.id })),
        other => Err(unexpected(&other)),
    }
}

fn session(_: &Call, reply: Reply, operations: &dyn Operations) -> Result<Answer, Refusal> {
    let session = match reply {
        Reply::Session(session) => session,
        other => return Err(unexpected(&other)),
    };
    let status = if session.finished { "FINISHED" } else { "PENDING" };
    let mut body =
        json!({ "sessionId": session.id, "status": status, "attemptsLeft": session.attempts_left });
    if session.finished {
        let result = json!({
            "nonce": session.nonce,
            "sessionId": session.id,
            "face": { "match": session.matched, "matchLevel": session.match_level },
            "iat": operations.now_ms() / 1_000,
        });
        body["result"] = json!(jws::sign(operations, &result)?);
    }
    Answer::json(&body)
}

fn compare(call: &Call) -> Result<Command, Refusal> {
    let body = call.json();
    let photo = |key: &str| json::photo(body, key, true)?.ok_or_else(|| Refusal::missing(key));
    let level = json::number(body, "minimumMatchLevel", 1.0, 5.0)?.unwrap_or(f32::from(LEVEL));
    if level.fract() > 0.0 {
        return Err(Refusal::invalid(
            "minimumMatchLevel",
            "\"minimumMatchLevel\" must be a whole number from 1 to 5",
        ));
    }
    Ok(Command::Compare(Compare {
        a: photo("sourceImage")?,
        b: photo("targetImage")?,
        level: Some(level as u8),
        ..Compare::default()
    }))
}

fn compared(_: &Call, reply: Reply, _: &dyn Operations) -> Result<Answer, Refusal> {
    match reply {
        Reply::Compared(compared) => {
            Answer::json(&json!({ "match": compared.same, "matchLevel": compared.match_level }))
        }
        other => Err(unexpected(&other)),
    }
}

fn one_to_n(call: &Call) -> Result<Command, Refusal> {
    let body = call.json();
    let photo = json::photo(body, "idPhoto", true)?.ok_or_else(|| Refusal::missing("idPhoto"))?;
    Ok(Command::OneToN(OneToN { photo, search: true, insert: json::flag(body, "insert", false)? }))
}

fn insert(call: &Call) -> Result<Command, Refusal> {
    let photo = json::photo(call.json(), "idPhoto", true)?.ok_or_else(|| Refusal::missing("idPhoto"))?;
    Ok(Command::OneToN(OneToN { photo, search: false, insert: true }))
}

fn answered(_: &Call, reply: Reply, _: &dyn Operations) -> Result<Answer, Refusal> {
    match reply {
        Reply::OneToN(answer) => Answer::json(&json!({
            "oneToNVerificationId": answer.id,
            "oneToNVerificationMatch": answer.matched,
        })),
        other => Err(unexpected(&other)),
    }
}

fn inserted(_: &Call, reply: Reply, _: &dyn Operations) -> Result<Answer, Refusal> {
    match reply {
        Reply::OneToN(answer) => Answer::json(&json!({ "oneToNVerificationId": answer.id })),
        other => Err(unexpected(&other)),
    }
}
