//! The audit log: who looked at what of the people kept here, and when.
//!
//! Owns: table `l`, numbering, the bound. Does not own: what counts as a look, when it is written (`app/audit`).
//! Invariants: numbers start at 1 and have no gap but at the old end, and first and next stand sealed in `m`, so that a
//! line that was taken out is noticed; nothing of what was seen is in a line.
//! Bound: [`MAX_LOOKS`]; when full the oldest go, a batch at a time.

use redb::{ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _};
use serde::{Deserialize, Serialize};

use super::db::{Shared, Store};
use super::error::{Result, corrupt};
use super::record::{decode, encode};
use super::schema::{LOOKS, LOOKS_KEY, Lines, META, Place, RECORD_V1, name};
use super::seal::Sealer;
use super::txn::{Draft, View};
use ostiary_domain::{About, ClockTrust, Looked, PersonId, Utc};

/// Lines kept.
pub const MAX_LOOKS: u64 = 100_000;
/// Lines that go at once when there are more.
const BATCH: u64 = MAX_LOOKS / 64;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Its number, counted from 1; given when it is written.
    pub number: u64,
    /// When.
    pub at: Utc,
    /// Whether the clock was believed.
    pub trust: ClockTrust,
    /// Who looked, as in events: `board`, `account marta`, `key 0123456789ab`.
    pub who: String,
    /// At what.
    pub what: Looked,
    /// Whom it is about.
    pub about: About,
    /// What else an auditor needs to know; never what was seen.
    pub detail: String,
}

#[derive(Serialize, Deserialize)]
struct LookRecord {
    utc: i64,
    trusted: bool,
    who: String,
    what: String,
    /// Lowest and highest id, empty where there is none.
    first: String,
    last: String,
    /// 0: nobody, or everybody where `all` says so.
    count: u32,
    all: bool,
    detail: String,
}

impl Store {
    /// Writes lines; they are on the disk when this returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn note_looks(&self, looks: &[Look]) -> Result<()> {
        self.write(|draft| looks.iter().try_for_each(|look| draft.note_look(look)))
    }

    /// Up to `max` lines with numbers below `before`, newest first; without `before` from the newest on.
    ///
    /// # Errors
    /// When a record is damaged or missing.
    pub fn looks(&self, before: Option<u64>, max: usize) -> Result<Vec<Look>> {
        self.read(|view| {
            let last = before.unwrap_or(u64::MAX).min(view.looks.next);
            let first = last.saturating_sub(max as u64).max(view.looks.first);
            let mut out = view.looks_between(first, last)?;
            out.reverse();
            Ok(out)
        })
    }

    /// How many lines there are; asks memory alone.
    #[must_use]
    pub fn look_count(&self) -> u64 {
        let looks = self.memory().looks;
        looks.next - looks.first
    }
}

impl Draft<'_> {
    fn note_look(&mut self, look: &Look) -> Result<()> {
        let (first, last, count, all) = match &look.about {
            About::Nobody => (String::new(), String::new(), 0, false),
            About::One(id) => (id.to_string(), id.to_string(), 1, false),
            About::Some { first, last, count } => (first.to_string(), last.to_string(), *count, false),
            About::Everybody => (String::new(), String::new(), 0, true),
        };
        let record = LookRecord {
            utc: look.at.0,
            trusted: look.trust == ClockTrust::Trusted,
            who: look.who.clone(),
            what: look.what.name().to_owned(),
            first,
            last,
            count,
            all,
            detail: look.detail.clone(),
        };
        if self.looks.next - self.looks.first >= MAX_LOOKS {
            let mut table = self.txn.open_table(LOOKS)?;
            for number in self.looks.first..self.looks.first + BATCH {
                table.remove(number)?;
            }
            self.looks.first += BATCH;
        }
        self.put(LOOKS, name::LOOKS, self.looks.next, &encode(name::LOOKS, &record)?)?;
        self.looks.next += 1;
        Ok(())
    }
}

impl Draft<'_> {
    /// One line.
    pub(super) fn look(&self, number: u64) -> Result<Look> {
        let table = self.txn.open_table(LOOKS)?;
        let sealed = table.get(number)?.ok_or_else(|| corrupt(name::LOOKS, "a line is gone"))?;
        look_of(self.sealer, number, sealed.value())
    }
}

impl View<'_> {
    /// The lines numbered `first` up to but not `last`, oldest first.
    pub(super) fn looks_between(&self, first: u64, last: u64) -> Result<Vec<Look>> {
        let mut out = Vec::new();
        if first >= last {
            return Ok(out);
        }
        for row in self.txn.open_table(LOOKS)?.range(first..last)? {
            let (key, value) = row?;
            out.push(look_of(self.sealer, key.value(), value.value())?);
        }
        let whole = out.len() as u64 == last - first;
        if whole { Ok(out) } else { Err(corrupt(name::LOOKS, "a line is gone")) }
    }
}

