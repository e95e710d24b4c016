//! The board's own endpoints (SPEC 3.4) that ask the door something.
//!
//! Owns: their forms. Does not own: what is done. Unknown fields are refused here, unlike in the cloud styles.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::wire::{
    CameraEnrolment, Code, Command, Document, DoorOrder, EventQuery, Operations, Refusal, Reply, Scope,
    Secret, TokenNew,
};

use super::answer::Answer;
use super::call::Call;
use super::route::{Access, Action, Doc, Header, Media, Method, Route, SMALL, Schema, Style};
use super::schema;
use super::serve::unexpected;

const fn key(scope: Option<Scope>) -> Access {
    Access::Key(Header::Bearer, scope)
}

const fn doc(tag: &'static str, summary: &'static str, ok: (u16, Option<Schema>)) -> Doc {
    Doc { tag, summary, body: None, params: &[], ok, also: &[], creates: false }
}

const fn route(
    method: Method,
    path: &'static str,
    access: Access,
    media: Media,
    action: Action,
    doc: Doc,
) -> Route {
    Route { method, path, access, style: Style::Own, media, action, doc }
}

const fn ask(
    parse: fn(&Call) -> Result<Command, Refusal>,
    render: fn(&Call, Reply, &dyn Operations) -> Result<Answer, Refusal>,
) -> Action {
    Action::Ask { parse, render }
}

const DOOR: Option<Scope> = Some(Scope::Door);
const ADMIN: Option<Scope> = Some(Scope::Admin);
const ENROLL: Option<Scope> = Some(Scope::Enroll);
const EVENTS: Option<Scope> = Some(Scope::Events);
const OK_DOOR: (u16, Option<Schema>) = (200, Some(schema::door));
const OK_CAMERA: (u16, Option<Schema>) = (200, Some(schema::camera));

const FILE: &[super::route::Param] =
    &[("query", "type", false, schema::string), ("query", "person", false, schema::person_id)];

