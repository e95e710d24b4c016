//! Signing in over HTTP: five endpoints and one cookie.
//!
//! Owns: their forms, the cookie's name and marks. Does not own: what is checked (`wire::SignIn`), lock-outs (`limits`,
//! as for the setup code). Invariants: the cookie is `__Host-` and `Secure` over TLS; over plain HTTP, which the
//! configuration allows on a loopback address alone, it has another name; its secret is in no answer's body.

use axum::http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::wire::{Code, Finish, Login, Operations, Refusal, Scope, Secret, Session, SignIn};

use super::super::answer::Answer;
use super::super::call::Call;
use super::super::own::strict_with;
use super::super::route::{Access, Action, Header, Media, Method, Route, SMALL, Style};
use super::DOC;

/// The header with the session's own token.
pub(in super::super) const CSRF: &str = "x-csrf-token";

const OVER_TLS: &str = "__Host-ostiary";
const IN_CLEAR: &str = "ostiary-clear";

const fn route(method: Method, path: &'static str, access: Access, media: Media, action: Action) -> Route {
    Route { method, path, access, style: Style::Own, media, action, doc: DOC }
}

pub(super) const STATE: Route =
    route(Method::Get, "/console/session", Access::Open, Media::None, Action::Serve(state));
pub(super) const BEGIN: Route =
    route(Method::Post, "/console/begin", Access::SetupCode, SMALL, Action::Serve(begin));
pub(super) const FINISH: Route =
    route(Method::Post, "/console/finish", Access::SetupCode, SMALL, Action::Serve(finish));
pub(super) const LOGIN: Route =
    route(Method::Post, "/console/login", Access::SetupCode, SMALL, Action::Serve(login));
pub(super) const LOGOUT: Route = route(
    Method::Post,
    "/console/logout",
    Access::Key(Header::Bearer, None),
    Media::None,
    Action::Serve(logout),
);

/// The session's secret among the cookies of a request.
pub(in super::super) fn secret_in(headers: &HeaderMap, secure: bool) -> Option<&str> {
    let name = if secure { OVER_TLS } else { IN_CLEAR };
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|v| v.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|one| one.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

fn desk(operations: &dyn Operations) -> Result<&dyn SignIn, Refusal> {
    operations.sign_in().ok_or_else(|| Refusal::new(Code::Unavailable, "nobody can sign in here"))
}

fn state(call: &Call, operations: &dyn Operations) -> Result<Answer, Refusal> {
    let desk = desk(operations)?;
    let session = secret_in(&call.headers, call.secure).and_then(|secret| desk.session(secret, false));
    match session {
        Some(session) => Answer::json(&shown(&session, operations)),
        None => Answer::json(&json!({ "signed_in": false, "first": desk.is_first() })),
    }
}

fn shown(session: &Session, operations: &dyn Operations) -> Value {
    json!({
        "signed_in": true,
        "name": session.name,
        "role": session.role,
        "scopes": session.caller.scopes.iter().map(Scope::name).collect::<Vec<_>>(),
        "csrf": session.csrf,
        "ends_in_s": session.until.saturating_sub(operations.mono_ms()) / 1_000,
    })
}

fn begin(call: &Call, operations: &dyn Operations) -> Result<Answer, Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        name: String,
        code: String,
    }
    let Body { name, code } = strict_with(call, &[])?;
    let begun = desk(operations)?.begin(&name, &Secret(code))?;
    Answer::json(&json!({ "key": begun.key, "address": begun.address }))
}

fn finish(call: &Call, operations: &dyn Operations) -> Result<Answer, Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        name: String,
        code: String,
        password: String,
        totp: String,
    }
    let Body { name, code, password, totp } = strict_with(call, &[])?;
    let finish = Finish { name, code: Secret(code), password: Secret(password), totp: Secret(totp) };
    let opened = desk(operations)?.finish(&finish)?;
    signed_in(call, operations, opened)
}

fn login(call: &Call, operations: &dyn Operations) -> Result<Answer, Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        name: String,
        password: String,
        totp: String,
    }
    let Body { name, password, totp } = strict_with(call, &[])?;
    let opened = desk(operations)?.login(&Login { name, password: Secret(password), totp: Secret(totp) })?;
    signed_in(call, operations, opened)
}

fn signed_in(
    call: &Call,
    operations: &dyn Operations,
    (session, secret): (Session, Secret),
) -> Result<Answer, Refusal> {
    let mut answer = Answer::json(&shown(&session, operations))?;
    answer.headers.push(("set-cookie", cookie(call.secure, &secret.0, "")));
    Ok(answer)
}

fn logout(call: &Call, operations: &dyn Operations) -> Result<Answer, Refusal> {
    if let Some(secret) = secret_in(&call.headers, call.secure) {
        desk(operations)?.logout(secret);
    }
    let mut answer = Answer::nothing();
    answer.headers.push(("set-cookie", cookie(call.secure, "", "; Max-Age=0")));
    Ok(answer)
}

/// Ends with the browser; the session behind it ends earlier.
fn cookie(secure: bool, secret: &str, more: &str) -> String {
    let (name, mark) = if secure { (OVER_TLS, "; Secure") } else { (IN_CLEAR, "") };
    format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict{mark}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others_and_marked() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=b; __Host-ostiary=secret; c=d".parse().unwrap());
        headers.append(header::COOKIE, "ostiary-clear=other".parse().unwrap());
        assert_eq!(secret_in(&headers, true), Some("secret"));
        assert_eq!(secret_in(&headers, false), Some("other"));
        assert_eq!(secret_in(&HeaderMap::new(), true), None);
        assert_eq!(cookie(true, "x", ""), "__Host-ostiary=x; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(
            cookie(false, "", "; Max-Age=0"),
            "ostiary-clear=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
        );
    }
}
