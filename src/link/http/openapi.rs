//! The OpenAPI 3.1 document, made from the table of routes.
//!
//! Owns: its assembly. Does not own: the routes, the schemas. Invariant: a route of the table is in the document and
//! a path of the document is in the table, because there is no second list.

use serde_json::{Map, Value, json};

use super::route::{Access, Action, Header, Media, Method, Route, Style, all};
use super::schema;

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in all() {
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        item[method(route.method)] = operation(route);
    }
    let mut schemas: Map<String, Value> = schema::components().into_iter().collect();
    for (name, value) in [
        ("ArsaError", error(&["status", "code", "message"], &["status", "code", "message"])),
        ("VerifikError", error(&["message", "code"], &["message", "code"])),
        ("VerifikInvalid", error(&["error"], &["error"])),
        ("Error", error(&["code", "message"], &["code", "message", "parameter"])),
    ] {
        schemas.insert(name.to_owned(), value);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Ostiary",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A face-recognition door: the operations of today's cloud face APIs, on the board itself.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": { "type": "apiKey", "in": "header", "name": "x-key-secret" },
                "bearer": { "type": "http", "scheme": "bearer" },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<Value> = Vec::new();
    let mut rest = route.path;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, further)) = after.split_once('}') else { break };
        parameters.push(json!({ "in": "path", "name": name, "required": true, "schema": { "type": "string", "minLength": 1 } }));
        rest = further;
    }
    for (place, name, required, schema) in route.doc.params {
        parameters.push(json!({ "in": place, "name": name, "required": required, "schema": schema() }));
    }
    if route.doc.creates {
        let schema = json!({ "type": "string", "minLength": 1, "maxLength": 128 });
        parameters
            .push(json!({ "in": "header", "name": "Idempotency-Key", "required": false, "schema": schema }));
    }
    let mut operation = json!({
        "operationId": operation_id(route),
        "tags": [route.doc.tag],
        "summary": route.doc.summary,
        "parameters": parameters,
        "responses": responses(route),
        "security": match route.access {
            Access::Open | Access::SetupCode => json!([]),
            Access::Key(Header::KeySecret, _) => json!([{ "key": [] }]),
            Access::Key(Header::Bearer, _) => json!([{ "bearer": [] }]),
        },
    });
    if let Access::Key(_, Some(scope)) = route.access {
        operation["x-scope"] = json!(scope.name());
    }
    if let Some(body) = route.doc.body {
        let media = match route.media {
            Media::None => "*/*",
            Media::Json(_) => "application/json",
            Media::Form(_) => "multipart/form-data",
        };
        operation["requestBody"] = json!({ "required": true, "content": { media: { "schema": body() } } });
    }
    operation
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    let (ok, schema) = route.doc.ok;
    let mut good = json!({ "description": "Done" });
    let media = match route.action {
        Action::Metrics => "text/plain",
        Action::EventStream => "text/event-stream",
        Action::EventFile { csv: true } => "text/csv",
        Action::EventFile { csv: false } => "application/x-ndjson",
        Action::Picture(_) => "image/jpeg",
        Action::Ask { .. } if ok == 200 && schema.is_none() => "text/csv",
        Action::Serve(_) if schema.is_none() => "text/html",
        Action::Ask { .. } | Action::Serve(_) | Action::AtOnce(_) => "application/json",
    };
    match schema {
        Some(schema) => good["content"] = json!({ media: { "schema": schema() } }),
        None if ok == 204 => {}
        None => good["content"] = json!({ media: {} }),
    }
    responses.insert(ok.to_string(), good);
    for status in refusals(route) {
        let name = match (route.style, status) {
            (Style::Verifik | Style::VerifikSearch, 400) => "VerifikInvalid",
            (Style::Verifik | Style::VerifikSearch, _) => "VerifikError",
            (Style::Arsa, _) => "ArsaError",
            (Style::FaceApi | Style::Own, _) => "Error",
        };
        let mut response = json!({
            "description": meaning(status),
            "content": { "application/json": { "schema": { "$ref": format!("#/components/schemas/{name}") } } },
        });
        if status == 429 {
            response["headers"] = json!({ "Retry-After": { "schema": { "type": "integer" } } });
        }
        responses.insert(status.to_string(), response);
    }
    Value::Object(responses)
}

/// Every status that a refusal of this route may have.
pub(super) fn refusals(route: &Route) -> Vec<u16> {
    let mut found: Vec<u16> = vec![500, 503];
    match route.access {
        Access::Open => {}
        Access::SetupCode => found.push(429),
        Access::Key(_, scope) => {
            found.extend([401, 429]);
            found.extend(scope.map(|_| 403));
        }
    }
    if route.media != Media::None {
        found.extend([400, 413, 415]);
    }
    if route.doc.creates {
        found.push(409);
    }
    found.extend(route.doc.also);
    found.sort_unstable();
    found.dedup();
    found
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "Bad Request: missing input or invalid format",
        401 => "Unauthorized: no valid key",
        403 => "Forbidden: the key lacks the scope",
        404 => "Not Found",
        409 => "Conflict: a parameter, a face or an id that cannot be taken",
        413 => "Payload Too Large: an image may have 5 MB and 25 megapixels",
        415 => "Unsupported Media Type: only JPEG and PNG",
        422 => "The face is not good enough, or not alive",
        429 => "Too Many Requests",
        503 => "Busy, or a part of the door is missing",
        _ => "Internal Server Error",
    }
}

fn error(required: &[&str], texts: &[&str]) -> Value {
    let properties: Map<String, Value> =
        texts.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

const fn method(method: Method) -> &'static str {
    match method {
        Method::Get => "get",
        Method::Post => "post",
        Method::Put => "put",
        Method::Delete => "delete",
    }
}

fn operation_id(route: &Route) -> String {
    let path: String = route.path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("{}{path}", method(route.method))
}