pub(super) const ROUTES: &[Route] = &[
    route(
        Method::Get,
        "/v1/status",
        key(None),
        Media::None,
        ask(|_| Ok(Command::Status), plain),
        doc("Door", "What this door is made of and how it fares", (200, Some(schema::status))),
    ),
    route(
        Method::Get,
        "/v1/door",
        key(None),
        Media::None,
        ask(|_| Ok(Command::Door(DoorOrder::State)), plain),
        doc("Door", "How the door stands", OK_DOOR),
    ),
    route(
        Method::Post,
        "/v1/door/open",
        key(DOOR),
        Media::None,
        ask(|_| Ok(Command::Door(DoorOrder::Open)), plain),
        doc("Door", "Let somebody in, once", OK_DOOR),
    ),
    route(
        Method::Post,
        "/v1/door/lock",
        key(DOOR),
        Media::None,
        ask(|_| Ok(Command::Door(DoorOrder::Lock)), plain),
        doc("Door", "Lock now, ending every hold", OK_DOOR),
    ),
    route(
        Method::Put,
        "/v1/door/mode",
        key(DOOR),
        SMALL,
        ask(mode, plain),
        Doc {
            body: Some(schema::seconds_body),
            ..doc("Door", "Hold the door unlocked or locked against everyone, or end that", OK_DOOR)
        },
    ),
    route(
        Method::Get,
        "/v1/events",
        key(EVENTS),
        Media::None,
        ask(list_events, events),
        Doc {
            params: &[
                ("query", "from", false, schema::sequence),
                ("query", "before", false, schema::sequence),
                ("query", "limit", false, schema::thousand),
                ("query", "type", false, schema::string),
                ("query", "person", false, schema::person_id),
            ],
            also: &[400],
            ..doc("Events", "Events, oldest first; with before newest first", (200, Some(schema::events)))
        },
    ),
    route(
        Method::Get,
        "/v1/events/stream",
        key(EVENTS),
        Media::None,
        Action::EventStream,
        Doc {
            params: &[
                ("query", "from", false, schema::sequence),
                ("query", "type", false, schema::string),
                ("header", "Last-Event-ID", false, schema::string),
            ],
            also: &[400],
            ..doc("Events", "Events as they come (Server-Sent Events)", (200, None))
        },
    ),
    route(
        Method::Get,
        "/v1/events.csv",
        key(EVENTS),
        Media::None,
        Action::EventFile { csv: true },
        Doc {
            params: FILE,
            also: &[400],
            ..doc("Events", "Every event kept, or those of a kind or a person, as a table", (200, None))
        },
    ),
    route(
        Method::Get,
        "/v1/events.ndjson",
        key(EVENTS),
        Media::None,
        Action::EventFile { csv: false },
        Doc {
            params: FILE,
            also: &[400],
            ..doc("Events", "The journal as lines that ostiary events verify --file takes", (200, None))
        },
    ),
    route(
        Method::Get,
        "/v1/config",
        key(ADMIN),
        Media::None,
        ask(|_| Ok(Command::GetConfig), plain),
        doc("Board", "Every setting in force", (200, Some(schema::any_object))),
    ),
    route(
        Method::Put,
        "/v1/config",
        key(ADMIN),
        SMALL,
        ask(|call| Ok(Command::PutConfig(Value::Object(call.json().clone()).to_string())), plain),
        Doc {
            body: Some(schema::any_object),
            also: &[400],
            ..doc(
                "Board",
                "Change settings from the next start on (RFC 7396)",
                (200, Some(schema::any_object)),
            )
        },
    ),
    route(
        Method::Post,
        "/v1/enroll/camera",
        key(ENROLL),
        SMALL,
        ask(enrol_camera, |_, reply, _| rendered(reply, 202)),
        Doc {
            body: Some(schema::camera_body),
            also: &[404, 409],
            ..doc("Enrolment", "Enrol whoever stands before the door's camera", (202, Some(schema::camera)))
        },
    ),
    route(
        Method::Get,
        "/v1/enroll/camera",
        key(ENROLL),
        Media::None,
        ask(|_| Ok(Command::CameraProgress), plain),
        Doc { also: &[404], ..doc("Enrolment", "How the enrolment at the camera fares", OK_CAMERA) },
    ),
    route(
        Method::Delete,
        "/v1/enroll/camera",
        key(ENROLL),
        Media::None,
        ask(|_| Ok(Command::EnrolCancel), plain),
        Doc { also: &[404], ..doc("Enrolment", "End it", OK_CAMERA) },
    ),
    route(
        Method::Get,
        "/v1/tokens",
        key(ADMIN),
        Media::None,
        ask(|_| Ok(Command::ListTokens), plain),
        doc("Keys", "Every key, without its secret", (200, Some(schema::tokens))),
    ),
    route(
        Method::Post,
        "/v1/tokens",
        key(ADMIN),
        SMALL,
        ask(create_token, |_, reply, _| rendered(reply, 201)),
        Doc {
            body: Some(schema::token_new),
            also: &[409],
            ..doc("Keys", "Make a key", (201, Some(schema::token_issued)))
        },
    ),
    route(
        Method::Delete,
        "/v1/tokens/{id}",
        key(ADMIN),
        Media::None,
        ask(|call| Ok(Command::RevokeToken(call.param("id"))), plain),
        Doc { also: &[404], ..doc("Keys", "End a key", (204, None)) },
    ),
    route(
        Method::Post,
        "/v1/setup",
        Access::SetupCode,
        SMALL,
        ask(setup, |_, reply, _| rendered(reply, 201)),
        Doc {
            body: Some(schema::setup_body),
            also: &[401, 409, 429],
            ..doc(
                "Keys",
                "Turn the code on the display into the first key",
                (201, Some(schema::token_issued)),
            )
        },
    ),
];

fn mode(call: &Call) -> Result<Command, Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        mode: Mode,
        #[serde(default)]
        seconds: u32,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Normal,
        Unlocked,
        Lockdown,
    }
    let Body { mode, seconds } = strict(call)?;
    Ok(Command::Door(match mode {
        Mode::Normal => DoorOrder::Release,
        Mode::Unlocked => DoorOrder::Unlock { seconds },
        Mode::Lockdown => DoorOrder::Lockdown { seconds },
    }))
}

fn list_events(call: &Call) -> Result<Command, Refusal> {
    Ok(Command::ListEvents(EventQuery {
        from: call.number("from", 1, u64::MAX, 1)?,
        before: call.query("before").map(|_| call.number("before", 1, u64::MAX, 1)).transpose()?,
        limit: call.number("limit", 1, 1_000, 100)? as u16,
        kind: call.query("type").map(str::to_owned),
        person: call.query("person").map(str::to_owned),
    }))
}

