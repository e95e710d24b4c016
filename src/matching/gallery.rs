//! Everybody who is enrolled, ready to be searched.
//!
//! Owns: people's numbers, names and standing beside their templates, and the two kinds of search.
//! Does not own: durable records (`store`), what a score is worth (`OpenSet`).
//! Invariants: a person is in it once, with at least one template, all of one model and one length; equal scores
//! are ordered by id, so a result does not depend on who was enrolled first.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;

use ostiary_domain::limits::{MAX_NAME, MAX_TEMPLATES};
use ostiary_domain::person::Label;
use ostiary_domain::{Cosine, Embedding, Match, ModelId, Person, PersonId, Standing, Template, clipped};

use super::matrix::{Matrix, Probe, Scan, plain};
use super::open_set::OpenSet;

/// Longest list of candidates.
pub const MAX_CANDIDATES: usize = 50;

/// The gallery of one model.
pub struct Gallery {
    model: ModelId,
    /// Values of a template; set by the first one.
    len: Option<usize>,
    people: Vec<Entry>,
    numbers: HashMap<PersonId, u32>,
    /// One row a person: the template of the best quality.
    primary: Matrix,
    /// All further templates.
    further: Matrix,
    dots: Scan,
}

/// What is kept of a person beside the templates.
pub struct Entry {
    id: PersonId,
    name: Box<str>,
    standing: Standing,
    collections: Box<[Label]>,
}

/// A score and the number of the person it was reached with.
type Hit = (f32, u32);

/// How thorough a search is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Over one template a person, the one of the best quality.
    #[default]
    Fast,
    /// Over all templates.
    Accurate,
}

/// One person a probe resembles.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Who.
    pub id: PersonId,
    /// Cosine with the nearest template that was searched.
    pub score: Cosine,
    /// Whether that person may be let in.
    pub standing: Standing,
}

impl Gallery {
    /// Nobody is enrolled.
    #[must_use]
    pub fn new(model: ModelId) -> Self {
        Self {
            model,
            len: None,
            people: Vec::new(),
            numbers: HashMap::new(),
            primary: Matrix::default(),
            further: Matrix::default(),
            dots: plain,
        }
    }

    /// Lets searches multiply with `dots`, which is to give exact products: what is found stays the same.
    #[must_use]
    pub fn scanning_with(mut self, dots: Scan) -> Self {
        self.dots = dots;
        self
    }

    /// Takes everybody who has a template of `model`; a person given twice counts as the last given.
    ///
    /// # Errors
    /// See [`Gallery::upsert`].
    pub fn build<P, T>(
        model: ModelId,
        enrolled: impl IntoIterator<Item = (P, T)>,
    ) -> Result<Self, GalleryError>
    where
        P: Borrow<Person>,
        T: AsRef<[Template]>,
    {
        let mut gallery = Self::new(model);
        for (person, templates) in enrolled {
            gallery.upsert(person.borrow(), templates.as_ref())?;
        }
        Ok(gallery)
    }

    /// Adds a person or replaces all that is held of them; answers how many templates were taken.
    ///
    /// Templates of another model are passed over. A person without any of this one's is not in the gallery
    /// afterwards, and the answer is 0: they need to be enrolled again.
    ///
    /// # Errors
    /// When a template has another length than those before it, or there are more than 10; the gallery then is as
    /// it was.
    pub fn upsert(&mut self, person: &Person, templates: &[Template]) -> Result<usize, GalleryError> {
        let usable = || templates.iter().filter(|t| t.model == self.model);
        let taken = usable().count();
        if taken > MAX_TEMPLATES {
            return Err(GalleryError::TooManyTemplates { id: person.id.clone(), found: taken });
        }
        let Some(first) = usable().next() else {
            self.remove(&person.id);
            return Ok(0);
        };
        let len = self.len.unwrap_or(first.embedding.values().len());
        if let Some(odd) = usable().map(|t| t.embedding.values().len()).find(|found| *found != len) {
            return Err(GalleryError::Length { id: person.id.clone(), expected: len, found: odd });
        }
        // The best quality; of equal ones the oldest number, so that it does not depend on the order given.
        let best =
            usable().max_by_key(|t| (t.quality, core::cmp::Reverse(t.id))).map_or(first.id, |best| best.id);

        let (this_model, mut primary_taken) = (self.model, false);
        self.remove(&person.id);
        if self.len.is_none() {
            self.len = Some(len);
            self.primary = Matrix::new(len);
            self.further = Matrix::new(len);
        }
        let number = self.people.len() as u32;
        for template in templates.iter().filter(|t| t.model == this_model) {
            if template.id == best && !primary_taken {
                self.primary.push(&template.embedding, number);
                primary_taken = true;
            } else {
                self.further.push(&template.embedding, number);
            }
        }
        self.people.push(Entry::new(person));
        self.numbers.insert(person.id.clone(), number);
        Ok(taken)
    }

