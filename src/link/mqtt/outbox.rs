//! Committed events on their way out: read from the disk, given their form, ticked off.
//!
//! Owns: the lane (a thread of its own, because a disk may stall), the form of an event on the wire. Does not own:
//! the outbox itself (`store`, through [`Outbox`]), when to publish.
//! Invariants: the link never waits for the disk; of several confirmations that wait the highest is written.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use tokio::sync::mpsc;

/// A committed event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its number.
    pub seq: u64,
    /// `access_granted` and so on.
    pub kind: &'static str,
    /// RFC 3339.
    pub time: String,
    /// The start of the store in which it was written, 16 hex digits.
    pub boot: String,
    /// Hash of the event before it, hex.
    pub prev_hash: String,
    /// The canonical JSON text.
    pub json: String,
}

/// The disk refuses; what it says.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct OutboxError(pub String);

/// The events on disk. Calls may block for as long as the disk does.
pub trait Outbox: Send + Sync {
    /// Up to `max` events from number `from` on, oldest first; begins at the oldest kept.
    ///
    /// # Errors
    /// When the disk refuses.
    fn read(&self, from: u64, max: usize) -> Result<Vec<Committed>, OutboxError>;

    /// Everything up to here was confirmed.
    fn acked(&self) -> u64;

    /// The newest event.
    fn newest(&self) -> u64;

    /// Notes that everything up to `upto` has arrived.
    ///
    /// # Errors
    /// When the disk refuses; the events are sent again.
    fn confirm(&self, upto: u64) -> Result<(), OutboxError>;
}

/// What the lane is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Where the outbox stands.
    Standing,
    /// Events from that number on; `replay` comes back with them.
    Read { from: u64, max: usize, replay: bool },
    /// Everything up to here has arrived.
    Confirm(u64),
}

/// What the lane answers.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Standing { acked: u64, newest: u64 },
    Events { events: Vec<Committed>, replay: bool },
    Failed(String),
}

/// The link's end of the lane.
pub(super) struct Lane {
    asks: SyncSender<(u32, Ask)>,
    /// A confirmation that did not fit.
    unconfirmed: u64,
}

const ASKS: usize = 8;

impl Lane {
    /// Starts the thread; it ends when the lane is dropped.
    pub(super) fn start(outbox: Arc<dyn Outbox>) -> std::io::Result<(Self, mpsc::Receiver<(u32, Told)>)> {
        let (asks, inbox) = sync_channel(ASKS);
        let (tell, told) = mpsc::channel(ASKS);
        std::thread::Builder::new()
            .name("mqtt-outbox".into())
            .spawn(move || serve(&*outbox, &inbox, &tell))?;
        Ok((Self { asks, unconfirmed: 0 }, told))
    }

    /// Asks; `false` when the lane is full and the question must be asked again. `round` comes back.
    pub(super) fn ask(&self, round: u32, ask: Ask) -> bool {
        match self.asks.try_send((round, ask)) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// Confirms now, or with [`Lane::again`].
    pub(super) fn confirm(&mut self, upto: u64) {
        self.unconfirmed = self.unconfirmed.max(upto);
        self.again();
    }

    /// Tries a confirmation again that did not fit.
    pub(super) fn again(&mut self) {
        if self.unconfirmed > 0 && self.ask(0, Ask::Confirm(self.unconfirmed)) {
            self.unconfirmed = 0;
        }
    }
}

fn serve(outbox: &dyn Outbox, inbox: &Receiver<(u32, Ask)>, tell: &mpsc::Sender<(u32, Told)>) {
    while let Ok(first) = inbox.recv() {
        let mut asks = vec![first];
        asks.extend(inbox.try_iter());
        let upto = asks
            .iter()
            .filter_map(|(_, a)| if let Ask::Confirm(upto) = a { Some(*upto) } else { None })
            .max();
        if let Some(upto) = upto
            && let Err(error) = outbox.confirm(upto)
        {
            tracing::warn!(%error, "receipts of events could not be noted; they will be sent again");
        }
        for (round, ask) in asks {
            let told = match ask {
                Ask::Confirm(_) => continue,
                Ask::Standing => Told::Standing { acked: outbox.acked(), newest: outbox.newest() },
                Ask::Read { from, max, replay } => match outbox.read(from, max) {
                    Ok(events) => Told::Events { events, replay },
                    Err(error) => Told::Failed(error.0),
                },
            };
            if tell.blocking_send((round, told)).is_err() {
                return;
            }
        }
    }
}

impl Committed {
    /// The event as `CloudEvents` 1.0 in its structured JSON form. `data` is the canonical text itself, byte for
    /// byte, so that whoever keeps it can check the chain. Extension names may hold letters and digits alone.
    pub(super) fn cloud_event(&self, device: &str) -> String {
        let Self { seq, kind, time, boot, prev_hash, json } = self;
        format!(
            "{{\"specversion\":\"1.0\",\"id\":\"{device}/{boot}/{seq}\",\"source\":\"ostiary/{device}\",\
             \"type\":\"ostiary.{kind}\",\"time\":\"{time}\",\"datacontenttype\":\"application/json\",\
             \"seq\":{seq},\"prevhash\":\"{prev_hash}\",\"data\":{json}}}"
        )
    }

    /// The event for the live feed: `event_type` first, then the canonical fields.
    pub(super) fn live(&self) -> String {
        let rest = self.json.strip_prefix('{').unwrap_or("}");
        format!("{{\"event_type\":\"{}\",{rest}", self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_the_form_of_cloud_events() {
        let event = Committed {
            seq: 7,
            kind: "door_opened",
            time: "2026-11-21T08:00:00.000Z".into(),
            boot: "00000000000000ab".into(),
            prev_hash: "00".into(),
            json: r#"{"seq":7,"hash":"11"}"#.into(),
        };
        let value: serde_json::Value = serde_json::from_str(&event.cloud_event("front")).unwrap();
        for required in ["specversion", "id", "source", "type"] {
            assert!(value[required].is_string(), "{required}");
        }
        assert_eq!(value["id"], "front/00000000000000ab/7");
        assert_eq!(value["data"]["hash"], "11");
        let names = value.as_object().unwrap().keys();
        assert!(names.into_iter().all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())));
        let live: serde_json::Value = serde_json::from_str(&event.live()).unwrap();
        assert_eq!(live["event_type"], "door_opened");
    }
}
