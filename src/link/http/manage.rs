//! The board's own endpoints for whoever manages a door: people, the camera, names, accounts, the journal's proof.
//!
//! Owns: these endpoints' forms; the console stands on them. Does not own: what is done.
//! Invariants: unknown fields are refused; a picture is never kept by a cache.

use serde_json::{Value, json};

use crate::wire::{AccountsCommand, AuditQuery, Command, PersonPut, PersonQuery, Presence, Refusal, Scope};

use super::call::Call;
use super::own::{plain, strict_with};
use super::route::{Access, Action, Doc, Header, Media, Method, Param, Route, SMALL, Style, THREE_PHOTOS};
use super::schema;

const fn route(
    method: Method,
    path: &'static str,
    scope: Scope,
    media: Media,
    action: Action,
    doc: Doc,
) -> Route {
    let access = Access::Key(Header::Bearer, Some(scope));
    let doc = match media {
        Media::None => doc,
        Media::Json(_) | Media::Form(_) => Doc { body: Some(schema::any_object), ..doc },
    };
    Route { method, path, access, style: Style::Own, media, action, doc }
}

const fn doc(tag: &'static str, summary: &'static str, params: &'static [Param]) -> Doc {
    Doc {
        tag,
        summary,
        body: None,
        params,
        ok: (200, Some(schema::any)),
        also: &[400, 404, 409, 413, 415, 422],
        creates: false,
    }
}

const fn ask(parse: fn(&Call) -> Result<Command, Refusal>) -> Action {
    Action::Ask { parse, render: plain }
}

const PEOPLE: &str = "People";
const DOOR: &str = "Door";
const BOARD: &str = "Board";
const ACCOUNTS: &str = "Accounts";

