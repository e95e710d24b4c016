//! Events to disk and on to the uplink, off the control loop.
//!
//! Owns: the queue, the batches, the retry, the count of what was lost. Does not own: the chain and the outbox
//! (`store`), the transport (`ports::Uplink`).
//! Overflow policy: when the disk has refused for so long that the queue is full, the newest events are dropped
//! and counted, and the first thing written when the disk obeys again is a `log_gap` with their number.
//! Invariants: recording never blocks; what was taken is written in order, exactly once; nothing is published
//! before it is committed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use crate::app::supervisor::{Loop, Stamps};
use crate::domain::{DoorId, Event, EventKind, EventSeq};
use crate::ports::{Clock, Uplink};
use crate::store::{Record, Store};

const QUEUE: usize = 1_024;
const BATCH: usize = 64;
const TURN: Duration = Duration::from_millis(500);
/// Committed events offered to the uplink in one turn.
const OFFER: usize = 64;

/// The control loop's end.
#[derive(Clone)]
pub struct JournalSender {
    queue: SyncSender<Record>,
    health: Arc<Health>,
}

/// How the journal fares; read by the status.
#[derive(Debug, Default)]
pub struct Health {
    /// The disk refuses.
    pub refusing: AtomicBool,
    /// Events dropped since the last `log_gap`.
    pub lost: AtomicU64,
    /// The process ends: what the disk refuses now is given up.
    pub closing: AtomicBool,
}

impl JournalSender {
    /// Hands over an event. Never blocks.
    pub fn record(&self, event: Event) {
        self.keep(Record::Event(event));
    }

    /// Hands over an event, a passage or a punch. Never blocks.
    pub fn keep(&self, record: Record) {
        match self.queue.try_send(record) {
            Ok(()) => {}
            Err(TrySendError::Full(record) | TrySendError::Disconnected(record)) => {
                self.health.lost.fetch_add(1, Ordering::Relaxed);
                tracing::error!(what = what(&record), "a record was lost: the disk does not take them");
            }
        }
    }

    /// How the journal fares.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }
}

/// The journal's end: owns the thread's work.
pub struct Journal {
    queue: Receiver<Record>,
    health: Arc<Health>,
    store: Arc<Store>,
    uplink: Option<Box<dyn Uplink>>,
    clock: Arc<dyn Clock>,
    door: DoorId,
    waiting: VecDeque<Record>,
    offered: EventSeq,
}

impl Journal {
    /// A journal on `store` that offers what it commits from now on to `uplink`.
    #[must_use]
    pub fn new(
        store: Arc<Store>,
        uplink: Option<Box<dyn Uplink>>,
        clock: Arc<dyn Clock>,
        door: DoorId,
        offered: EventSeq,
    ) -> (JournalSender, Self) {
        let (sender, queue) = sync_channel(QUEUE);
        let health = Arc::new(Health::default());
        let journal = Self {
            queue,
            health: Arc::clone(&health),
            store,
            uplink,
            clock,
            door,
            waiting: VecDeque::with_capacity(BATCH),
            offered,
        };
        (JournalSender { queue: sender, health }, journal)
    }

    /// Works until every sender is gone and all is written, or the disk refuses the rest.
    pub fn run(mut self, stamps: &Stamps) {
        loop {
            stamps.stamp(Loop::Journal, self.clock.now().mono);
            let ended = self.collect();
            let written = self.commit();
            self.publish();
            if ended && (self.waiting.is_empty() || !written) {
                if !self.waiting.is_empty() {
                    tracing::error!(
                        events = self.waiting.len(),
                        "events could not be written before the end"
                    );
                }
                return;
            }
        }
    }

    /// One turn without waiting, for the lockstep driver.
    pub fn turn(&mut self) {
        while self.waiting.len() < BATCH
            && let Ok(event) = self.queue.try_recv()
        {
            self.waiting.push_back(event);
        }
        self.commit();
        self.publish();
    }

    /// Fills the batch; `true` when every sender is gone.
    fn collect(&mut self) -> bool {
        // While the disk refuses, one batch waits here and the rest in the queue.
        if self.waiting.len() >= BATCH {
            return self.health.closing.load(Ordering::Relaxed);
        }
        match self.queue.recv_timeout(TURN) {
            Ok(event) => self.waiting.push_back(event),
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => return true,
        }
        while self.waiting.len() < BATCH
            && let Ok(event) = self.queue.try_recv()
        {
            self.waiting.push_back(event);
        }
        false
    }

    /// Writes the batch; `false` when the disk refuses.
    fn commit(&mut self) -> bool {
        if self.waiting.is_empty() {
            return true;
        }
        let lost = self.health.lost.load(Ordering::Relaxed);
        if lost > 0 && self.waiting.front().is_some_and(|r| !is_gap(r)) {
            let gap = Event::new(EventKind::LogGap, self.door, self.clock.now())
                .with(format_args!("{lost} events lost: the disk did not take them"));
            self.waiting.push_front(Record::Event(gap));
        }
        let records = self.waiting.make_contiguous();
        let written = if self.health.closing.load(Ordering::Relaxed) {
            self.store.append_records(records)
        } else if let Some(written) = self.store.try_append_records(records) {
            written
        } else {
            // Somebody is being erased: for as long as that takes events wait here, then in the queue, and the loop moves.
            crate::device::clock_os::pause(crate::domain::Millis(TURN.as_millis() as u64));
            return false;
        };
        match written {
            Ok(()) => {
                if self.waiting.front().is_some_and(is_gap) {
                    self.health.lost.fetch_sub(lost, Ordering::Relaxed);
                }
                self.waiting.clear();
                if self.health.refusing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the disk takes events again");
                }
                true
            }
            Err(error) => {
                if !self.health.refusing.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "the disk does not take events; they wait in memory");
                }
                crate::device::clock_os::pause(crate::domain::Millis(TURN.as_millis() as u64));
                false
            }
        }
    }

    fn publish(&mut self) {
        let Some(uplink) = &mut self.uplink else { return };
        loop {
            let events = match self.store.read_events(EventSeq(self.offered.0 + 1), OFFER) {
                Ok(events) => events,
                Err(error) => {
                    tracing::error!(%error, "committed events cannot be read back");
                    return;
                }
            };
            if events.is_empty() {
                break;
            }
            for event in &events {
                if uplink.offer(event.seq.0, &event.json()).is_err() {
                    return;
                }
                self.offered = event.seq;
            }
        }
        let confirmed = uplink.confirmed();
        if confirmed > 0
            && !self.store.is_rewriting()
            && let Err(error) = self.store.ack(EventSeq(confirmed))
        {
            tracing::warn!(%error, "receipts of events could not be noted; they will be sent again");
        }
    }
}

const fn is_gap(record: &Record) -> bool {
    matches!(record, Record::Event(Event { kind: EventKind::LogGap, .. }))
}

const fn what(record: &Record) -> &'static str {
    match record {
        Record::Event(event) => event.kind.name(),
        Record::Passage(..) => "passage",
        Record::Punch { .. } => "punch",
    }
}
