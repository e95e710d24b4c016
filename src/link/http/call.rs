//! One request, read: who asks, with which parameters, with which body.
//!
//! Owns: reading bodies within their limits. Does not own: who may call (`serve`), what parameters mean.
//! Invariants: nothing is buffered beyond a route's limit; a body that takes too long ends the request.

use std::time::Duration;

use axum::body::{Body as Incoming, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Multipart};
use axum::http::{HeaderMap, Request, header};

use crate::wire::{Caller, Code, Photo, Refusal};

use super::json::{self, Object};
use super::route::Media;

/// Parts of a form.
const MAX_PARTS: usize = 8;

/// A request as a route sees it.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) caller: Caller,
    /// Parameters in the path.
    pub(super) path: Vec<(String, String)>,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    /// Whether it came over TLS.
    pub(super) secure: bool,
    /// Milliseconds since the door started, when the request was accepted.
    pub(super) begun: u64,
}

/// What came with it.
#[derive(Debug)]
pub(super) enum Body {
    None,
    Json(Object),
    /// Name and bytes of each part.
    Form(Vec<(String, Bytes)>),
}

impl Call {
    /// A parameter in the path; the router made sure it is there.
    pub(super) fn param(&self, name: &str) -> String {
        self.path.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// A parameter in the query.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }

    /// A whole number in the query, between two bounds.
    pub(super) fn number(&self, name: &str, low: u64, high: u64, default: u64) -> Result<u64, Refusal> {
        let Some(text) = self.query(name) else { return Ok(default) };
        text.parse().ok().filter(|n| (low..=high).contains(n)).ok_or_else(|| {
            Refusal::invalid(name, format!("\"{name}\" must be a whole number from {low} to {high}"))
        })
    }

    /// The JSON object; an empty one where there is none.
    pub(super) fn json(&self) -> &Object {
        static NONE: std::sync::LazyLock<Object> = std::sync::LazyLock::new(Object::new);
        match &self.body {
            Body::Json(object) => object,
            Body::None | Body::Form(_) => &NONE,
        }
    }

    /// A picture among the parts of a form.
    pub(super) fn part(&self, name: &str) -> Result<Photo, Refusal> {
        let parts = match &self.body {
            Body::Form(parts) => parts.as_slice(),
            Body::None | Body::Json(_) => &[],
        };
        let (_, bytes) = parts.iter().find(|(key, _)| key == name).ok_or_else(|| Refusal::missing(name))?;
        Photo::checked(name, bytes.to_vec()).map_err(|e| e.refusal(name))
    }

    /// A short text among the parts of a form.
    pub(super) fn part_text(&self, name: &str) -> Option<String> {
        let Body::Form(parts) = &self.body else { return None };
        let (_, bytes) = parts.iter().find(|(key, _)| key == name)?;
        String::from_utf8(bytes.to_vec()).ok().filter(|text| !text.trim().is_empty())
    }

    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|v| !v.is_empty())
    }

    /// What makes this request the same as another one: its parameters and its body, without a form's boundaries.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut field = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        for (key, value) in self.path.iter().chain(&self.query) {
            field(key.as_bytes());
            field(value.as_bytes());
        }
        field(self.header("x-face-uid").unwrap_or_default().as_bytes());
        match &self.body {
            Body::None => {}
            Body::Json(object) => field(serde_json::to_string(object).unwrap_or_default().as_bytes()),
            Body::Form(parts) => {
                for (name, bytes) in parts {
                    field(name.as_bytes());
                    field(bytes);
                }
            }
        }
        *hasher.finalize().as_bytes()
    }
}

/// Refuses, by the headers alone, what is too large or of another media type.
pub(super) fn check_headers(headers: &HeaderMap, media: Media) -> Result<(), Refusal> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if media != Media::None && length.is_some_and(|length| length > media.limit() as u64) {
        return Err(too_large());
    }
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (right, wanted) = match media {
        Media::None => return Ok(()),
        Media::Json(_) => {
            let json = essence == "application/json"
                || (essence.starts_with("application/") && essence.ends_with("+json"));
            (json, "application/json")
        }
        Media::Form(_) => (essence == "multipart/form-data", "multipart/form-data"),
    };
    if right {
        return Ok(());
    }
    Err(Refusal::new(Code::UnsupportedMedia, format!("the Content-Type must be {wanted}")))
}

/// Reads the body as the route wants it.
pub(super) async fn read(
    request: Request<Incoming>,
    media: Media,
    patience: Duration,
) -> Result<Body, Refusal> {
    if media == Media::None {
        return Ok(Body::None);
    }
    let (parts, incoming) = request.into_parts();
    let arriving = tokio::time::timeout(patience, to_bytes(incoming, media.limit()));
    let bytes = match arriving.await {
        Err(_) => return Err(Refusal::new(Code::Malformed, "the body did not arrive in time")),
        Ok(Err(error)) => {
            return Err(if is_length_limit(&error) {
                too_large()
            } else {
                Refusal::new(Code::Malformed, "the body ended early")
            });
        }
        Ok(Ok(bytes)) => bytes,
    };
    match media {
        Media::None => Ok(Body::None),
        Media::Json(_) => json::object(&bytes).map(Body::Json),
        Media::Form(_) => form(Request::from_parts(parts, Incoming::from(bytes))).await.map(Body::Form),
    }
}

async fn form(mut request: Request<Incoming>) -> Result<Vec<(String, Bytes)>, Refusal> {
    let malformed = |_| Refusal::new(Code::Malformed, "the form cannot be read");
    // The bytes were counted before.
    DefaultBodyLimit::disable().apply(&mut request);
    let mut multipart = Multipart::from_request(request, &())
        .await
        .map_err(|_| Refusal::new(Code::Malformed, "the form cannot be read: its boundary is missing"))?;
    let mut parts: Vec<(String, Bytes)> = Vec::new();
    while let Some(field) = multipart.next_field().await.map_err(malformed)? {
        let name = field.name().unwrap_or_default().to_owned();
        if parts.len() == MAX_PARTS || parts.iter().any(|(key, _)| *key == name) {
            return Err(Refusal::new(Code::Malformed, "the form has too many parts, or one twice"));
        }
        parts.push((name, field.bytes().await.map_err(malformed)?));
    }
    Ok(parts)
}

fn too_large() -> Refusal {
    Refusal::new(Code::TooLarge, "the body is too large; an image may have 5 MB")
}

fn is_length_limit(error: &axum::Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.to_string() == "length limit exceeded" {
            return true;
        }
        source = error.source();
    }
    false
}