pub(super) const ROUTES: &[Route] = &[
    route(
        Method::Get,
        "/v1/persons",
        Scope::Persons,
        Media::None,
        ask(list),
        doc(
            PEOPLE,
            "People, in the order of their ids; q looks in names and ids",
            &[
                ("query", "page", false, schema::page_number),
                ("query", "limit", false, schema::hundred),
                ("query", "status", false, schema::person_state),
                ("query", "collection", false, schema::string),
                ("query", "q", false, schema::string),
            ],
        ),
    ),
    route(
        Method::Post,
        "/v1/persons",
        Scope::Persons,
        THREE_PHOTOS,
        ask(|call| {
            let put: PersonPut = strict_with(call, &[("presence", json!(Presence::New))])?;
            Ok(Command::PutPerson(put))
        }),
        doc(PEOPLE, "Add a person, with images or without", &[]),
    ),
    route(
        Method::Get,
        "/v1/persons/{id}",
        Scope::Persons,
        Media::None,
        ask(|call| Ok(Command::GetPerson(call.param("id")))),
        Doc { ok: (200, Some(person)), ..doc(PEOPLE, "One person", &[]) },
    ),
    route(
        Method::Put,
        "/v1/persons/{id}",
        Scope::Persons,
        THREE_PHOTOS,
        ask(|call| strict_with(call, &[("id", json!(call.param("id")))]).map(Command::PutPerson)),
        doc(PEOPLE, "Write a person; images become further looks", &[]),
    ),
    route(
        Method::Delete,
        "/v1/persons/{id}",
        Scope::Persons,
        Media::None,
        ask(|call| Ok(Command::DeletePerson(call.param("id")))),
        doc(PEOPLE, "Erase a person; the answer proves it", &[]),
    ),
    route(
        Method::Post,
        "/v1/persons/{id}/consent/withdraw",
        Scope::Persons,
        Media::None,
        ask(|call| Ok(Command::WithdrawConsent(call.param("id")))),
        doc(
            PEOPLE,
            "Consent is withdrawn: erase the person; the answer proves it, the journal says why",
            &[],
        ),
    ),
    route(
        Method::Get,
        "/v1/config/editable",
        Scope::Admin,
        Media::None,
        ask(|_| Ok(Command::GetEditable)),
        doc(BOARD, "The settings that may be changed here, and whether a change holds at once", &[]),
    ),
    route(
        Method::Post,
        "/v1/retention",
        Scope::Admin,
        Media::None,
        ask(|_| Ok(Command::Expire)),
        doc("Privacy", "Remove now what has grown too old; the answer proves it", &[]),
    ),
    route(
        Method::Get,
        "/v1/persons/{id}/image",
        Scope::Persons,
        Media::None,
        Action::Picture(|call| Ok(Command::GetImage(call.param("id"), call.number("n", 0, 9, 0)? as u8))),
        doc(PEOPLE, "A picture that is kept of a person", &[("query", "n", false, index)]),
    ),
    route(
        Method::Delete,
        "/v1/persons/{id}/images",
        Scope::OneToN,
        Media::None,
        ask(|call| Ok(Command::DeleteImages(call.param("id")))),
        doc(PEOPLE, "Erase the pictures of a person; the templates stay", &[]),
    ),
    route(
        Method::Get,
        "/v1/persons/{id}/export",
        Scope::Admin,
        Media::None,
        ask(|call| Ok(Command::ExportPerson(call.param("id")))),
        doc(PEOPLE, "All that is held on one person", &[]),
    ),
    route(
        Method::Get,
        "/v1/names",
        Scope::Events,
        Media::None,
        ask(|call| {
            let ids = call.query("ids").unwrap_or_default().split(',').filter(|id| !id.is_empty());
            Ok(Command::Names(ids.map(str::to_owned).collect()))
        }),
        doc(PEOPLE, "The names of up to 200 people, by their ids", &[("query", "ids", true, schema::string)]),
    ),
    route(
        Method::Get,
        "/v1/camera",
        Scope::Door,
        Media::None,
        Action::Picture(|_| Ok(Command::Watch)),
        doc(
            DOOR,
            "What the camera sees now; x-ostiary-seen tells where the face is and what the display says",
            &[],
        ),
    ),
    route(
        Method::Get,
        "/v1/enroll/camera/picture",
        Scope::Enroll,
        Media::None,
        Action::Picture(|_| Ok(Command::WatchEnrolment)),
        doc("Enrolment", "What the camera sees while somebody is being enrolled there", &[]),
    ),
    route(
        Method::Get,
        "/v1/events/verify",
        Scope::Events,
        Media::None,
        ask(|_| Ok(Command::VerifyEvents)),
        doc("Events", "Check the chain and the signatures of the whole journal", &[]),
    ),
    route(
        Method::Get,
        "/v1/audit",
        Scope::Audit,
        Media::None,
        ask(list_audit),
        Doc {
            ok: (200, Some(audit)),
            ..doc(
                "Privacy",
                "Who looked at what of the people kept here, newest first",
                &[
                    ("query", "before", false, schema::sequence),
                    ("query", "limit", false, schema::thousand),
                    ("query", "person", false, schema::person_id),
                    ("query", "who", false, schema::string),
                ],
            )
        },
    ),
    route(
        Method::Get,
        "/v1/accounts",
        Scope::Admin,
        Media::None,
        ask(|_| Ok(Command::Accounts(AccountsCommand::List))),
        doc(ACCOUNTS, "Who may sign in at the console", &[]),
    ),
    route(
        Method::Post,
        "/v1/accounts",
        Scope::Admin,
        SMALL,
        ask(|call| strict_with(call, &[]).map(|new| Command::Accounts(AccountsCommand::Add(new)))),
        doc(ACCOUNTS, "Make an account; the answer has the code of its first sign-in, this once", &[]),
    ),
    route(
        Method::Post,
        "/v1/accounts/{id}/reset",
        Scope::Admin,
        Media::None,
        ask(|call| Ok(Command::Accounts(AccountsCommand::Reset(call.param("id"))))),
        doc(ACCOUNTS, "Forget a password; the answer has another code", &[]),
    ),
    route(
        Method::Delete,
        "/v1/accounts/{id}",
        Scope::Admin,
        Media::None,
        ask(|call| Ok(Command::Accounts(AccountsCommand::Remove(call.param("id"))))),
        Doc { ok: (204, None), ..doc(ACCOUNTS, "End an account and its sessions", &[]) },
    ),
];

fn list(call: &Call) -> Result<Command, Refusal> {
    Ok(Command::ListPersons(PersonQuery {
        // Counted from 1 here.
        page: call.number("page", 1, 1_000_000, 1)? as u32 - 1,
        limit: call.number("limit", 1, 100, 20)? as u16,
        status: call.query("status").map(str::to_owned),
        collection: call.query("collection").map(str::to_owned),
        name: call.query("q").map(str::to_owned),
    }))
}

fn list_audit(call: &Call) -> Result<Command, Refusal> {
    let before = call.query("before").map(|_| call.number("before", 1, u64::MAX, 1)).transpose()?;
    Ok(Command::ListAudit(AuditQuery {
        before,
        limit: call.number("limit", 1, 1_000, 100)? as u16,
        person: call.query("person").map(str::to_owned),
        who: call.query("who").map(str::to_owned),
    }))
}

fn index() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": 9 })
}

fn audit() -> Value {
    json!({ "$ref": "#/components/schemas/AuditPage" })
}

fn person() -> Value {
    json!({ "$ref": "#/components/schemas/PersonView" })
}
