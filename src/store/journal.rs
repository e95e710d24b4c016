//! The journal, which is also the outbox: events in order, chained by hash, kept until confirmed or too old.
//!
//! Owns: numbering, the chain, the canonical form, the bound and the record of a loss. Does not own: transport.
//! Invariants: an event is committed together with what caused it; numbers start at 1 and have no gap; each event
//! holds the hash of the one before it; the last event of each append carries the device's signature over the chain up
//! to it (`signed`), so that a copied log can be shown to be whole and this device's.
//! Bound: `Options::journal_capacity`; when full the oldest go, confirmed ones first because they are older. What
//! goes unconfirmed is counted and said in a `log_gap` event.

use std::fmt::Write as _;
use std::ops::Range;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use redb::ReadableTable as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::db::Store;
use super::error::{Result, StoreError, corrupt};
use super::record::{Blob, Entry, EntryRecord, SignedRecord, decode_entry, encode};
use super::schema::{JOURNAL, Place, RECORD_SIGNED, name};
use super::signed::{block_message, holds};
use super::txn::{Draft, View};
use ostiary_domain::{BootId, Event, EventKind, EventSeq, Utc};

impl Store {
    /// Writes events; they are on the disk when this returns. The range covers them, and a `log_gap` where one
    /// had to be written.
    ///
    /// # Errors
    /// When the disk refuses; then none of them was acknowledged. After a failing commit they may stand in the
    /// journal nevertheless: who tries again may write them twice.
    pub fn append(&self, events: &[Event]) -> Result<Range<EventSeq>> {
        self.write(|draft| draft.append(events))
    }

    /// Up to `max` events from number `from` on, oldest first; begins at the oldest kept.
    ///
    /// # Errors
    /// When a record is damaged or missing.
    pub fn read_events(&self, from: EventSeq, max: usize) -> Result<Vec<Entry>> {
        self.read(|view| view.entries(from.0, max))
    }

    /// Up to `max` events that the receiver has not confirmed, oldest first.
    ///
    /// # Errors
    /// As [`Store::read_events`].
    pub fn pending_events(&self, max: usize) -> Result<Vec<Entry>> {
        self.read(|view| view.entries(view.state.acked + 1, max))
    }

    /// The last event written, if there is one.
    ///
    /// # Errors
    /// When its record is damaged.
    pub fn newest(&self) -> Result<Option<Entry>> {
        self.read(|view| Ok(view.entries(view.state.newest().0.max(1), 1)?.pop()))
    }

    /// The number of the last event written, 0 before the first; asks memory alone.
    #[must_use]
    pub fn newest_seq(&self) -> EventSeq {
        self.memory().state.newest()
    }

    /// Notes that the receiver has every event up to `upto`. Confirming again or backwards changes nothing.
    ///
    /// # Errors
    /// `AckAhead` when that event was never written, or when the disk refuses.
    pub fn ack(&self, upto: EventSeq) -> Result<()> {
        {
            let memory = self.memory();
            let newest = memory.state.newest();
            if upto > newest {
                return Err(StoreError::AckAhead { upto: upto.0, newest: newest.0 });
            }
            if upto.0 <= memory.state.acked {
                return Ok(());
            }
        }
        self.write(|draft| {
            draft.state.acked = draft.state.acked.max(upto.0);
            Ok(())
        })
    }

    /// The last event that the receiver has confirmed, with all before it; 0 when none.
    #[must_use]
    pub fn acked(&self) -> EventSeq {
        EventSeq(self.memory().state.acked)
    }

    /// Reads every event kept and checks numbers, hashes and links up to the head that the counters hold.
    /// Returns how many there are.
    ///
    /// # Errors
    /// `BrokenChain` names the first event that does not follow; `Corrupt` when a record does not open.
    pub fn verify_chain(&self) -> Result<u64> {
        self.verify_signed(None)
    }

