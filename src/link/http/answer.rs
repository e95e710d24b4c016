//! Answers in HTTP: a status, a few headers, JSON; and refusals in the form of the API they are given through.
//!
//! Owns: which status each refusal has in each style. Does not own: the refusals.
//! Invariants: a fault of the door itself says nothing of its inside (the log does); no answer is cached.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};

use crate::wire::{Code, Refusal};

use super::route::Style;

/// What goes back.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Answer {
    /// JSON with 200.
    pub(super) fn json(value: &impl Serialize) -> Result<Self, Refusal> {
        Self::json_with(200, value)
    }

    /// JSON with another status.
    pub(super) fn json_with(status: u16, value: &impl Serialize) -> Result<Self, Refusal> {
        let body = serde_json::to_vec(value).map_err(|e| Refusal::new(Code::Internal, e.to_string()))?;
        Ok(Self { status, content_type: "application/json", body, headers: Vec::new() })
    }

    /// Some other text.
    pub(super) fn text(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, content_type, body: body.into(), headers: Vec::new() }
    }

    /// 204.
    pub(super) fn nothing() -> Self {
        Self { status: 204, content_type: "", body: Vec::new(), headers: Vec::new() }
    }

    /// For the wire.
    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if !self.content_type.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// The status of a refusal.
pub(super) const fn status(style: Style, code: Code) -> u16 {
    match code {
        Code::Unauthenticated => 401,
        Code::Forbidden => 403,
        Code::NotFound => 404,
        Code::TooLarge => 413,
        Code::UnsupportedMedia => 415,
        Code::Limited => 429,
        Code::Busy | Code::Unavailable => 503,
        Code::Storage | Code::Models | Code::Internal => 500,
        Code::Duplicate | Code::Conflict => 409,
        Code::Malformed => 400,
        Code::MissingParameter | Code::InvalidParameter => match style {
            Style::Verifik => 409,
            Style::Arsa | Style::VerifikSearch | Style::FaceApi | Style::Own => 400,
        },
        Code::FaceQuality | Code::LivenessFailed => match style {
            Style::Verifik | Style::VerifikSearch => 409,
            Style::FaceApi => 400,
            Style::Arsa | Style::Own => 422,
        },
    }
}

/// The refusal in its style.
pub(super) fn refused(style: Style, refusal: &Refusal) -> Answer {
    let status = status(style, refusal.code);
    let message = match refusal.code {
        Code::Storage | Code::Models | Code::Internal => {
            tracing::error!(code = refusal.code.name(), error = %refusal.message, "a request failed");
            "the door cannot do this; its log says why"
        }
        Code::Unauthenticated
        | Code::Forbidden
        | Code::TooLarge
        | Code::UnsupportedMedia
        | Code::Malformed
        | Code::MissingParameter
        | Code::InvalidParameter
        | Code::NotFound
        | Code::Duplicate
        | Code::Conflict
        | Code::FaceQuality
        | Code::LivenessFailed
        | Code::Limited
        | Code::Busy
        | Code::Unavailable => &refusal.message,
    };
    let mut body = match style {
        Style::Arsa => json!({ "status": "error", "code": refusal.code.name(), "message": message }),
        Style::Verifik | Style::VerifikSearch if status == 400 => json!({ "error": "Invalid request" }),
        Style::Verifik | Style::VerifikSearch => {
            json!({ "message": message, "code": verifik_code(refusal.code) })
        }
        Style::FaceApi | Style::Own => json!({ "code": refusal.code.name(), "message": message }),
    };
    let cloud_400 = body.get("error").is_some();
    if let (Value::Object(body), false) = (&mut body, cloud_400) {
        if !refusal.reasons.is_empty() {
            body.insert("reasons".into(), json!(refusal.reasons));
        }
        if let Some(person) = &refusal.person {
            body.insert("person".into(), json!(person));
        }
        if let (Some(parameter), Style::FaceApi | Style::Own) = (&refusal.parameter, style) {
            body.insert("parameter".into(), json!(parameter));
        }
    }
    let mut headers = Vec::new();
    if let Some(seconds) = refusal.retry_after_s {
        headers.push(("retry-after", seconds.to_string()));
    }
    if status == 401 {
        headers.push(("www-authenticate", "Bearer".to_owned()));
    }
    Answer { status, content_type: "application/json", body: body.to_string().into_bytes(), headers }
}

/// Codes as Verifik writes them.
const fn verifik_code(code: Code) -> &'static str {
    match code {
        Code::Unauthenticated => "Unauthorized",
        Code::Forbidden => "Forbidden",
        Code::TooLarge => "PayloadTooLarge",
        Code::UnsupportedMedia => "UnsupportedMediaType",
        Code::Malformed => "InvalidRequest",
        Code::MissingParameter => "MissingParameter",
        Code::InvalidParameter => "InvalidParameter",
        Code::NotFound => "NotFound",
        Code::Duplicate => "Duplicate",
        Code::Conflict => "Conflict",
        Code::FaceQuality => "FaceQuality",
        Code::LivenessFailed => "LivenessFailed",
        Code::Limited => "TooManyRequests",
        Code::Busy => "Busy",
        Code::Unavailable => "Unavailable",
        Code::Storage | Code::Models | Code::Internal => "InternalError",
    }
}