    /// Replaces what is held of a person's standing; nothing happens for somebody who is not in.
    pub fn set_standing(&mut self, id: &PersonId, standing: Standing) {
        if let Some(number) = self.numbers.get(id) {
            self.people[*number as usize].standing = standing;
        }
    }

    /// Gives everybody who is in both the standing they have in `other`.
    pub fn stand_as_in(&mut self, other: &Self) {
        for entry in &other.people {
            self.set_standing(&entry.id, entry.standing);
        }
    }

    /// A person's standing.
    #[must_use]
    pub fn standing(&self, id: &PersonId) -> Option<Standing> {
        self.numbers.get(id).map(|number| self.people[*number as usize].standing)
    }

    /// Takes a person out; answers whether they were in. The templates are overwritten in memory.
    pub fn remove(&mut self, id: &PersonId) -> bool {
        let Some(number) = self.numbers.remove(id) else {
            return false;
        };
        let last = self.people.len() as u32 - 1;
        self.primary.remove_owner(number, last);
        self.further.remove_owner(number, last);
        self.people.swap_remove(number as usize);
        if let Some(moved) = self.people.get(number as usize) {
            self.numbers.insert(moved.id.clone(), number);
        }
        true
    }

    /// The one person the probe shows, if there is exactly one: over all templates, by the open-set rule.
    ///
    /// The score must reach [`OpenSet::threshold`] for this gallery's number of templates and lie above every other
    /// person's by [`OpenSet::margin`]. A probe of another length than the templates matches nobody.
    #[must_use]
    pub fn search(&self, probe: &Embedding, rule: &OpenSet) -> Match {
        let (best, second) = self.two_nearest(probe);
        let Some((score, number)) = best else {
            return Match::Unknown { score: Cosine::new(-1.0) };
        };
        if score < rule.threshold(self.templates()).get() {
            return Match::Unknown { score: Cosine::new(score) };
        }
        if second.is_some_and(|(other, _)| score - other < rule.margin()) {
            return Match::LowMargin { score: Cosine::new(score) };
        }
        let entry = &self.people[number as usize];
        Match::Person {
            id: entry.id.clone(),
            name: clipped::<MAX_NAME>(&entry.name),
            standing: entry.standing,
            score: Cosine::new(score),
        }
    }

    /// Up to `n` people (at most 50), nearest first, whatever their score: for clients that list, for the duplicate
    /// check and for margins. Nobody is let in by this.
    #[must_use]
    pub fn candidates(
        &self,
        probe: &Embedding,
        n: usize,
        mode: Mode,
    ) -> heapless::Vec<Candidate, MAX_CANDIDATES> {
        self.candidates_where(probe, n, mode, |_| true)
    }

    /// As [`Gallery::candidates`], of those people alone that `wanted` says yes to: a collection, everyone but one.
    #[must_use]
    pub fn candidates_where(
        &self,
        probe: &Embedding,
        n: usize,
        mode: Mode,
        wanted: impl Fn(&Entry) -> bool,
    ) -> heapless::Vec<Candidate, MAX_CANDIDATES> {
        let n = n.min(MAX_CANDIDATES);
        let mut found: heapless::Vec<Hit, MAX_CANDIDATES> = heapless::Vec::new();
        if n > 0 && Some(probe.values().len()) == self.len {
            self.scan(&Probe::new(probe), mode, |score, number| {
                if wanted(&self.people[number as usize]) {
                    self.insert(&mut found, n, (score, number));
                }
                if found.len() < n { f32::NEG_INFINITY } else { found[n - 1].0 }
            });
        }
        let candidate = |(score, number): Hit| {
            let entry = &self.people[number as usize];
            Candidate { id: entry.id.clone(), score: Cosine::new(score), standing: entry.standing }
        };
        found.into_iter().map(candidate).collect()
    }

    /// The model whose templates these are.
    #[must_use]
    pub const fn model(&self) -> ModelId {
        self.model
    }

