//! What has grown too old goes: events, punches, lines of the audit log, pictures, faces, people who left.
//!
//! Owns: one removal of all that is due, and the proof. Does not own: what is due (`app/retention`), the clock.
//! Done as a deletion is (`erase`): removed in one transaction, the rest copied into a fresh file, and that searched for
//! parts of what was removed. Of lines and events, of which there may be a million, a sample is searched for; of people
//! everything.
//! Invariants: lines go from the old end alone, so that numbers and the chain hold; what was never confirmed by a broker
//! that confirmed others is told as a `log_gap`; nothing due, nothing written.

use serde::Serialize;

use super::db::Store;
use super::erase::{Kind, Removed};
use super::error::Result;
use super::medium::Part;
use super::record::PersonRecord;
use super::schema::{CROPS, JOURNAL, LOOKS, PUNCHES};
use super::search::{self, Needle};
use super::txn::Draft;
use ostiary_domain::{Event, EventKind, PersonId, Utc};

/// What is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    /// Events before that time.
    pub events: Option<Utc>,
    /// Lines of the attendance book that were written before that time.
    pub punches: Option<Utc>,
    /// Lines of the audit log before that time.
    pub looks: Option<Utc>,
    /// People with everything that is kept of them.
    pub people: Vec<PersonId>,
    /// Whose pictures go.
    pub pictures: Vec<PersonId>,
    /// Whose aligned faces go.
    pub crops: Vec<PersonId>,
}

/// What went, and how it was shown to be gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Expired {
    /// Events removed.
    pub events: u64,
    /// Lines of the attendance book removed.
    pub punches: u64,
    /// Lines of the audit log removed.
    pub looks: u64,
    /// People removed.
    pub people: u64,
    /// Templates removed with them.
    pub templates: u64,
    /// Pictures removed.
    pub pictures: u64,
    /// Aligned faces removed.
    pub crops: u64,
    /// Byte patterns looked for.
    pub patterns: u64,
    /// Patterns that the search found in the file before: shows that it can find them.
    pub found_before: u64,
    /// Bytes of the new file that were searched: all of it; 0 when nothing was due.
    pub bytes_searched: u64,
    /// Patterns found in it. Always 0: anything else is an error.
    pub occurrences: u64,
}

impl Expired {
    /// Whether anything went.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.events + self.punches + self.looks + self.people + self.pictures + self.crops == 0
    }
}

impl Store {
    /// Removes what is due and proves it; `told` makes the events of it.
    ///
    /// # Errors
    /// As [`Store::delete_person`]; people who are not there are passed over.
    pub fn expire(&self, due: &Expiry, told: impl FnOnce(&Expired) -> Vec<Event>) -> Result<Expired> {
        if *due == Expiry::default() {
            return Ok(Expired::default());
        }
        let _busy = self.rewriting();
        let mut shared = self.exclusive()?;
        let mut sample = Sample::default();
        let mut out = Expired::default();
        let written = self.write_with(&mut shared, |draft| {
            draft.expire_people(due, &mut out, &mut sample)?;
            draft.expire_lines(due, &mut out, &mut sample)?;
            let lost = draft.expire_events(due, &mut out, &mut sample)?;
            if out.is_empty() {
                return Ok(());
            }
            let events = told(&out);
            if let Some(event) = events.first().filter(|_| lost > 0) {
                let gap = Event::new(EventKind::LogGap, event.door, event.at);
                let gap = gap.with(format_args!("{lost} events grew too old before they were confirmed"));
                draft.append(&[gap])?;
            }
            draft.append(&events)?;
            draft.state.revision += u64::from(out.people + out.pictures + out.crops > 0);
            draft.state.erasing = true;
            Ok(())
        });
        drop(shared);
        written?;
        if out.is_empty() {
            return Ok(out);
        }
        let needles = sample.into_needles();
        out.patterns = needles.len() as u64;
        // The commit has left what was removed in freed pages, so it must be found now.
        out.found_before = search::count(&*self.medium, Part::Main, &needles)?.distinct;
        let searched = self.rewrite(&needles)?;
        (out.bytes_searched, out.occurrences) = (searched.bytes, searched.occurrences);
        Ok(out)
    }
}

