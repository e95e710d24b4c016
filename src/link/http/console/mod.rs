//! The console: the files that a browser runs, and the way in for people.
//!
//! Owns: which files there are, the headers that bind a browser, the sign-in endpoints, the cookie. Does not own:
//! passwords and sessions (`wire::SignIn`), any operation (the pages use the endpoints that programs use).
//! Invariants: nothing but files of this program runs in the page: no inline script, no other host; a page is never
//! framed; a cookie goes to this door alone and no script can read it; what changes something needs the session's own
//! token besides. These routes are no part of the API, so the OpenAPI document leaves them out.

mod sign_in;

use std::sync::LazyLock;

use crate::wire::{Code, Operations, Refusal};

use super::answer::Answer;
use super::call::Call;
use super::route::{Access, Action, Doc, Media, Method, Route, Style};

pub(super) use sign_in::{CSRF, secret_in};

/// A file of the console.
struct File {
    name: &'static str,
    media: &'static str,
    text: &'static str,
}

macro_rules! files {
    ($($name:literal $media:ident),+ $(,)?) => {
        &[$(File { name: $name, media: $media, text: include_str!(concat!("page/", $name)) }),+]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

const FILES: &[File] = files![
    "index.html" HTML,
    "style.css" CSS,
    "pages.css" CSS,
    "icon.svg" SVG,
    "app.js" JS,
    "api.js" JS,
    "ui.js" JS,
    "words.js" JS,
    "sign_in.js" JS,
    "live.js" JS,
    "people.js" JS,
    "person.js" JS,
    "looks.js" JS,
    "import.js" JS,
    "events.js" JS,
    "attendance.js" JS,
    "rules.js" JS,
    "week.js" JS,
    "explain.js" JS,
    "health.js" JS,
    "settings.js" JS,
    "tokens.js" JS,
    "audit.js" JS,
    "zip.js" JS,
];

/// Nothing but this door's own files, no frames, no forms to elsewhere, no text that becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
    media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let tag = |file: &File| format!("\"{}\"", &blake3::hash(file.text.as_bytes()).to_hex()[..20]);
    FILES.iter().map(tag).collect()
});

/// The page at `/`.
pub(super) fn index(call: &Call, _: &dyn Operations) -> Result<Answer, Refusal> {
    file("index.html", call)
}

/// The routes that are not part of the API.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::Get,
        path: "/console/{file}",
        access: Access::Open,
        style: Style::Own,
        media: Media::None,
        action: Action::Serve(|call, _| file(&call.param("file"), call)),
        doc: DOC,
    },
    sign_in::STATE,
    sign_in::BEGIN,
    sign_in::FINISH,
    sign_in::LOGIN,
    sign_in::LOGOUT,
];

const DOC: Doc =
    Doc { tag: "Console", summary: "", body: None, params: &[], ok: (200, None), also: &[], creates: false };

fn file(name: &str, call: &Call) -> Result<Answer, Refusal> {
    let at = FILES.iter().position(|file| file.name == name);
    let at = at.ok_or_else(|| Refusal::new(Code::NotFound, "the console has no such file"))?;
    let (file, tag) = (&FILES[at], &TAGS[at]);
    let same = call.header("if-none-match").is_some_and(|given| given.split(',').any(|t| t.trim() == tag));
    let mut answer = Answer::text(file.media, if same { "" } else { file.text });
    if same {
        answer.status = 304;
    }
    // Asked for again each time, and sent only when another version of the program serves it.
    answer.headers = vec![
        ("cache-control", "no-cache".to_owned()),
        ("etag", tag.clone()),
        ("content-security-policy", POLICY.to_owned()),
        ("x-frame-options", "DENY".to_owned()),
        ("referrer-policy", "no-referrer".to_owned()),
        ("cross-origin-opener-policy", "same-origin".to_owned()),
        ("cross-origin-resource-policy", "same-origin".to_owned()),
        ("permissions-policy", "camera=(self), microphone=(), geolocation=(), payment=()".to_owned()),
    ];
    Ok(answer)
}

#[cfg(test)]
pub(super) mod tests;
