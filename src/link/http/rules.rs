//! Rules of access and attendance (SPEC 3.4): their forms in HTTP.
//!
//! Owns: these endpoints' forms. Does not own: what is done, the shape of the documents (`app/rules`,
//! `app/attendance`). Invariant: a PIN goes in and never comes out.

use serde_json::{Value, json};

use crate::wire::{
    AccessPut, Command, CorrectionPut, Document, ExplainQuery, Operations, Refusal, Reply, RulesCommand,
    Scope, SheetQuery,
};

use super::answer::Answer;
use super::call::Call;
use super::own::{plain, strict_with};
use super::route::{Access, Action, Doc, Header, Media, Method, Param, Route, SMALL, Style};
use super::schema;
use super::serve::unexpected;

/// A rules file.
const RULES: Media = Media::Json(512 << 10);

const fn route(
    method: Method,
    path: &'static str,
    scope: Scope,
    media: Media,
    action: Action,
    doc: Doc,
) -> Route {
    let access = Access::Key(Header::Bearer, Some(scope));
    Route { method, path, access, style: Style::Own, media, action, doc }
}

const fn doc(tag: &'static str, summary: &'static str, params: &'static [Param]) -> Doc {
    Doc {
        tag,
        summary,
        body: None,
        params,
        ok: (200, Some(schema::any)),
        also: &[400, 404, 409],
        creates: false,
    }
}

const DAYS: &[Param] = &[
    ("query", "from", false, schema::string),
    ("query", "until", false, schema::string),
    ("query", "person", false, schema::person_id),
    ("query", "form", false, schema::string),
];

pub(super) const ROUTES: &[Route] = &[
    route(
        Method::Get,
        "/v1/access/explain",
        Scope::Admin,
        Media::None,
        Action::Ask { parse: explain, render: plain },
        doc(
            "Rules",
            "Which rule decides, now or then; what if the person were in other groups",
            &[
                ("query", "person", true, schema::person_id),
                ("query", "door", false, schema::door_number),
                ("query", "at", false, schema::string),
                ("query", "groups", false, schema::string),
            ],
        ),
    ),
    route(
        Method::Get,
        "/v1/access/rules",
        Scope::Admin,
        Media::None,
        Action::Ask { parse: |_| Ok(Command::Rules(RulesCommand::Get)), render: plain },
        doc("Rules", "The rules in force", &[]),
    ),
    route(
        Method::Put,
        "/v1/access/rules",
        Scope::Admin,
        RULES,
        Action::Ask {
            parse: |call| {
                let text = Value::Object(call.json().clone()).to_string();
                Ok(Command::Rules(RulesCommand::Put(text)))
            },
            render: plain,
        },
        Doc {
            body: Some(schema::any_object),
            ok: (204, None),
            ..doc("Rules", "Other rules, in force at once", &[])
        },
    ),
    route(
        Method::Get,
        "/v1/access/persons/{id}",
        Scope::Persons,
        Media::None,
        Action::Ask {
            parse: |call| Ok(Command::Rules(RulesCommand::GetAccess(call.param("id")))),
            render: plain,
        },
        doc("Rules", "What is set for one person", &[]),
    ),
    route(
        Method::Put,
        "/v1/access/persons/{id}",
        Scope::Persons,
        SMALL,
        Action::Ask { parse: put_access, render: plain },
        Doc { body: Some(schema::any_object), ..doc("Rules", "Set something for one person", &[]) },
    ),
    route(
        Method::Get,
        "/v1/attendance",
        Scope::Events,
        Media::None,
        Action::Ask { parse: |call| attendance(call, "sheet", &["sheet", "json", "erpnext"]), render: plain },
        doc(
            "Attendance",
            "Punches and totals of a day, or of a month as in 2026-11; also as ERPNext takes them",
            DAYS,
        ),
    ),
    route(
        Method::Get,
        "/v1/attendance.csv",
        Scope::Events,
        Media::None,
        Action::Ask { parse: |call| attendance(call, "csv", &["csv"]), render: table },
        Doc { ok: (200, None), ..doc("Attendance", "Punches as a table", DAYS) },
    ),
    route(
        Method::Post,
        "/v1/attendance/corrections",
        Scope::Attendance,
        SMALL,
        Action::Ask {
            parse: |call| {
                let put: CorrectionPut = strict_with(call, &[])?;
                Ok(Command::Rules(RulesCommand::Correct(put)))
            },
            render: plain,
        },
        Doc {
            body: Some(schema::any_object),
            ..doc("Attendance", "Add a punch that is missing, or take a wrong one back", &[])
        },
    ),
];

fn explain(call: &Call) -> Result<Command, Refusal> {
    let door = call.query("door").map(|_| call.number("door", 1, 255, 1)).transpose()?;
    Ok(Command::Rules(RulesCommand::Explain(ExplainQuery {
        person: call.query("person").ok_or_else(|| Refusal::missing("person"))?.to_owned(),
        door: door.map(|door| door as u8),
        at: call.query("at").map(str::to_owned),
        groups: call.query("groups").map(|names| names.split(',').map(str::to_owned).collect()),
    })))
}

fn put_access(call: &Call) -> Result<Command, Refusal> {
    let put: AccessPut = strict_with(call, &[("person", json!(call.param("id")))])?;
    Ok(Command::Rules(RulesCommand::PutAccess(put)))
}

fn attendance(call: &Call, usual: &str, forms: &[&str]) -> Result<Command, Refusal> {
    let form = call.query("form").unwrap_or(usual);
    if !forms.contains(&form) {
        return Err(Refusal::invalid("form", format!("\"form\" must be {}", forms.join(" or "))));
    }
    Ok(Command::Rules(RulesCommand::Attendance(SheetQuery {
        from: call.query("from").map(str::to_owned),
        until: call.query("until").map(str::to_owned),
        person: call.query("person").map(str::to_owned),
        form: form.to_owned(),
    })))
}

fn table(_: &Call, reply: Reply, _: &dyn Operations) -> Result<Answer, Refusal> {
    match reply {
        Reply::Document(Document(text)) => Ok(Answer::text("text/csv", text)),
        other => Err(unexpected(&other)),
    }
}
