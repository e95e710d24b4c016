//! One request from its first byte to its answer, in the order of SPEC 3.
//!
//! Owns: the order of checks (key 401, rate 429, scope 403, size 413, media 415, body 400/409, then the command with
//! its face quality), the bounds on what happens at once. Does not own: what a command does.
//! Invariants: nothing of a body is read before its sender was let in; pictures in memory are bounded by the number
//! of permits; blocking work never runs on the two threads that serve connections.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body as Incoming;
use axum::extract::{ConnectInfo, Query, RawPathParams, State};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::wire::{Caller, Code, Command, Operations, Refusal, Reply, Scope, Scopes, Session};

use super::answer::{Answer, refused};
use super::call::{self, Call};
use super::console;
use super::idempotency::{self, Begin, Creates};
use super::limits::Limits;
use super::metrics::Metrics;
use super::route::{self, Access, Action, Header, Method, Route, Style};
use super::stream;
use super::turnstile::Ledger;

/// Bodies with pictures that may be in memory at once.
const BODIES: usize = 4;
/// Commands with pictures at work at once. They take turns on the door's vision anyway, and 25 megapixels take 200 MB while
/// they are decoded.
const PICTURES: usize = 1;
/// Other commands at work at once.
const LIGHT: usize = 4;
/// Event streams open at once.
const STREAMS: usize = 8;
/// Longest wait for a turn.
const TURN: Duration = Duration::from_secs(10);
/// Longest key.
const MAX_SECRET: usize = 128;

/// What all requests share.
pub(super) struct Shared {
    pub(super) operations: Arc<dyn Operations>,
    limits: Mutex<Limits>,
    creates: Mutex<Creates>,
    pub(super) metrics: Metrics,
    bodies: Arc<Semaphore>,
    pictures: Arc<Semaphore>,
    light: Arc<Semaphore>,
    pub(super) streams: Arc<Semaphore>,
    /// Whether connections are encrypted.
    secure: bool,
    ledger: Arc<Ledger>,
}

impl Shared {
    pub(super) fn new(
        operations: Arc<dyn Operations>,
        per_second: u32,
        secure: bool,
        ledger: Arc<Ledger>,
    ) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self {
            operations,
            limits: Mutex::new(Limits::new(per_second)),
            creates: Mutex::default(),
            metrics: Metrics::default(),
            bodies: semaphore(BODIES),
            pictures: semaphore(PICTURES),
            light: semaphore(LIGHT),
            streams: semaphore(STREAMS),
            secure,
            ledger,
        }
    }

    fn limits(&self) -> MutexGuard<'_, Limits> {
        // Counts; a panic between two of them loses at most one.
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn creates(&self) -> MutexGuard<'_, Creates> {
        self.creates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The router of the whole table.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    let mut router = Router::new();
    for route in route::served() {
        let filter = match route.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Put => MethodFilter::PUT,
            Method::Delete => MethodFilter::DELETE,
        };
        let handler = move |State(shared): State<Arc<Shared>>,
                            ConnectInfo(address): ConnectInfo<SocketAddr>,
                            path: RawPathParams,
                            request: Request<Incoming>| {
            let path = path.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            serve(shared, route, address, path, request)
        };
        router = router.route(route.path, on(filter, handler));
    }
    router.fallback(unknown).method_not_allowed_fallback(wrong_method).with_state(shared)
}

async fn unknown() -> Response {
    let refusal = Refusal::new(Code::NotFound, "there is no such address; see /openapi.json");
    refused(Style::Own, &refusal).into_response()
}

