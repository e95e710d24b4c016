//! What anybody may see, and the figures for monitoring.
//!
//! Owns: health, the OpenAPI document, the key set, the page at `/`, `/metrics`. Does not own: any of their content.
//! Invariant: nothing here tells of people, and nothing but `/metrics` needs a key.

use serde_json::json;

use super::answer::Answer;
use super::jws;
use super::openapi;
use super::route::{Access, Action, Doc, Header, Media, Method, Route, Schema, Style};
use super::schema;

const PAGE: &str = concat!(
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Ostiary</title>",
    "<style>body{font:16px/1.5 sans-serif;max-width:40em;margin:3em auto;padding:0 1em}</style>",
    "<h1>Ostiary ",
    env!("CARGO_PKG_VERSION"),
    "</h1><p>This door answers programs. What they can ask: <a href=\"/openapi.json\">openapi.json</a>. ",
    "The key that signs its answers: <a href=\"/.well-known/jwks.json\">jwks.json</a>.</p>",
    "<p>The first key: read the code on the display and send it to <code>POST /v1/setup</code>, ",
    "or run <code>ostiary tokens create</code> on the board.</p></html>"
);

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
    open(
        "/",
        Action::Serve(|_, _| Ok(Answer::text("text/html; charset=utf-8", PAGE))),
        doc("A page for people", None),
    ),
    open(
        "/healthz",
        Action::Serve(|_, _| Answer::json(&json!({ "status": "ok" }))),
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
