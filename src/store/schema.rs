//! The layout on disk, its version, and what moves an old one to a new one.
//!
//! Owns: tables, keys, the format record, the counters. Does not own: redb's own pages, the sealing.
//!
//! Layout of format 1 (one redb file of mode 0600; every integer in a key is big-endian where it is sealed):
//!
//! ```text
//! table  key                        value
//! m      "format"                   clear: "OSTIARY\0" | format:u16 LE | gallery id:16 | sealed check (empty content)
//! m      "state"                    sealed State: counts, counters, head of the journal
//! m      "doc/<name>"               sealed small documents: tokens, collections, keys (`documents`)
//! p      person number:u64          sealed PersonRecord: the profile and the list of what belongs to it
//! t      (person number, template)  sealed TemplateRecord
//! c      (person number, template)  sealed CropRecord: aligned RGB, kept for a change of model
//! i      (person number, slot)      sealed ImageRecord: JPEG bytes
//! j      event number:u64           sealed EntryRecord of the journal; where a block ends version 2, with a signature
//! m      "epochs"                   sealed EpochsRecord: which models serve and which are to; absent until told
//! n      (person number, template)  sealed NextRecord: a template of the epoch that is being made
//! m      "extra"                    sealed Extra: counts of the tables below; absent in a gallery older than they
//! a      person number:u64          sealed AccessRecord: exceptions and hashes of PINs
//! b      person number:u64          sealed PassageRecord: where the person went last
//! k      line number:u64            sealed PunchRecord of the attendance book
//! m      "looks"                    sealed Lines: oldest and next number of the audit log; absent in a gallery older than it
//! l      line number:u64            sealed LookRecord of the audit log
//! ```
//!
//! Keys are numbers from counters that are never used twice. No id, no name and nothing derived from them stands
//! in a key, because redb keeps copies of keys in its inner pages; so once a person's sealed records are gone,
//! nothing in the file is about that person except sealed events. Those name the person by id, on purpose: who
//! passed when, and that the person was deleted, is what the journal is for. They go with the journal's age. Lines of
//! the attendance book name the person likewise, are owed to whoever pays wages, and go with the book's age.
//! Table names are single letters so that the search for a person's id never meets them.
//!
//! Every transaction writes `state` with it, and `state` counts the records of every table: a table that was
//! rolled back or emptied does not agree with it.
//! What this cannot see: a whole file put back to an older whole file. That needs a counter outside the disk.
//!
//! Migrations: the format number is raised with any change that an older program would misread. Each step is a
//! function in this file from N to N+1 over its own frozen record types, run in one transaction. Format 1 is the
//! first, so there is none yet. A record's own version byte allows reading records of several ages in one format.

use redb::TableDefinition;
use serde::{Deserialize, Serialize};

use ostiary_domain::EventSeq;

/// The format this program writes.
pub const FORMAT_VERSION: u16 = 1;
/// First bytes of the format record.
pub(super) const MAGIC: [u8; 8] = *b"OSTIARY\0";
/// Bytes of a gallery's random id.
pub(super) const GALLERY_ID_BYTES: usize = 16;
/// Version byte of every record type in format 1.
pub(super) const RECORD_V1: u8 = 1;
/// A template that was made again from a kept face, with the model on whose points that face was aligned.
pub(super) const RECORD_REMADE: u8 = 2;
/// A journal record with a signature behind it.
pub(super) const RECORD_SIGNED: u8 = 2;

pub(super) type Pair = (u64, u64);

pub(super) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("m");
pub(super) const PEOPLE: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("p");
pub(super) const TEMPLATES: TableDefinition<'static, Pair, &[u8]> = TableDefinition::new("t");
pub(super) const CROPS: TableDefinition<'static, Pair, &[u8]> = TableDefinition::new("c");
pub(super) const IMAGES: TableDefinition<'static, Pair, &[u8]> = TableDefinition::new("i");
pub(super) const JOURNAL: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("j");

pub(super) const ACCESS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("a");
pub(super) const PASSAGES: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("b");
pub(super) const PUNCHES: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("k");

pub(super) const LOOKS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("l");