async fn wrong_method() -> Response {
    let refusal = Refusal::new(Code::Malformed, "this address does not take that method; see /openapi.json");
    let mut response = refused(Style::Own, &refusal).into_response();
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

async fn serve(
    shared: Arc<Shared>,
    route: &'static Route,
    address: SocketAddr,
    path: Vec<(String, String)>,
    request: Request<Incoming>,
) -> Response {
    let begun = shared.operations.mono_ms();
    let spare = shared.ledger.is_spare(address);
    let outcome = match route.action {
        Action::AtOnce(serve) => serve().map(Answer::into_response),
        Action::Ask { .. }
        | Action::Picture(_)
        | Action::Serve(_)
        | Action::Metrics
        | Action::EventStream
        | Action::EventFile { .. } => {
            if spare {
                Err(Refusal::busy("the door has too many connections; try again in a moment"))
            } else {
                answer(&shared, route, address, path, request, begun).await
            }
        }
    };
    let mut response = match outcome {
        Ok(response) => response,
        Err(refusal) => refused(route.style, &refusal).into_response(),
    };
    if spare {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let took_ms = shared.operations.mono_ms().saturating_sub(begun);
    let status = response.status().as_u16();
    shared.metrics.count(status, took_ms);
    tracing::debug!(method = ?route.method, path = route.path, status, took_ms, "a request was answered");
    response
}

async fn answer(
    shared: &Arc<Shared>,
    route: &'static Route,
    address: SocketAddr,
    path: Vec<(String, String)>,
    request: Request<Incoming>,
    begun: u64,
) -> Result<Response, Refusal> {
    let caller = admit(shared, route, address, request.headers(), begun)?;
    call::check_headers(request.headers(), route.media)?;
    let query = Query::<Vec<(String, String)>>::try_from_uri(request.uri())
        .map_err(|_| Refusal::new(Code::Malformed, "the query cannot be read"))?
        .0;
    let headers = request.headers().clone();
    let large = route.media.limit() > 1 << 20;
    // Held until the answer is made, so that pictures in memory stay bounded.
    let _body_permit = if large { Some(turn(&shared.bodies).await?) } else { None };
    let body = call::read(request, route.media, shared.ledger.patience.body).await?;
    let secure = shared.secure;
    let call = Call { caller, path, query, headers, body, secure, begun };

    if let Action::EventStream = route.action {
        return stream::events(shared, &call);
    }
    if let Action::EventFile { csv } = route.action {
        let shared = Arc::clone(shared);
        let file = tokio::task::spawn_blocking(move || stream::export(&shared, &call, csv));
        return file.await.unwrap_or_else(|_| Err(Refusal::new(Code::Internal, "a request's work panicked")));
    }
    let key = call.header("idempotency-key").filter(|_| route.doc.creates);
    let name = key
        .map(|key| idempotency::name(&call.caller.name, &format!("{:?} {}", route.method, route.path), key))
        .transpose()?;
    if let Some(name) = &name
        && let Begin::Replay(mut answer) = shared.creates().begin(name, call.digest(), begun)?
    {
        answer.headers.push(("idempotency-replayed", "true".to_owned()));
        return Ok(answer.into_response());
    }
    let outcome = perform(shared, route, address, call, large).await;
    if let Some(name) = &name {
        shared.creates().finish(name, outcome.as_ref().ok());
    }
    outcome.map(Answer::into_response)
}

/// Parses, asks and puts into form, off the threads that serve connections.
async fn perform(
    shared: &Arc<Shared>,
    route: &'static Route,
    address: SocketAddr,
    call: Call,
    large: bool,
) -> Result<Answer, Refusal> {
    let permit = turn(if large { &shared.pictures } else { &shared.light }).await?;
    let begun = call.begun;
    let at_work = Arc::clone(shared);
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let operations = &*at_work.operations;
        match route.action {
            Action::Ask { parse, render } => {
                let reply = operations.handle(&call.caller, parse(&call)?)?;
                render(&call, reply, operations)
            }
            Action::Picture(parse) => pictured(operations.handle(&call.caller, parse(&call)?)?),
            Action::Serve(serve) => serve(&call, operations),
            Action::Metrics => match operations.handle(&call.caller, Command::Status)? {
                Reply::Status(status) => {
                    Ok(Answer::text("text/plain; version=0.0.4", at_work.metrics.page(&status)))
                }
                other => Err(unexpected(&other)),
            },
            Action::AtOnce(serve) => serve(),
            Action::EventStream | Action::EventFile { .. } => {
                Err(Refusal::new(Code::Internal, "a stream is no single answer"))
            }
        }
    });
    let outcome =
        done.await.unwrap_or_else(|_| Err(Refusal::new(Code::Internal, "a request's work panicked")));
    if let (Err(refusal), Access::SetupCode) = (&outcome, route.access)
        && refusal.code == Code::Unauthenticated
    {
        shared.limits().failed(address.ip(), begun);
    }
    outcome
}

