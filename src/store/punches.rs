//! The attendance book: punches and corrections in order, never edited, each with its event in one transaction.
//!
//! Owns: table `k`, numbering, the window in which a second punch is the same, the age at which punches go. Does not
//! own: totals, exports, which kind a punch is.
//! Invariants: numbers start at 1 and have no gap but at the old end; a punch and its event are on the disk together or
//! not at all; a punch that is written again after a failure or a kill is the same punch; `written` never goes back,
//! so a month is found without reading the years before it.

use redb::{ReadableTable as _, TableDefinition};
use serde::{Deserialize, Serialize};

use super::db::Store;
use super::error::{Result, StoreError, corrupt};
use super::record::{decode, encode};
use super::schema::{PUNCHES, Place, name};
use super::seal::Sealer;
use super::txn::{Draft, View};
use ostiary_domain::{
    ClockTrust, DoorId, Event, EventKind, Passage, PersonId, Punch, PunchKind, PunchSource, Utc,
};

/// Lines looked back at for the same one: more than a kiosk takes in the window.
const LOOK_BACK: u64 = 256;

/// Something to be kept, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An event.
    Event(Event),
    /// Where somebody went.
    Passage(PersonId, Passage),
    /// A punch at that door. Within `same_s` seconds of the person's last it is the same one and leaves no trace.
    Punch {
        /// The punch.
        punch: Punch,
        /// Where.
        door: DoorId,
        /// Seconds.
        same_s: u32,
    },
}

/// One line of the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PunchLine {
    /// Its number, counted from 1.
    pub number: u64,
    /// Who.
    pub person: PersonId,
    /// When it counts.
    pub at: Utc,
    /// Whether the clock was believed.
    pub trust: ClockTrust,
    /// What; `None` for a line that only takes another back.
    pub kind: Option<PunchKind>,
    /// Job code; 0: none.
    pub job: u16,
    /// How.
    pub source: PunchSource,
    /// The line that this one takes back.
    pub voids: Option<u64>,
    /// Who corrected; empty for a punch at the door.
    pub by: String,
    /// Why.
    pub why: String,
    /// When it was written; never earlier than the line before.
    pub written: Utc,
    /// At which door.
    pub door: DoorId,
}

/// A line that somebody in the office adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Whose book.
    pub person: PersonId,
    /// The punch that was missing: when, what, job.
    pub adds: Option<(Utc, PunchKind, u16)>,
    /// The line that was wrong.
    pub voids: Option<u64>,
    /// Who corrects; 1 to 64 bytes.
    pub by: String,
    /// Why; up to 256 bytes.
    pub why: String,
}

#[derive(Serialize, Deserialize)]
struct PunchRecord {
    person: String,
    utc: i64,
    trusted: bool,
    kind: Option<String>,
    job: u16,
    source: String,
    voids: u64,
    by: String,
    why: String,
    written: i64,
    door: u8,
}

impl Store {
    /// Writes what happened, in order, in one transaction.
    ///
    /// # Errors
    /// As [`Store::append`]; what is tried again then is not written twice as far as punches go.
    pub fn append_records(&self, records: &[Record]) -> Result<()> {
        self.write(|draft| draft.take_records(records))
    }

    /// As [`Store::append_records`]; `None`, and nothing written, while the file is being written anew.
    pub fn try_append_records(&self, records: &[Record]) -> Option<Result<()>> {
        self.try_write(|draft| draft.take_records(records))
    }

