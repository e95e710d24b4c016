//! Events as they come: Server-Sent Events (WHATWG HTML, section 9.2).
//!
//! Owns: the stream's form, its bound, its heartbeat. Does not own: the journal.
//! Invariants: a client that does not read holds up nobody: at most a few pages wait for it, in its own buffer; a
//! stream ends when its client goes; every committed event from the asked number on is in it, in order.

use std::fmt::Write as _;
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

use crate::wire::{Caller, Command, EventQuery, Operations, Refusal, Reply};

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
        let mut query = EventQuery { from: from.unwrap_or(u64::MAX), limit: PAGE, kind, person: None };
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
            if !frame.is_empty() && sender.send(Bytes::from(frame)).await.is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(TURN) => {}
                () = sender.closed() => return,
            }
        }
    });
    let mut response = Response::new(Body::new(Pages { receiver, feed, _permit: permit }));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// One page of events as text, where to go on, and the newest number.
fn page(
    operations: &dyn Operations,
    caller: &Caller,
    query: EventQuery,
) -> Result<(String, u64, u64), Refusal> {
    match operations.handle(caller, Command::ListEvents(query))? {
        Reply::Events(page) => {
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
        other => Err(unexpected(&other)),
    }
}

/// The body of such an answer.
struct Pages {
    receiver: Receiver<Bytes>,
    feed: tokio::task::JoinHandle<()>,
    _permit: OwnedSemaphorePermit,
}

impl http_body::Body for Pages {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.receiver.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.feed.abort();
    }
}