/// A picture, and beside it in base64 what is seen in it.
fn pictured(reply: Reply) -> Result<Answer, Refusal> {
    let (picture, seen) = match reply {
        Reply::Picture(picture) => (picture, None),
        Reply::Sight(sight) => (sight.picture, Some(sight.seen.0)),
        other => return Err(unexpected(&other)),
    };
    let mut answer = Answer::text("image/jpeg", picture.bytes);
    answer.headers.extend(seen.map(|seen| ("x-ostiary-seen", STANDARD.encode(seen))));
    Ok(answer)
}

/// A reply of another kind than the command has.
pub(super) fn unexpected(reply: &Reply) -> Refusal {
    Refusal::new(Code::Internal, format!("a command was answered {reply:?}"))
}

async fn turn(semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Refusal> {
    match tokio::time::timeout(TURN, Arc::clone(semaphore).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        // Closed never; too long is too busy.
        Ok(Err(_)) | Err(_) => {
            Err(Refusal::busy("the door has too many requests at once; try again in a moment"))
        }
    }
}

/// Key, rate and scope.
fn admit(
    shared: &Shared,
    route: &Route,
    address: SocketAddr,
    headers: &HeaderMap,
    now: u64,
) -> Result<Caller, Refusal> {
    let nobody = || Caller { name: "nobody".to_owned(), scopes: Scopes::NONE };
    if route.access == Access::Open {
        return Ok(nobody());
    }
    let limited = |seconds, message: &str| Refusal {
        retry_after_s: Some(seconds),
        ..Refusal::new(Code::Limited, message)
    };
    if let Some(seconds) = shared.limits().locked(address.ip(), now) {
        return Err(limited(seconds, "too many wrong keys from this address; wait"));
    }
    let Access::Key(place, scope) = route.access else { return Ok(nobody()) };
    let secret = presented(headers, place);
    if let (None, Header::Bearer, Some(session)) = (secret, place, session(shared, headers)) {
        let token = headers.get(console::CSRF).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if route.method != Method::Get && token != session.csrf {
            return Err(Refusal::new(Code::Forbidden, "the page is of another session; load it again"));
        }
        return allowed(shared, session.caller, scope, now);
    }
    let Some(secret) = secret.filter(|s| s.len() <= MAX_SECRET) else {
        return Err(Refusal::new(
            Code::Unauthenticated,
            "a key is required; make one: ostiary tokens create",
        ));
    };
    let Some(caller) = shared.operations.caller(secret) else {
        shared.limits().failed(address.ip(), now);
        return Err(Refusal::new(Code::Unauthenticated, "the key is wrong, expired or revoked"));
    };
    allowed(shared, caller, scope, now)
}

/// Rate and scope of somebody who is known.
fn allowed(shared: &Shared, caller: Caller, scope: Option<Scope>, now: u64) -> Result<Caller, Refusal> {
    if let Err(seconds) = shared.limits().take(&caller.name, now) {
        return Err(Refusal {
            retry_after_s: Some(seconds),
            ..Refusal::new(Code::Limited, "too many requests with this key; slow down")
        });
    }
    match scope.filter(|scope| !caller.may(*scope)) {
        Some(scope) => {
            Err(Refusal::new(Code::Forbidden, format!("the key lacks the scope \"{}\"", scope.name())))
        }
        None => Ok(caller),
    }
}

/// Whoever is signed in at the console; what the page asks by itself does not keep a session alive.
fn session(shared: &Shared, headers: &HeaderMap) -> Option<Session> {
    let secret = console::secret_in(headers, shared.secure)?;
    let alive = !headers.contains_key("x-background");
    shared.operations.sign_in()?.session(secret, alive)
}

fn presented(headers: &HeaderMap, place: Header) -> Option<&str> {
    match place {
        Header::KeySecret => headers.get("x-key-secret")?.to_str().ok(),
        Header::Bearer => {
            let (scheme, secret) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
        }
    }
}