    /// Adds a correction with its event; gives its number. A missing punch that was added already, word for word and
    /// not taken back since, is not added again: whoever did not hear the answer may ask once more.
    ///
    /// # Errors
    /// `NoSuchPunch` when the line to be taken back is not there, is another person's or was taken back already;
    /// or when the disk refuses.
    pub fn correct(&self, correction: &Correction, event: &Event) -> Result<u64> {
        self.write(|draft| {
            if let Some(number) = draft.same_correction(correction)? {
                return Ok(number);
            }
            if let Some(number) = correction.voids {
                draft.check_void(&correction.person, number)?;
            }
            let (at, kind, job) = match correction.adds {
                Some((at, kind, job)) => (at, Some(kind), job),
                None => (event.at.utc, None, 0),
            };
            let number = draft.put_line(&PunchLine {
                number: 0,
                person: correction.person.clone(),
                at,
                trust: ClockTrust::Trusted,
                kind,
                job,
                source: PunchSource::Manual,
                voids: correction.voids,
                by: correction.by.clone(),
                why: correction.why.clone(),
                written: event.at.utc,
                door: event.door,
            })?;
            draft.append(std::slice::from_ref(event))?;
            Ok(number)
        })
    }

    /// Up to `max` lines from number `from` on.
    ///
    /// # Errors
    /// When a record is damaged or missing.
    pub fn punches(&self, from: u64, max: usize) -> Result<Vec<PunchLine>> {
        self.read(|view| view.lines(from, max))
    }

    /// Every line written at or after `since`: all punches of that time, and what was corrected since.
    ///
    /// # Errors
    /// When a record is damaged or missing.
    pub fn punches_since(&self, since: Utc) -> Result<Vec<PunchLine>> {
        self.read(|view| {
            // The first line not written before: `written` never goes back.
            let (mut low, mut high) = (view.extra.first_punch, view.extra.next_punch);
            while low < high {
                let middle = low + (high - low) / 2;
                if view.line(middle)?.written < since { low = middle + 1 } else { high = middle }
            }
            view.lines(low, usize::MAX)
        })
    }

    /// How many lines there are.
    #[must_use]
    pub fn punch_count(&self) -> u64 {
        let extra = &self.memory().extra;
        extra.next_punch - extra.first_punch
    }
}

impl Draft<'_> {
    fn take_records(&mut self, records: &[Record]) -> Result<()> {
        for record in records {
            match record {
                Record::Event(event) => {
                    self.append(std::slice::from_ref(event))?;
                }
                Record::Passage(id, passage) => self.put_passage(id, *passage)?,
                Record::Punch { punch, door, same_s } => self.punch(punch, *door, *same_s)?,
            }
        }
        Ok(())
    }

    fn punch(&mut self, punch: &Punch, door: DoorId, same_s: u32) -> Result<()> {
        let first = self.extra.first_punch.max(self.extra.next_punch.saturating_sub(LOOK_BACK));
        for number in (first..self.extra.next_punch).rev() {
            let line = self.punch_line(number)?;
            let apart = punch.at.utc.0.abs_diff(line.at.0);
            if line.person == punch.person
                && line.source != PunchSource::Manual
                && apart < u64::from(same_s) * 1_000
            {
                return Ok(());
            }
        }
        let number = self.put_line(&PunchLine {
            number: 0,
            person: punch.person.clone(),
            at: punch.at.utc,
            trust: punch.at.trust,
            kind: Some(punch.kind),
            job: punch.job,
            source: punch.source,
            voids: None,
            by: String::new(),
            why: String::new(),
            written: punch.at.utc,
            door,
        })?;
        let event = Event::new(EventKind::Punch, door, punch.at).of(&punch.person).with(format_args!(
            "{} job {} number {number}",
            punch.kind.name(),
            punch.job
        ));
        self.append(&[event])?;
        Ok(())
    }

    fn put_line(&mut self, line: &PunchLine) -> Result<u64> {
        let number = self.extra.next_punch;
        self.extra.last_written = self.extra.last_written.max(line.written.0);
        let record = PunchRecord {
            person: line.person.as_str().to_owned(),
            utc: line.at.0,
            trusted: line.trust == ClockTrust::Trusted,
            kind: line.kind.map(|k| k.name().to_owned()),
            job: line.job,
            source: line.source.name().to_owned(),
            voids: line.voids.unwrap_or(0),
            by: line.by.clone(),
            why: line.why.clone(),
            written: self.extra.last_written,
            door: line.door.0,
        };
        self.put(PUNCHES, name::PUNCHES, number, &encode(name::PUNCHES, &record)?)?;
        self.extra.next_punch += 1;
        Ok(number)
    }

    /// A line of late that says the same.
    fn same_correction(&self, correction: &Correction) -> Result<Option<u64>> {
        // What takes a line back cannot be said twice anyway.
        let (Some((at, kind, job)), None) = (correction.adds, correction.voids) else { return Ok(None) };
        let newest = self.extra.next_punch;
        let mut taken_back = Vec::new();
        for number in (self.extra.first_punch.max(newest.saturating_sub(LOOK_BACK))..newest).rev() {
            let line = self.punch_line(number)?;
            let same = line.source == PunchSource::Manual
                && line.person == correction.person
                && (line.at, line.kind, line.job) == (at, Some(kind), job)
                && line.voids.is_none()
                && (&line.by, &line.why) == (&correction.by, &correction.why);
            if same && !taken_back.contains(&number) {
                return Ok(Some(number));
            }
            taken_back.extend(line.voids);
        }
        Ok(None)
    }

    fn check_void(&self, person: &PersonId, number: u64) -> Result<()> {
        let no = || StoreError::NoSuchPunch { person: person.clone(), number };
        if number < self.extra.first_punch || number >= self.extra.next_punch {
            return Err(no());
        }
        let line = self.punch_line(number)?;
        if line.person != *person || line.kind.is_none() {
            return Err(no());
        }
        for later in number + 1..self.extra.next_punch {
            if self.punch_line(later)?.voids == Some(number) {
                return Err(no());
            }
        }
        Ok(())
    }

    pub(super) fn punch_line(&self, number: u64) -> Result<PunchLine> {
        let table = self.txn.open_table(PUNCHES)?;
        let sealed = table.get(number)?.ok_or_else(|| corrupt(name::PUNCHES, "a line is gone"))?;
        line_of(self.sealer, number, sealed.value())
    }
}