fn events(_: &Call, reply: Reply, _: &dyn Operations) -> Result<Answer, Refusal> {
    match reply {
        // Each event is JSON already, and its text is what its hash was made of.
        Reply::Events(page) => {
            let body = format!(
                "{{\"events\":[{}],\"next\":{},\"newest\":{}}}",
                page.events.join(","),
                page.next,
                page.newest
            );
            Ok(Answer::text("application/json", body))
        }
        other => Err(unexpected(&other)),
    }
}

fn enrol_camera(call: &Call) -> Result<Command, Refusal> {
    let (own, profile): (Vec<_>, Vec<_>) = call
        .json()
        .clone()
        .into_iter()
        .partition(|(key, _)| matches!(key.as_str(), "id" | "looks" | "within_s" | "allow_duplicate"));
    let mut all: serde_json::Map<String, Value> = own.into_iter().collect();
    all.insert("profile".into(), Value::Object(profile.into_iter().collect()));
    from_value::<CameraEnrolment>(Value::Object(all)).map(Command::EnrolCamera)
}

fn create_token(call: &Call) -> Result<Command, Refusal> {
    strict::<TokenNew>(call).map(Command::CreateToken)
}

fn setup(call: &Call) -> Result<Command, Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        code: String,
        #[serde(default = "first")]
        name: String,
    }
    fn first() -> String {
        "first key".to_owned()
    }
    let Body { code, name } = strict(call)?;
    Ok(Command::Setup { code: Secret(code), name })
}

/// The body with what the address says, as a type of ours.
pub(super) fn strict_with<T: serde::de::DeserializeOwned>(
    call: &Call,
    more: &[(&str, Value)],
) -> Result<T, Refusal> {
    let mut body = call.json().clone();
    for (key, value) in more {
        body.insert((*key).to_owned(), value.clone());
    }
    from_value(Value::Object(body))
}

/// The body as a type of ours.
fn strict<T: serde::de::DeserializeOwned>(call: &Call) -> Result<T, Refusal> {
    from_value(Value::Object(call.json().clone()))
}

fn from_value<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Refusal> {
    serde_json::from_value(value)
        .map_err(|e| Refusal::new(Code::Malformed, format!("the body cannot be used: {e}")))
}

/// A reply as its own JSON.
pub(super) fn plain(_: &Call, reply: Reply, _: &dyn Operations) -> Result<Answer, Refusal> {
    rendered(reply, 200)
}

fn rendered(reply: Reply, status: u16) -> Result<Answer, Refusal> {
    match reply {
        Reply::Done => Ok(Answer::nothing()),
        Reply::Status(status_of) => Answer::json_with(status, &status_of),
        Reply::Door(door) => Answer::json_with(status, &door),
        Reply::Camera(progress) => Answer::json_with(status, &progress),
        Reply::TokenIssued(token) => Answer::json_with(status, &token),
        Reply::Tokens(tokens) => Answer::json_with(status, &json!({ "tokens": tokens })),
        Reply::Document(Document(text)) => Ok(Answer::text("application/json", text)),
        Reply::Erased(erased) => Answer::json_with(status, &erased),
        Reply::Enrolled(enrolled) => Answer::json_with(status, &enrolled),
        Reply::Person(person) => Answer::json_with(status, &person),
        Reply::Persons(page) => {
            Answer::json_with(status, &json!({ "data": page.persons, "total": page.total }))
        }
        Reply::Chain { events, key } => Answer::json_with(status, &json!({ "events": events, "key": key })),
        Reply::Accounts(accounts) => Answer::json_with(status, &json!({ "accounts": accounts })),
        Reply::Audit(page) => Answer::json_with(status, &page),
        Reply::Invited(invited) => Answer::json_with(status, &invited),
        Reply::Collection(collection) => Answer::json_with(status, &collection),
        Reply::Collections(all) => Answer::json_with(status, &json!({ "data": all })),
        other @ (Reply::Found(_)
        | Reply::Identified(_)
        | Reply::Compared(_)
        | Reply::Live(_)
        | Reply::OneToN(_)
        | Reply::Session(_)
        | Reply::Picture(_)
        | Reply::Sight(_)
        | Reply::Events(_)) => Err(unexpected(&other)),
    }
}
