//! Verifik style (SPEC 3.2), people and collections.
//!
//! Owns: these endpoints' forms. Does not own: what is done. Invariant: an update changes what it names alone;
//! `images` in an update take the place of those there were.

use serde_json::{Value, json};

use crate::wire::{
    CollectionPut, Command, Moment, Operations, PersonPut, PersonQuery, Presence, Profile, Refusal, Reply,
    Scope,
};

use super::answer::Answer;
use super::call::Call;
use super::json;
use super::own::plain;
use super::route::{Access, Action, Doc, Header, Media, Method, Route, SMALL, Schema, Style, THREE_PHOTOS};
use super::schema;
use super::serve::unexpected;
use super::verifik::person;

const TAG: &str = "Verifik style: people";

const fn route(method: Method, path: &'static str, media: Media, action: Action, doc: Doc) -> Route {
    let access = Access::Key(Header::Bearer, Some(Scope::Persons));
    Route { method, path, access, style: Style::Verifik, media, action, doc }
}

const fn doc(summary: &'static str, ok: (u16, Option<Schema>), also: &'static [u16]) -> Doc {
    Doc { tag: TAG, summary, body: None, params: &[], ok, also, creates: false }
}

const OK_PERSON: (u16, Option<Schema>) = (200, Some(schema::verifik_person));
const OK_COLLECTION: (u16, Option<Schema>) = (200, Some(schema::collection));

pub(super) const ROUTES: &[Route] = &[
    route(
        Method::Post,
        "/v2/face-recognition/persons",
        THREE_PHOTOS,
        Action::Ask { parse: create, render: written },
        Doc {
            body: Some(schema::person_new),
            creates: true,
            ..doc("Add a person, with images or without", (201, Some(schema::enrolled_person)), &[409])
        },
    ),
    route(
        Method::Get,
        "/v2/face-recognition/persons",
        Media::None,
        Action::Ask { parse: list, render: listed },
        Doc {
            params: &[
                ("query", "page", false, schema::page_number),
                ("query", "limit", false, schema::hundred),
                ("query", "collection", false, schema::string),
                ("query", "status", false, schema::person_state),
                ("query", "name", false, schema::string),
            ],
            ..doc("People, in the order of their ids", (200, Some(schema::verifik_persons)), &[409])
        },
    ),
    route(
        Method::Get,
        "/v2/face-recognition/persons/{id}",
        Media::None,
        Action::Ask { parse: |call| Ok(Command::GetPerson(call.param("id"))), render: shown },
        doc("One person", OK_PERSON, &[404, 409]),
    ),
    route(
        Method::Put,
        "/v2/face-recognition/persons/{id}",
        THREE_PHOTOS,
        Action::Ask { parse: change, render: |_, reply, _| changed(reply, 200) },
        Doc {
            body: Some(schema::person_change),
            ..doc("Change profile, images, collections", (200, Some(schema::enrolled_person)), &[404, 409])
        },
    ),
    route(
        Method::Delete,
        "/v2/face-recognition/persons/{id}",
        Media::None,
        Action::Ask { parse: |call| Ok(Command::DeletePerson(call.param("id"))), render: plain },
        doc("Erase a person; the answer says how that was proved", (200, Some(schema::deleted)), &[404, 409]),
    ),
    route(
        Method::Post,
        "/v2/face-recognition/collections",
        SMALL,
        Action::Ask { parse: create_collection, render: |_, reply, _| collection(reply, 201) },
        Doc {
            body: Some(schema::collection_new),
            creates: true,
            ..doc("Add a collection", (201, Some(schema::collection)), &[409])
        },
    ),
    route(
        Method::Get,
        "/v2/face-recognition/collections",
        Media::None,
        Action::Ask { parse: |_| Ok(Command::ListCollections), render: plain },
        doc("Every collection", (200, Some(schema::collections)), &[]),
    ),
    route(
        Method::Get,
        "/v2/face-recognition/collections/{id}",
        Media::None,
        Action::Ask { parse: |call| Ok(Command::GetCollection(call.param("id"))), render: plain },
        doc("One collection", OK_COLLECTION, &[404]),
    ),
    route(
        Method::Put,
        "/v2/face-recognition/collections/{id}",
        SMALL,
        Action::Ask { parse: change_collection, render: |_, reply, _| collection(reply, 200) },
        Doc {
            body: Some(schema::collection_change),
            ..doc("Change a collection", OK_COLLECTION, &[404, 409])
        },
    ),
    route(
        Method::Delete,
        "/v2/face-recognition/collections/{id}",
        Media::None,
        Action::Ask { parse: |call| Ok(Command::DeleteCollection(call.param("id"))), render: plain },
        doc("Remove a collection; its people stay", (204, None), &[404]),
    ),
];