    /// As [`Store::verify_chain`], and that every signature in it is by that Ed25519 key.
    ///
    /// # Errors
    /// As there, and `BadSignature`.
    pub fn verify_signed(&self, key: Option<&[u8; 32]>) -> Result<u64> {
        // In pieces, so that a door at work writes its events meanwhile: the journal only grows, and loses its oldest.
        let (mut previous, mut count) = (None, 0_u64);
        let (mut next, end, head) =
            self.read(|view| Ok((view.state.first_seq, view.state.next_seq, view.state.head)))?;
        while next < end {
            let (batch, first) = self.read(|view| Ok((view.entries(next, PIECE)?, view.state.first_seq)))?;
            if first > next {
                // What was to be read was the oldest and went: it begins anew behind it.
                previous = None;
                next = first;
            }
            let from = next;
            for entry in batch.iter().filter(|entry| (from..end).contains(&entry.seq.0)) {
                let follows = previous.is_none_or(|hash| hash == entry.prev_hash);
                if !follows || entry.hash != chain_hash(&canonical_body(entry)) {
                    return Err(StoreError::BrokenChain(entry.seq));
                }
                if let (Some(key), Some(signature)) = (key, &entry.signature)
                    && !holds(key, entry.seq.0, &entry.hash, signature)
                {
                    return Err(StoreError::BadSignature(entry.seq));
                }
                previous = Some(entry.hash);
                count += 1;
                next = entry.seq.0 + 1;
            }
            if batch.is_empty() && next < end {
                return Err(StoreError::BrokenChain(EventSeq(next)));
            }
        }
        if previous.is_some_and(|hash| hash != head) {
            return Err(StoreError::BrokenChain(EventSeq(end - 1)));
        }
        Ok(count)
    }
}

/// Events read in one piece by whoever reads all of them.
pub(super) const PIECE: usize = 1_024;

impl Draft<'_> {
    /// Adds events to this transaction.
    pub(super) fn append(&mut self, events: &[Event]) -> Result<Range<EventSeq>> {
        let first = EventSeq(self.state.next_seq);
        for (i, event) in events.iter().enumerate() {
            self.make_room(event)?;
            self.push(event, i + 1 == events.len())?;
        }
        Ok(first..EventSeq(self.state.next_seq))
    }

    fn push(&mut self, event: &Event, ends: bool) -> Result<()> {
        let seq = self.state.next_seq;
        let mut entry = Entry {
            seq: EventSeq(seq),
            boot: self.boot,
            event: event.clone(),
            prev_hash: self.state.head,
            hash: [0; 32],
            signature: None,
        };
        entry.hash = chain_hash(&canonical_body(&entry));
        let record = EntryRecord::new(entry.boot, event, entry.prev_hash, entry.hash);
        match self.signer.filter(|_| ends) {
            Some(sign) => {
                let signature = Blob(sign(&block_message(seq, &entry.hash)).to_vec());
                let plain = encode(name::JOURNAL, &SignedRecord { entry: record, signature })?;
                self.put_version(JOURNAL, name::JOURNAL, seq, RECORD_SIGNED, &plain)?;
            }
            None => self.put(JOURNAL, name::JOURNAL, seq, &encode(name::JOURNAL, &record)?)?,
        }
        self.state.head = entry.hash;
        self.state.next_seq = seq + 1;
        Ok(())
    }

    /// Drops the oldest events when the journal is full, a batch at a time so that one `log_gap` tells of many.
    fn make_room(&mut self, cause: &Event) -> Result<()> {
        if self.state.kept() < self.capacity {
            return Ok(());
        }
        // The event, and perhaps a log_gap before it.
        let batch = (self.state.kept() + 2 - self.capacity).max(self.capacity / 64).min(self.state.kept());
        let end = self.state.first_seq + batch;
        let lost_from = self.state.first_seq.max(self.state.acked + 1);
        {
            let mut table = self.txn.open_table(JOURNAL)?;
            for seq in self.state.first_seq..end {
                table.remove(seq)?;
            }
        }
        self.state.first_seq = end;
        if lost_from < end {
            let lost = end - lost_from;
            self.state.lost += lost;
            let gap = Event::new(EventKind::LogGap, cause.door, cause.at).with(format_args!(
                "{lost} events lost before they were confirmed, {lost_from} to {}",
                end - 1
            ));
            self.push(&gap, false)?;
        }
        Ok(())
    }
}

impl Draft<'_> {
    /// When the event of that number happened.
    pub(super) fn event_time(&self, seq: u64) -> Result<Utc> {
        let table = self.txn.open_table(JOURNAL)?;
        let sealed = table.get(seq)?.ok_or_else(|| corrupt(name::JOURNAL, format!("event {seq} is gone")))?;
        let place = Place { table: name::JOURNAL, key: &seq.to_be_bytes() };
        let (version, plain) = self.sealer.open(&place, sealed.value())?;
        Ok(decode_entry(version, &plain)?.0.event()?.at.utc)
    }
}