pub(super) const NEXT: TableDefinition<'static, Pair, &[u8]> = TableDefinition::new("n");

pub(super) const EPOCHS_KEY: &str = "epochs";
pub(super) const EXTRA_KEY: &str = "extra";
pub(super) const FORMAT_KEY: &str = "format";
pub(super) const LOOKS_KEY: &str = "looks";
pub(super) const STATE_KEY: &str = "state";

/// Where a record stands: the words for errors and for the associated data.
pub(super) struct Place<'a> {
    /// The table in words.
    pub(super) table: &'static str,
    /// The key as bytes.
    pub(super) key: &'a [u8],
}

/// Names of the tables in associated data and errors. Part of the format: never change one.
pub(super) mod name {
    pub(crate) const META: &str = "meta";
    pub(crate) const PEOPLE: &str = "people";
    pub(crate) const TEMPLATES: &str = "templates";
    pub(crate) const CROPS: &str = "crops";
    pub(crate) const IMAGES: &str = "images";
    pub(crate) const JOURNAL: &str = "journal";
    pub(crate) const NEXT: &str = "next";
    pub(crate) const ACCESS: &str = "access";
    pub(crate) const PASSAGES: &str = "passages";
    pub(crate) const PUNCHES: &str = "punches";
    pub(crate) const LOOKS: &str = "looks";
}

/// The bytes of a two-part key in associated data.
pub(super) fn pair_bytes(key: Pair) -> [u8; 16] {
    let mut out = [0; 16];
    out[..8].copy_from_slice(&key.0.to_be_bytes());
    out[8..].copy_from_slice(&key.1.to_be_bytes());
    out
}

/// Counts of the tables that came later, written with every transaction that changes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extra {
    pub(super) access: u64,
    pub(super) passages: u64,
    /// Oldest line of the attendance book.
    pub(super) first_punch: u64,
    /// Next line's number.
    pub(super) next_punch: u64,
    /// When the newest line was written, milliseconds since 1970.
    pub(super) last_written: i64,
}

impl Default for Extra {
    fn default() -> Self {
        Self { access: 0, passages: 0, first_punch: 1, next_punch: 1, last_written: i64::MIN }
    }
}

/// The numbers of the audit log's lines, written with every transaction that changes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lines {
    /// Oldest line kept.
    pub(super) first: u64,
    /// Next line's number.
    pub(super) next: u64,
}

impl Default for Lines {
    fn default() -> Self {
        Self { first: 1, next: 1 }
    }
}

/// Counts and counters, written with every transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) people: u64,
    pub(super) templates: u64,
    pub(super) crops: u64,
    pub(super) images: u64,
    /// Next person number; never goes back.
    pub(super) next_person: u64,
    /// Next template id; never goes back.
    pub(super) next_template: u64,
    /// Counts changes of people and templates.
    pub(super) revision: u64,
    /// Oldest event kept.
    pub(super) first_seq: u64,
    /// Next event's number.
    pub(super) next_seq: u64,
    /// Hash of the newest event, zeros before the first.
    pub(super) head: [u8; 32],
    /// Every event up to here was confirmed by the receiver.
    pub(super) acked: u64,
    /// Events dropped before they were confirmed, ever.
    pub(super) lost: u64,
    /// Something was removed and its bytes may still be in the file.
    pub(super) erasing: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            people: 0,
            templates: 0,
            crops: 0,
            images: 0,
            next_person: 1,
            next_template: 1,
            revision: 0,
            first_seq: 1,
            next_seq: 1,
            head: [0; 32],
            acked: 0,
            lost: 0,
            erasing: false,
        }
    }
}

impl State {
    /// Events kept.
    pub(super) const fn kept(&self) -> u64 {
        self.next_seq - self.first_seq
    }

    /// Events not yet confirmed.
    pub(super) const fn depth(&self) -> u64 {
        let from = if self.acked + 1 > self.first_seq { self.acked + 1 } else { self.first_seq };
        self.next_seq.saturating_sub(from)
    }

    /// The newest event.
    pub(super) const fn newest(&self) -> EventSeq {
        EventSeq(self.next_seq - 1)
    }
}
