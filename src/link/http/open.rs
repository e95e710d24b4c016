//! What anybody may see, and the figures for monitoring.
//!
//! Owns: health, the OpenAPI document, the key set, `/metrics`; the page at `/` is the console's. Does not own: any of their content.
//! Invariant: nothing here tells of people, and nothing but `/metrics` needs a key.

use serde_json::json;

use super::answer::Answer;
use super::console;
use super::jws;
use super::openapi;
use super::route::{Access, Action, Doc, Header, Media, Method, Route, Schema, Style};
use super::schema;

const fn doc(summary: &'static str, schema: Option<Schema>) -> Doc {
    Doc { tag: "Open", summary, body: None, params: &[], ok: (200, schema), also: &[], creates: false }
}

const fn open(path: &'static str, action: Action, doc: Doc) -> Route {
    Route {
        method: Method::Get,
        path,
        access: Access::Open,
        style: Style::Own,
        media: Media::None,
        action,
        doc,
    }
}

pub(super) const ROUTES: &[Route] = &[
    open("/", Action::Serve(console::index), doc("The console, for people", None)),
    open(
        "/healthz",
        Action::AtOnce(|| Answer::json(&json!({ "status": "ok" }))),
        doc("Whether the server answers", Some(schema::health)),
    ),
    open(
        "/openapi.json",
        Action::Serve(|_, _| Answer::json(&openapi::document())),
        doc("This document", Some(schema::any_object)),
    ),
    open(
        "/.well-known/jwks.json",
        Action::Serve(|_, operations| Answer::json(&jws::key_set(operations)?)),
        doc("The key that signs answers", Some(schema::any_object)),
    ),
    Route {
        method: Method::Get,
        path: "/metrics",
        access: Access::Key(Header::Bearer, None),
        style: Style::Own,
        media: Media::None,
        action: Action::Metrics,
        doc: Doc { tag: "Board", ..doc("Figures for Prometheus", None) },
    },
];