fn profile(call: &Call) -> Result<Profile, Refusal> {
    let body = call.json();
    let moment = |key: &str| {
        let text = json::text(body, key)?.filter(|text| !text.is_empty());
        let wrong = || Refusal::invalid(key, format!("\"{key}\" must be a time as in 2026-11-21T08:00:00Z"));
        text.map(|text| Moment::parse(&text).ok_or_else(wrong)).transpose()
    };
    Ok(Profile {
        name: json::text(body, "name")?,
        notes: json::text(body, "notes")?,
        gender: json::text(body, "gender")?,
        nationality: json::text(body, "nationality")?,
        date_of_birth: json::text(body, "date_of_birth")?,
        status: json::text(body, "status")?,
        valid_from: moment("valid_from")?,
        valid_until: moment("valid_until")?,
        groups: json::texts(body, "groups")?,
        collections: json::texts(body, "collections")?,
        consent: json::text(body, "consent")?.filter(|text| !text.is_empty()),
    })
}

fn create(call: &Call) -> Result<Command, Refusal> {
    let body = call.json();
    json::required(body, "name")?;
    Ok(Command::PutPerson(PersonPut {
        id: json::text(body, "id")?,
        presence: Presence::New,
        profile: profile(call)?,
        images: json::photos(body, "images", 3)?,
        ..PersonPut::default()
    }))
}

fn change(call: &Call) -> Result<Command, Refusal> {
    Ok(Command::PutPerson(PersonPut {
        id: Some(call.param("id")),
        presence: Presence::Known,
        profile: profile(call)?,
        images: json::photos(call.json(), "images", 3)?,
        replace_images: true,
        ..PersonPut::default()
    }))
}

fn written(_: &Call, reply: Reply, _: &dyn Operations) -> Result<Answer, Refusal> {
    changed(reply, 201)
}

/// The id and what became of each image; the person is at their own address.
fn changed(reply: Reply, status: u16) -> Result<Answer, Refusal> {
    match reply {
        Reply::Enrolled(enrolled) => {
            let images: Vec<Value> = enrolled
                .images
                .iter()
                .map(|row| {
                    json!({
                        "image": row.file,
                        "accepted": row.template.is_some(),
                        "quality": row.quality,
                        "reasons": row.reasons,
                    })
                })
                .collect();
            let body = json!({ "id": enrolled.person, "templates": enrolled.templates, "images": images });
            Answer::json_with(status, &body)
        }
        other => Err(unexpected(&other)),
    }
}

fn list(call: &Call) -> Result<Command, Refusal> {
    Ok(Command::ListPersons(PersonQuery {
        // Counted from 1 here.
        page: call.number("page", 1, 1_000_000, 1)? as u32 - 1,
        limit: call.number("limit", 1, 100, 20)? as u16,
        status: call.query("status").map(str::to_owned),
        collection: call.query("collection").map(str::to_owned),
        name: call.query("name").map(str::to_owned),
    }))
}

fn listed(call: &Call, reply: Reply, _: &dyn Operations) -> Result<Answer, Refusal> {
    match reply {
        Reply::Persons(page) => Answer::json(&json!({
            "data": page.persons.iter().map(|p| person(p, &[])).collect::<Vec<_>>(),
            "total": page.total,
            "page": call.number("page", 1, 1_000_000, 1)?,
            "limit": call.number("limit", 1, 100, 20)?,
        })),
        other => Err(unexpected(&other)),
    }
}

fn shown(_: &Call, reply: Reply, _: &dyn Operations) -> Result<Answer, Refusal> {
    match reply {
        Reply::Person(found) => Answer::json(&person(&found, &[])),
        other => Err(unexpected(&other)),
    }
}

fn create_collection(call: &Call) -> Result<Command, Refusal> {
    let body = call.json();
    Ok(Command::PutCollection(CollectionPut {
        id: json::text(body, "id")?,
        presence: Presence::New,
        name: Some(json::required(body, "name")?),
        description: json::text(body, "description")?,
    }))
}

fn change_collection(call: &Call) -> Result<Command, Refusal> {
    let body = call.json();
    Ok(Command::PutCollection(CollectionPut {
        id: Some(call.param("id")),
        presence: Presence::Known,
        name: json::text(body, "name")?,
        description: json::text(body, "description")?,
    }))
}

fn collection(reply: Reply, status: u16) -> Result<Answer, Refusal> {
    match reply {
        Reply::Collection(collection) => Answer::json_with(status, &collection),
        other => Err(unexpected(&other)),
    }
}