    /// People in the gallery.
    #[must_use]
    pub const fn people(&self) -> usize {
        self.people.len()
    }

    /// People of the gallery who are in a collection.
    #[must_use]
    pub fn people_in(&self, collection: &str) -> usize {
        self.people.iter().filter(|entry| entry.is_in(collection)).count()
    }

    /// Templates in the gallery: what the threshold follows.
    #[must_use]
    pub const fn templates(&self) -> usize {
        self.primary.len() + self.further.len()
    }

    /// A person, when they are in the gallery.
    #[must_use]
    pub fn person(&self, id: &PersonId) -> Option<&Entry> {
        self.numbers.get(id).map(|number| &self.people[*number as usize])
    }

    /// The best score with its person, and the best of any other person.
    fn two_nearest(&self, probe: &Embedding) -> (Option<Hit>, Option<Hit>) {
        let (mut best, mut second): (Option<Hit>, Option<Hit>) = (None, None);
        if Some(probe.values().len()) != self.len {
            return (best, second);
        }
        self.scan(&Probe::new(probe), Mode::Accurate, |score, number| {
            let row = (score, number);
            match best {
                Some(b) if b.1 == number => best = Some((b.0.max(score), number)),
                Some(b) if self.nearer(row, b) => (best, second) = (Some(row), Some(b)),
                Some(_) => {
                    second = Some(second.filter(|s| !self.nearer(row, *s)).unwrap_or(row));
                }
                None => best = Some(row),
            }
            second.map_or(f32::NEG_INFINITY, |s| s.0)
        });
        (best, second)
    }

    fn scan(&self, probe: &Probe, mode: Mode, mut visit: impl FnMut(f32, u32) -> f32) {
        debug_assert_eq!(Some(probe.len()), self.len);
        let floor = self.primary.scan(self.dots, probe, f32::NEG_INFINITY, &mut visit);
        match mode {
            Mode::Fast => {}
            Mode::Accurate => {
                self.further.scan(self.dots, probe, floor, &mut visit);
            }
        }
    }

    /// Keeps `found` sorted, nearest first, one entry a person, at most `n` long.
    fn insert(&self, found: &mut heapless::Vec<Hit, MAX_CANDIDATES>, n: usize, row: Hit) {
        if let Some(held) = found.iter().position(|held| held.1 == row.1) {
            if found[held].0 >= row.0 {
                return;
            }
            found.remove(held);
        }
        let at = found.iter().position(|held| self.nearer(row, *held)).unwrap_or(found.len());
        if at >= n {
            return;
        }
        found.truncate(n - 1);
        // There is room: the list was cut to n - 1 above, and n is at most its capacity.
        let _ = found.insert(at, row);
    }

    /// Higher score first; of equal scores the lower id.
    fn nearer(&self, a: Hit, b: Hit) -> bool {
        let id = |number: u32| &self.people[number as usize].id;
        a.0 > b.0 || (a.0 >= b.0 && id(a.1) < id(b.1))
    }
}

impl fmt::Debug for Gallery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gallery({} people, {} templates of {:?})", self.people(), self.templates(), self.model)
    }
}

impl Entry {
    fn new(person: &Person) -> Self {
        Self {
            id: person.id.clone(),
            name: person.name.as_str().into(),
            standing: person.standing(),
            collections: person.collections.iter().cloned().collect(),
        }
    }

    /// Who.
    #[must_use]
    pub const fn id(&self) -> &PersonId {
        &self.id
    }

    /// For the display and the event alone.
    #[must_use]
    pub const fn name(&self) -> &str {
        &self.name
    }

    /// Whether the person may be let in.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether the person is in a collection.
    #[must_use]
    pub fn is_in(&self, collection: &str) -> bool {
        self.collections.iter().any(|held| held == collection)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({}, <redacted>)", self.id)
    }
}

/// Why templates cannot be in one gallery.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GalleryError {
    /// A template of the same model has another length: the record is damaged.
    #[error("a template of {id} has {found} values where this model makes {expected}; enrol {id} again")]
    Length {
        /// Whose.
        id: PersonId,
        /// What the gallery holds.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// More templates than a person may have.
    #[error("{id} has {found} templates where a person has at most 10; delete some")]
    TooManyTemplates {
        /// Whose.
        id: PersonId,
        /// How many.
        found: usize,
    },
}

#[cfg(test)]
#[path = "gallery_tests.rs"]
mod tests;
