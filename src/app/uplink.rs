//! The journal as the link's outbox, and what wakes the link.
//!
//! Owns: the translation between the two. Does not own: the journal (`store`), the link (`link/mqtt`).

use std::sync::Arc;

use crate::domain::EventSeq;
use crate::link::mqtt::{Committed, Nudge, Outbox, OutboxError};
use crate::ports::{LinkDown, Uplink};
use crate::store::{Entry, Store, StoreError};

/// Tells the link that something was committed, and shows it on the terminal where there is one. It confirms
/// nothing: the link does, when a receiver or a broker has said so.
pub struct NudgingUplink {
    nudge: Nudge,
    console: Option<Box<dyn Uplink>>,
    shown: u64,
}

impl NudgingUplink {
    /// Shows events behind number `shown`.
    #[must_use]
    pub const fn new(nudge: Nudge, console: Option<Box<dyn Uplink>>, shown: u64) -> Self {
        Self { nudge, console, shown }
    }
}

impl Uplink for NudgingUplink {
    fn offer(&mut self, seq: u64, json: &str) -> Result<(), LinkDown> {
        if let Some(console) = self.console.as_mut().filter(|_| seq > self.shown) {
            // A terminal that was closed loses its lines; the events go on.
            let _ = console.offer(seq, json);
        }
        self.nudge.committed();
        Ok(())
    }

    fn confirmed(&mut self) -> u64 {
        0
    }
}

/// The journal, lent to the link.
pub struct StoreOutbox(pub Arc<Store>);

impl Outbox for StoreOutbox {
    fn read(&self, from: u64, max: usize) -> Result<Vec<Committed>, OutboxError> {
        Ok(self.0.read_events(EventSeq(from), max).map_err(said)?.iter().map(committed).collect())
    }

    fn acked(&self) -> u64 {
        self.0.acked().0
    }

    fn newest(&self) -> u64 {
        self.0.newest_seq().0
    }

    fn confirm(&self, upto: u64) -> Result<(), OutboxError> {
        self.0.ack(EventSeq(upto)).map_err(said)
    }
}

fn committed(entry: &Entry) -> Committed {
    Committed {
        seq: entry.seq.0,
        kind: entry.event.kind.name(),
        time: entry.time(),
        boot: format!("{:016x}", entry.boot.0),
        prev_hash: entry.prev_hash_text(),
        json: entry.json(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form of map_err")]
fn said(error: StoreError) -> OutboxError {
    OutboxError(error.to_string())
}