impl Draft<'_> {
    fn expire_people(&mut self, due: &Expiry, out: &mut Expired, sample: &mut Sample) -> Result<()> {
        for id in &due.people {
            let Some((number, mut record)) = self.person(id)? else { continue };
            let (gone, plain) = self.take_person(number, &mut record, id)?;
            sample.always.extend(plain);
            out.people += 1;
            out.take(gone, sample);
        }
        let gone: Vec<&PersonId> = self.removed.iter().collect();
        let of = |list: &[PersonId]| -> Vec<PersonId> {
            list.iter().filter(|id| !gone.contains(id)).cloned().collect()
        };
        for (ids, pictures) in [(of(&due.pictures), true), (of(&due.crops), false)] {
            for id in ids {
                let Some((number, mut record)) = self.person(&id)? else { continue };
                let gone = if pictures {
                    self.take_images(number, &mut record)?
                } else {
                    self.take_crops(number, &mut record)?
                };
                if !gone.is_empty() {
                    self.put_record(number, &record)?;
                    out.take(gone, sample);
                }
            }
        }
        Ok(())
    }

    /// Aligned faces alone; their templates stay.
    fn take_crops(&mut self, number: u64, record: &mut PersonRecord) -> Result<Vec<Removed>> {
        let mut crops = self.txn.open_table(CROPS)?;
        let mut gone = Vec::new();
        for (template, crop) in record.templates.iter_mut().filter(|(_, crop)| *crop) {
            if let Some(value) = crops.remove((number, *template))? {
                gone.push(Removed::new(Kind::Crop, value.value()));
                self.state.crops -= 1;
            }
            *crop = false;
        }
        Ok(gone)
    }

    fn expire_lines(&mut self, due: &Expiry, out: &mut Expired, sample: &mut Sample) -> Result<()> {
        if let Some(before) = due.punches {
            while self.extra.first_punch < self.extra.next_punch {
                let number = self.extra.first_punch;
                if self.punch_line(number)?.written >= before {
                    break;
                }
                if let Some(value) = self.txn.open_table(PUNCHES)?.remove(number)? {
                    sample.some(value.value());
                }
                self.extra.first_punch += 1;
                out.punches += 1;
            }
        }
        if let Some(before) = due.looks {
            while self.looks.first < self.looks.next {
                let number = self.looks.first;
                if self.look(number)?.at >= before {
                    break;
                }
                if let Some(value) = self.txn.open_table(LOOKS)?.remove(number)? {
                    sample.some(value.value());
                }
                self.looks.first += 1;
                out.looks += 1;
            }
        }
        Ok(())
    }

    /// Answers how many had not been confirmed, where anything ever was.
    fn expire_events(&mut self, due: &Expiry, out: &mut Expired, sample: &mut Sample) -> Result<u64> {
        let Some(before) = due.events else { return Ok(0) };
        let first = self.state.first_seq;
        while self.state.first_seq < self.state.next_seq {
            let seq = self.state.first_seq;
            if self.event_time(seq)? >= before {
                break;
            }
            if let Some(value) = self.txn.open_table(JOURNAL)?.remove(seq)? {
                sample.some(value.value());
            }
            self.state.first_seq += 1;
            out.events += 1;
        }
        if self.state.acked == 0 {
            return Ok(0);
        }
        let lost = self.state.first_seq.saturating_sub(first.max(self.state.acked + 1));
        self.state.lost += lost;
        Ok(lost)
    }
}

impl Expired {
    fn take(&mut self, gone: Vec<Removed>, sample: &mut Sample) {
        for removed in gone {
            match removed.kind {
                Kind::Template => self.templates += 1,
                Kind::Crop => self.crops += 1,
                Kind::Image => self.pictures += 1,
                Kind::Profile | Kind::Standing | Kind::Made => {}
            }
            sample.always.extend(removed.needles);
        }
    }
}

/// What is searched for: all of people, and evenly chosen ones of many lines.
#[derive(Default)]
struct Sample {
    always: Vec<Needle>,
    chosen: Vec<Vec<Needle>>,
    met: u64,
    /// One of so many is chosen, less one.
    stride: u64,
}

impl Sample {
    const MOST: usize = 2_048;

    fn some(&mut self, sealed: &[u8]) {
        if self.met.is_multiple_of(self.stride + 1) {
            self.chosen.push(Removed::new(Kind::Standing, sealed).needles);
            if self.chosen.len() > Self::MOST {
                let mut at = 0;
                self.chosen.retain(|_| {
                    at += 1;
                    at % 2 == 1
                });
                self.stride = self.stride * 2 + 1;
            }
        }
        self.met += 1;
    }

    fn into_needles(self) -> Vec<Needle> {
        self.always.into_iter().chain(self.chosen.into_iter().flatten()).collect()
    }
}
