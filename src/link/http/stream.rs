//! Events as they come: Server-Sent Events (WHATWG HTML, section 9.2); and all that are kept, as a file.
//!
//! Owns: the streams' forms, their bound, the heartbeat. Does not own: the journal.
//! Invariants: a client that does not read holds up nobody: at most a few pages wait for it, in its own buffer; a
//! stream ends when its client goes; every committed event from the asked number on is in it, in order; a file that cannot be
//! finished breaks off and does not end as if it were whole; in a table no cell is a formula.

use std::fmt::Write as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use http_body::Frame;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{self, Receiver};

use crate::wire::{Caller, Command, EventPage, EventQuery, Operations, Refusal, Reply};

use super::call::Call;
use super::serve::{Shared, unexpected};

/// How often the journal is asked.
const TURN: Duration = Duration::from_millis(500);
/// Turns without an event until a heartbeat is sent.
const HEARTBEAT: u32 = 20;
const PAGE: u16 = 100;
/// Pages that wait for a slow reader.
const WAITING: usize = 2;

/// Begins a stream.
pub(super) fn events(shared: &Arc<Shared>, call: &Call) -> Result<Response, Refusal> {
    let permit = Arc::clone(&shared.streams)
        .try_acquire_owned()
        .map_err(|_| Refusal::busy("too many event streams are open; close one"))?;
    let last = call.header("last-event-id").and_then(|id| id.parse::<u64>().ok()).map(|id| id + 1);
    let from = match last {
        Some(from) => Some(from),
        None if call.query("from").is_some() => Some(call.number("from", 1, u64::MAX, 1)?),
        None => None,
    };
    let kind = call.query("type").map(str::to_owned);
    let (sender, receiver) = mpsc::channel(WAITING);
    let (operations, caller) = (Arc::clone(&shared.operations), call.caller.clone());
    let feed = tokio::spawn(async move {
        let mut query =
            EventQuery { from: from.unwrap_or(u64::MAX), limit: PAGE, kind, ..EventQuery::default() };
        let mut quiet = 0;
        loop {
            let asked = query.clone();
            let (operations, caller) = (Arc::clone(&operations), caller.clone());
            let page = tokio::task::spawn_blocking(move || page(&*operations, &caller, asked)).await;
            let Ok(Ok((text, next, newest))) = page else { return };
            // Without a number the stream begins with what comes after its start.
            query.from = if query.from == u64::MAX { newest + 1 } else { next };
            quiet = if text.is_empty() { quiet + 1 } else { 0 };
            let frame = match (text.is_empty(), quiet % HEARTBEAT) {
                (false, _) => text,
                (true, 1) => ": the door is here\n\n".to_owned(),
                (true, _) => String::new(),
            };
            if !frame.is_empty() && sender.send(Ok(Bytes::from(frame))).await.is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(TURN) => {}
                () = sender.closed() => return,
            }
        }
    });
    Ok(streamed(Pages { receiver, feed, _permit: permit }, "text/event-stream"))
}

fn streamed(pages: Pages, content_type: &'static str) -> Response {
    let mut response = Response::new(Body::new(pages));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Every event kept, or those of a kind or a person, as a file: `csv` or a line of JSON each.
pub(super) fn export(shared: &Arc<Shared>, call: &Call, csv: bool) -> Result<Response, Refusal> {
    let permit = Arc::clone(&shared.streams)
        .try_acquire_owned()
        .map_err(|_| Refusal::busy("too many event streams are open; close one"))?;
    let (kind, person) = (call.query("type").map(str::to_owned), call.query("person").map(str::to_owned));
    let mut query = EventQuery { limit: FILE_PAGE, kind, person, ..EventQuery::default() };
    // What cannot be asked is refused before a file begins.
    let first = asked(&*shared.operations, &call.caller, query.clone())?;
    let end = first.newest;
    let (sender, receiver) = mpsc::channel(WAITING);
    let (operations, caller) = (Arc::clone(&shared.operations), call.caller.clone());
    let feed = tokio::spawn(async move {
        let mut page = first;
        let mut text = if csv { HEAD.to_owned() } else { String::new() };
        loop {
            for event in &page.events {
                if csv {
                    row(event, &mut text);
                } else {
                    text.push_str(event);
                    text.push('\n');
                }
            }
            if sender.send(Ok(Bytes::from(std::mem::take(&mut text)))).await.is_err()
                || page.next > end
                || page.next <= query.from
            {
                return;
            }
            query.from = page.next;
            let (asked_for, operations, caller) = (query.clone(), Arc::clone(&operations), caller.clone());
            let next = tokio::task::spawn_blocking(move || asked(&*operations, &caller, asked_for)).await;
            let Ok(Ok(further)) = next else {
                let _ = sender.send(Err(io::Error::other("the journal cannot be read on"))).await;
                return;
            };
            page = further;
        }
    });
    let content_type = if csv { "text/csv; charset=utf-8" } else { "application/x-ndjson" };
    Ok(streamed(Pages { receiver, feed, _permit: permit }, content_type))
}

/// Events of one page of a file.
const FILE_PAGE: u16 = 1_000;
const COLUMNS: [&str; 9] = ["seq", "time", "type", "person", "reason", "cause", "detail", "door", "trust"];
const HEAD: &str = "seq,time,type,person,reason,cause,detail,door,trust\r\n";

/// An event as a row of a table; a cell that a spreadsheet would take for a formula begins with an apostrophe.
fn row(event: &str, out: &mut String) {
    let event: serde_json::Value = serde_json::from_str(event).unwrap_or_default();
    for (i, column) in COLUMNS.iter().enumerate() {
        let text = match &event[column] {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.replace('"', "\"\""),
            other => other.to_string(),
        };
        let guard = if text.starts_with(['=', '+', '-', '@', '\t']) { "'" } else { "" };
        // Writing into a String cannot fail.
        let _ = write!(out, "{}\"{guard}{text}\"", if i > 0 { "," } else { "" });
    }
    out.push_str("\r\n");
}

fn asked(operations: &dyn Operations, caller: &Caller, query: EventQuery) -> Result<EventPage, Refusal> {
    match operations.handle(caller, Command::ListEvents(query))? {
        Reply::Events(page) => Ok(page),
        other => Err(unexpected(&other)),
    }
}

/// One page of events as text, where to go on, and the newest number.
fn page(
    operations: &dyn Operations,
    caller: &Caller,
    query: EventQuery,
) -> Result<(String, u64, u64), Refusal> {
    match asked(operations, caller, query) {
        Ok(page) => {
            let mut text = String::new();
            for event in &page.events {
                let seq =
                    serde_json::from_str::<serde_json::Value>(event).ok().and_then(|v| v["seq"].as_u64());
                let id = seq.unwrap_or(page.next.saturating_sub(1));
                // Writing into a String cannot fail.
                let _ = write!(text, "id: {id}\ndata: {event}\n\n");
            }
            Ok((text, page.next, page.newest))
        }
        Err(refusal) => Err(refusal),
    }
}

/// The body of such an answer.
struct Pages {
    receiver: Receiver<io::Result<Bytes>>,
    feed: tokio::task::JoinHandle<()>,
    _permit: OwnedSemaphorePermit,
}

impl http_body::Body for Pages {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.receiver.poll_recv(context).map(|bytes| bytes.map(|bytes| bytes.map(Frame::data)))
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.feed.abort();
    }
}