impl View<'_> {
    fn line(&self, number: u64) -> Result<PunchLine> {
        let table = self.txn.open_table(PUNCHES)?;
        let sealed = table.get(number)?.ok_or_else(|| corrupt(name::PUNCHES, "a line is gone"))?;
        line_of(self.sealer, number, sealed.value())
    }

    pub(super) fn lines(&self, from: u64, max: usize) -> Result<Vec<PunchLine>> {
        let first = from.max(self.extra.first_punch);
        let last = self.extra.next_punch.min(first.saturating_add(max as u64));
        if first >= last {
            return Ok(Vec::new());
        }
        let definition: TableDefinition<'static, u64, &[u8]> = PUNCHES;
        let table = self.txn.open_table(definition)?;
        let mut out = Vec::new();
        for row in table.range(first..last)? {
            let (key, value) = row?;
            out.push(line_of(self.sealer, key.value(), value.value())?);
        }
        let whole = out.len() as u64 == last - first;
        if whole { Ok(out) } else { Err(corrupt(name::PUNCHES, "a line is gone")) }
    }
}

fn line_of(sealer: &Sealer, number: u64, sealed: &[u8]) -> Result<PunchLine> {
    let (version, plain) =
        sealer.open(&Place { table: name::PUNCHES, key: &number.to_be_bytes() }, sealed)?;
    let record: PunchRecord = decode(name::PUNCHES, version, &plain)?;
    let word = || corrupt(name::PUNCHES, "a word that this program does not know");
    Ok(PunchLine {
        number,
        person: record.person.parse().map_err(|_| word())?,
        at: Utc(record.utc),
        trust: if record.trusted { ClockTrust::Trusted } else { ClockTrust::Untrusted },
        kind: record.kind.map(|k| PunchKind::from_name(&k).ok_or_else(word)).transpose()?,
        job: record.job,
        source: PunchSource::from_name(&record.source).ok_or_else(word)?,
        voids: Some(record.voids).filter(|v| *v > 0),
        by: record.by,
        why: record.why,
        written: Utc(record.written),
        door: DoorId(record.door),
    })
}