impl Shared {
    /// Reads the log's numbers and holds the table against them; makes both in an older gallery.
    pub(super) fn load_looks(&self) -> Result<Lines> {
        let txn = self.database()?.begin_read()?;
        let kept = txn.open_table(META)?.get(LOOKS_KEY)?.map(|sealed| sealed.value().to_vec());
        let lines: Lines = if let Some(sealed) = kept {
            let (version, plain) = self.sealer.open(&looks_place(), &sealed)?;
            decode(name::META, version, &plain)?
        } else {
            // Written before there was such a log.
            drop(txn);
            let txn = self.database()?.begin_write()?;
            write_looks(&txn, &self.sealer, Lines::default())?;
            txn.commit()?;
            return Ok(Lines::default());
        };
        let rows = txn.open_table(LOOKS)?.len()?;
        let expected = lines.next.saturating_sub(lines.first);
        if rows != expected {
            return Err(corrupt(name::LOOKS, format!("{rows} records where {expected} were written")));
        }
        Ok(lines)
    }
}

const fn looks_place() -> Place<'static> {
    Place { table: name::META, key: b"looks" }
}

/// Seals the log's numbers into their place.
pub(super) fn write_looks(txn: &redb::WriteTransaction, sealer: &Sealer, lines: Lines) -> Result<()> {
    let sealed = sealer.seal(&looks_place(), RECORD_V1, &encode(name::META, &lines)?)?;
    // So that readers always find it.
    txn.open_table(LOOKS)?;
    txn.open_table(META)?.insert(LOOKS_KEY, sealed.as_slice())?;
    Ok(())
}

fn look_of(sealer: &Sealer, number: u64, sealed: &[u8]) -> Result<Look> {
    let (version, plain) = sealer.open(&Place { table: name::LOOKS, key: &number.to_be_bytes() }, sealed)?;
    let record: LookRecord = decode(name::LOOKS, version, &plain)?;
    let word = || corrupt(name::LOOKS, "a word that this program does not know");
    let id = |text: &str| text.parse::<PersonId>().map_err(|_| word());
    let about = match (record.all, record.count) {
        (true, _) => About::Everybody,
        (false, 0) => About::Nobody,
        (false, 1) => About::One(id(&record.first)?),
        (false, count) => About::Some { first: id(&record.first)?, last: id(&record.last)?, count },
    };
    Ok(Look {
        number,
        at: Utc(record.utc),
        trust: if record.trusted { ClockTrust::Trusted } else { ClockTrust::Untrusted },
        who: record.who,
        what: Looked::from_name(&record.what).ok_or_else(word)?,
        about,
        detail: record.detail,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, SealKey, StoreError};

    fn look(n: u64) -> Look {
        let id: PersonId = format!("p{n}").parse().unwrap();
        Look {
            number: 0,
            at: Utc(n as i64),
            trust: ClockTrust::Trusted,
            who: "account marta".into(),
            what: Looked::Profile,
            about: About::One(id),
            detail: String::new(),
        }
    }

    #[test]
    fn lines_keep_their_order_are_bounded_sealed_and_missed_when_taken_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("g.redb");
        let open = || Store::open(&path, SealKey::from_bytes([1; 32]), Options::default());
        let store = open().unwrap();
        assert!(store.looks(None, 10).unwrap().is_empty());
        let all: Vec<Look> = (1..=MAX_LOOKS + 1).map(look).collect();
        for batch in all.chunks(20_000) {
            store.note_looks(batch).unwrap();
        }
        assert_eq!(store.look_count(), MAX_LOOKS - BATCH + 1);
        drop(store);
        let store = open().unwrap();
        let newest = store.looks(None, 2).unwrap();
        assert_eq!(newest, [MAX_LOOKS + 1, MAX_LOOKS].map(|n| Look { number: n, ..look(n) }));
        assert_eq!(store.looks(Some(MAX_LOOKS), 1).unwrap()[0].number, MAX_LOOKS - 1);
        assert_eq!(store.looks(Some(BATCH + 2), 10).unwrap().len(), 1, "the oldest is gone");
        drop(store);
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(13).any(|w| w == b"account marta"));
        // Taken out by somebody who has the file and not the key.
        let db = redb::Database::open(&path).unwrap();
        let txn = db.begin_write().unwrap();
        txn.open_table(LOOKS).unwrap().remove(MAX_LOOKS).unwrap();
        txn.commit().unwrap();
        assert!(db.begin_read().is_ok());
        drop(db);
        assert!(matches!(open(), Err(StoreError::Corrupt { .. })));
    }
}