impl View<'_> {
    /// Entries from `from` on.
    pub(super) fn entries(&self, from: u64, max: usize) -> Result<Vec<Entry>> {
        let first = from.max(self.state.first_seq);
        let last = self.state.next_seq.min(first.saturating_add(max as u64));
        let table = self.txn.open_table(JOURNAL)?;
        let mut out = Vec::new();
        if first >= last {
            return Ok(out);
        }
        let mut expected = first;
        for row in table.range(first..last)? {
            let (key, value) = row?;
            let seq = key.value();
            if seq != expected {
                break;
            }
            let (version, plain) =
                self.sealer.open(&Place { table: name::JOURNAL, key: &seq.to_be_bytes() }, value.value())?;
            let (record, signature) = decode_entry(version, &plain)?;
            out.push(Entry {
                seq: EventSeq(seq),
                boot: BootId(record.boot),
                event: record.event()?,
                prev_hash: record.prev_hash,
                hash: record.hash,
                signature,
            });
            expected += 1;
        }
        if expected == last {
            Ok(out)
        } else {
            Err(corrupt(name::JOURNAL, format!("event {expected} is gone")))
        }
    }
}

impl Entry {
    /// When it happened, as in the canonical form: RFC 3339 in UTC with milliseconds.
    #[must_use]
    pub fn time(&self) -> String {
        rfc3339(self.event.at.utc)
    }

    /// The hash of the event before it, as in the canonical form.
    #[must_use]
    pub fn prev_hash_text(&self) -> String {
        hex(&self.prev_hash)
    }

    /// The canonical form with its hash: the one JSON text of this event, the same for ever and everywhere.
    ///
    /// Fields in this order, no spaces: `seq boot type time trust mono_ms door person reason cause detail
    /// prev_hash hash`, and `sig` where a block ends; absent ones are `null`. `hash` is SHA-256 of the text without
    /// `hash` and `sig`.
    #[must_use]
    pub fn json(&self) -> String {
        let mut body = canonical_body(self);
        body.pop();
        body.push_str(",\"hash\":\"");
        body.push_str(&hex(&self.hash));
        if let Some(signature) = &self.signature {
            body.push_str("\",\"sig\":\"");
            body.push_str(&hex(signature));
        }
        body.push_str("\"}");
        body
    }
}

/// The canonical form without its hash.
fn canonical_body(entry: &Entry) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        seq: u64,
        boot: String,
        r#type: &'a str,
        time: String,
        trust: &'a str,
        mono_ms: u64,
        door: u8,
        person: Option<&'a str>,
        reason: Option<&'a str>,
        cause: Option<&'a str>,
        detail: &'a str,
        prev_hash: String,
    }
    let event = &entry.event;
    let body = Body {
        seq: entry.seq.0,
        boot: format!("{:016x}", entry.boot.0),
        r#type: event.kind.name(),
        time: rfc3339(event.at.utc),
        trust: match event.at.trust {
            ostiary_domain::ClockTrust::Trusted => "trusted",
            ostiary_domain::ClockTrust::Untrusted => "untrusted",
        },
        mono_ms: event.at.mono.0,
        door: event.door.0,
        person: event.person.as_ref().map(ostiary_domain::PersonId::as_str),
        reason: event.reason.map(ostiary_domain::DenyReason::name),
        cause: event.cause.map(ostiary_domain::GrantCause::name),
        detail: &event.detail,
        prev_hash: hex(&entry.prev_hash),
    };
    // Writing strings and numbers into memory cannot fail.
    serde_json::to_string(&body).unwrap_or_default()
}

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// UTC with milliseconds; a time beyond the calendar is shown as its first or last instant.
pub(super) fn rfc3339(utc: Utc) -> String {
    let time =
        Timestamp::from_millisecond(utc.0).unwrap_or(if utc.0 < 0 { Timestamp::MIN } else { Timestamp::MAX });
    PRINTER.timestamp_to_string(&time)
}

pub(super) fn chain_hash(body: &str) -> [u8; 32] {
    Sha256::digest(body.as_bytes()).into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        // Writing into a String cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}
