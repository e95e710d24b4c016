//! Walks over everybody: for the gallery in memory, and for the check of every record.
//!
//! Owns: reading people in batches. Does not own: what the readers make of them.
//! Invariant: a walk is over one consistent state, and a person who is missing is noticed.

use super::db::Store;
use super::error::Result;
use super::record::PersonRecord;
use super::schema::PEOPLE;
use super::txn::{View, open_person};
use ostiary_domain::{ModelId, Person, Template};

/// People read at once.
const BATCH: usize = 64;

impl Store {
    /// Calls `f` for everyone who has templates of that model, with those templates, in the order of enrolment.
    /// All of it is one consistent state. `f` must not call the store.
    ///
    /// # Errors
    /// When a record is damaged or missing; `f` has then been called for those before it, so a gallery that was
    /// built so far must be thrown away.
    pub fn for_each_enrolled(&self, model: ModelId, mut f: impl FnMut(&Person, &[Template])) -> Result<()> {
        self.for_each_with_looks(model, |person, templates| {
            if !templates.is_empty() {
                f(person, templates);
            }
        })
    }

    /// As [`Store::for_each_enrolled`], for everyone who has templates at all: who has none of `model` is given with
    /// none, and must be enrolled again to be known to it.
    ///
    /// # Errors
    /// As there.
    pub fn for_each_with_looks(&self, model: ModelId, mut f: impl FnMut(&Person, &[Template])) -> Result<()> {
        self.read_in_batches(
            |view, from| {
                some_people(view, from, |number, record| {
                    let of_model = view.templates(number, record, Some(model))?;
                    Ok((record.person()?, of_model, record.templates.is_empty()))
                })
            },
            |batch| {
                for (_, (person, templates, _)) in batch.iter().filter(|(_, (_, _, bare))| !bare) {
                    f(person, templates);
                }
                further(batch)
            },
        )
    }

    /// Opens every record there is and checks the journal's chain; returns how many records were opened. For an
    /// installer's check: opening the store alone leaves crops and pictures sealed.
    ///
    /// # Errors
    /// The first damage found.
    pub fn check(&self) -> Result<u64> {
        let mut opened = self.verify_chain()?;
        self.read_in_batches(
            |view, from| {
                some_people(view, from, |number, record| {
                    record.person()?;
                    let templates = view.templates(number, record, None)?.len();
                    Ok(1 + templates + view.crops(number, record)?.len() + view.images(number, record)?.len())
                })
            },
            |batch| {
                opened += batch.iter().map(|(_, records)| *records as u64).sum::<u64>();
                further(batch)
            },
        )?;
        Ok(opened)
    }
}

/// The next people from a number on, each with what `read` makes of their record.
fn some_people<T>(
    view: &View<'_>,
    from: u64,
    read: impl Fn(u64, &PersonRecord) -> Result<T>,
) -> Result<Vec<(u64, T)>> {
    let table = view.txn.open_table(PEOPLE)?;
    let mut batch = Vec::new();
    for row in table.range(from..)?.take(BATCH) {
        let (key, value) = row?;
        let number = key.value();
        batch.push((number, read(number, &open_person(view.sealer, number, value.value())?)?));
    }
    Ok(batch)
}

/// Where the next batch begins, and how many were in this one.
fn further<T>(batch: &[(u64, T)]) -> Option<(u64, u64)> {
    batch.last().map(|(number, _)| (number + 1, batch.len() as u64))
}
