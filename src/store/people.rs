//! People, their templates, crops and images.
//!
//! Owns: what is kept of a person and the bounds on it. Does not own: removal (`erase`), matching, thresholds.
//! Invariants: a person's record lists everything that belongs to it, so a missing piece is noticed; template ids
//! are never used twice; every change raises the gallery's revision and commits with its events.

use std::fmt;

use zeroize::Zeroizing;

use super::db::Store;
use super::epoch_record::open_template;
use super::error::{Result, StoreError, corrupt};
use super::record::{Blob, CropRecord, ImageRecord, PersonRecord, TemplateRecord, encode};
use super::schema::{CROPS, IMAGES, PEOPLE, Pair, TEMPLATES, name};
use super::txn::{Draft, View};
use ostiary_domain::limits::{MAX_ALIGNED_SIDE, MAX_IMAGES, MAX_TEMPLATES};
use ostiary_domain::{
    Embedding, Event, ModelId, Person, PersonId, PersonStatus, Template, TemplateId, TemplateSource, Utc,
};

/// Largest JPEG kept of a person, bytes.
pub const MAX_IMAGE_BYTES: usize = 5 << 20;

/// A template that has no id yet.
#[derive(Clone, Debug)]
pub struct NewTemplate {
    /// The face as numbers.
    pub embedding: Embedding,
    /// The model that made it.
    pub model: ModelId,
    /// Counts changes of model.
    pub epoch: u32,
    /// Overall quality, 0 to 100.
    pub quality: u8,
    /// Where it came from.
    pub source: TemplateSource,
    /// When.
    pub created_at: Utc,
    /// The aligned face, to make the template again with another model; `None` keeps no picture.
    pub crop: Option<Crop>,
}

/// An aligned face: `side * side` pixels of RGB.
#[derive(Clone, PartialEq, Eq)]
pub struct Crop {
    /// Side in pixels, 1 to 128.
    pub side: u16,
    /// Row by row, 3 bytes a pixel.
    pub rgb: Vec<u8>,
}

impl fmt::Debug for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crop({0}x{0}, <redacted>)", self.side)
    }
}

/// A picture of a person, as JPEG bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Jpeg(pub Vec<u8>);

impl fmt::Debug for Jpeg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jpeg({} bytes, <redacted>)", self.0.len())
    }
}

/// Which people to list.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of that status.
    pub status: Option<PersonStatus>,
    /// Only in that collection.
    pub collection: Option<String>,
    /// Only whose name holds this text, in any case.
    pub name: Option<String>,
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("status", &self.status).finish_non_exhaustive()
    }
}

/// One page of a list, in the order of the ids.
#[derive(Clone, PartialEq, Eq)]
pub struct Page {
    /// The people of this page.
    pub people: Vec<Person>,
    /// How much is kept of each of them.
    pub held: Vec<Held>,
    /// How many there are on all pages.
    pub total: usize,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({} of {})", self.people.len(), self.total)
    }
}

/// How much is kept of one person; read from the profile alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Templates.
    pub templates: usize,
    /// Aligned faces.
    pub crops: usize,
    /// Pictures.
    pub images: usize,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// People.
    pub people: u64,
    /// Templates.
    pub templates: u64,
    /// Aligned faces.
    pub crops: u64,
    /// Pictures.
    pub images: u64,
    /// Raised by every change of people or templates.
    pub revision: u64,
    /// Events kept.
    pub events: u64,
    /// Events not yet confirmed.
    pub unconfirmed: u64,
    /// Events dropped before they were confirmed, ever.
    pub lost: u64,
}

impl Store {
    /// Writes a profile: a new person, or the new profile of one that is there, who keeps templates, pictures and
    /// the date of creation.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put_person(&self, person: &Person, events: &[Event]) -> Result<()> {
        self.enrol(person, &[], &[], events).map(|_| ())
    }

    /// Writes a profile with further templates and pictures in one transaction; returns the templates' ids.
    ///
    /// # Errors
    /// `TooMany` beyond 10 templates, 3 images or 5 MiB a picture; `BadCrop`; or when the disk refuses. On any
    /// error nothing is enrolled.
    pub fn enrol(
        &self,
        person: &Person,
        templates: &[NewTemplate],
        images: &[Jpeg],
        events: &[Event],
    ) -> Result<Vec<TemplateId>> {
        let too_many =
            |what, wanted, limit| StoreError::TooMany { person: person.id.clone(), what, wanted, limit };
        for crop in templates.iter().filter_map(|t| t.crop.as_ref()) {
            let side = usize::from(crop.side);
            if side == 0 || side > MAX_ALIGNED_SIDE || crop.rgb.len() != side * side * 3 {
                return Err(StoreError::BadCrop { side, got: crop.rgb.len() });
            }
        }
        if let Some(large) = images.iter().map(|i| i.0.len()).find(|n| *n > MAX_IMAGE_BYTES) {
            return Err(too_many("bytes in a picture", large, MAX_IMAGE_BYTES));
        }
        self.write(|draft| {
            let mut record = PersonRecord::new(person);
            let number = if let Some((number, before)) = draft.person(&person.id)? {
                record.create_date = before.create_date;
                record.templates = before.templates;
                record.images = before.images;
                number
            } else {
                let number = draft.state.next_person;
                draft.state.next_person += 1;
                draft.state.people += 1;
                draft.added = Some((person.id.clone(), number));
                number
            };
            let wanted = record.templates.len() + templates.len();
            if wanted > MAX_TEMPLATES {
                return Err(too_many("templates", wanted, MAX_TEMPLATES));
            }
            let wanted = record.images.len() + images.len();
            if wanted > MAX_IMAGES {
                return Err(too_many("images", wanted, MAX_IMAGES));
            }
            let ids = templates
                .iter()
                .map(|template| draft.add_template(number, &mut record, template))
                .collect::<Result<Vec<_>>>()?;
            for image in images {
                draft.add_image(number, &mut record, image)?;
            }
            draft.put_record(number, &record)?;
            draft.state.revision += 1;
            draft.append(events)?;
            Ok(ids)
        })
    }

    /// The profile of a person.
    ///
    /// # Errors
    /// When a record is damaged.
    pub fn person(&self, id: &PersonId) -> Result<Option<Person>> {
        self.read(|view| view.person(id)?.map(|(_, record)| record.person()).transpose())
    }

    /// The profile of a person and how much is kept beside it; opens no template and no picture.
    ///
    /// # Errors
    /// When a record is damaged.
    pub fn profile(&self, id: &PersonId) -> Result<Option<(Person, Held)>> {
        self.read(|view| {
            view.person(id)?.map(|(_, record)| Ok((record.person()?, record.held()))).transpose()
        })
    }

    /// Whether there is such a person; asks memory alone.
    #[must_use]
    pub fn has_person(&self, id: &PersonId) -> bool {
        self.memory().index.contains_key(id)
    }

    /// Everybody's id, in order; asks memory alone.
    #[must_use]
    pub fn ids(&self) -> Vec<PersonId> {
        self.memory().index.keys().cloned().collect()
    }

    /// Page `page` (from 0) of `limit` people that pass the filter, in the order of their ids.
    ///
    /// # Errors
    /// When a record is damaged.
    pub fn people(&self, filter: &Filter, page: usize, limit: usize) -> Result<Page> {
        let needle = filter.name.as_deref().map(str::to_lowercase);
        let all = filter == &Filter::default();
        self.read(|view| {
            let skip = page.saturating_mul(limit);
            let mut found = Page { people: Vec::new(), held: Vec::new(), total: 0 };
            for id in view.index.keys() {
                let on_page = found.total >= skip && found.people.len() < limit;
                if all && !on_page {
                    found.total += 1;
                    continue;
                }
                let (_, record) =
                    view.person(id)?.ok_or_else(|| corrupt(name::PEOPLE, "a record is gone"))?;
                if all || record.passes(filter, needle.as_deref()) {
                    found.total += 1;
                    if on_page {
                        found.people.push(record.person()?);
                        found.held.push(record.held());
                    }
                }
            }
            Ok(found)
        })
    }

    /// How much there is; asks memory alone.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let memory = self.memory();
        let state = &memory.state;
        Counts {
            people: state.people,
            templates: state.templates,
            crops: state.crops,
            images: state.images,
            revision: state.revision,
            events: state.kept(),
            unconfirmed: state.depth(),
            lost: state.lost,
        }
    }

    /// The templates of a person, oldest first; empty when there is no such person.
    ///
    /// # Errors
    /// When a record is damaged or missing.
    pub fn templates(&self, id: &PersonId) -> Result<Vec<Template>> {
        self.read(|view| match view.person(id)? {
            None => Ok(Vec::new()),
            Some((number, record)) => view.templates(number, &record, None),
        })
    }

    /// The aligned faces kept of a person, each with its template.
    ///
    /// # Errors
    /// When a record is damaged or missing.
    pub fn crops(&self, id: &PersonId) -> Result<Vec<(TemplateId, Crop)>> {
        self.read(|view| match view.person(id)? {
            None => Ok(Vec::new()),
            Some((number, record)) => view.crops(number, &record),
        })
    }

    /// The pictures kept of a person.
    ///
    /// # Errors
    /// When a record is damaged or missing.
    pub fn images(&self, id: &PersonId) -> Result<Vec<Jpeg>> {
        self.read(|view| match view.person(id)? {
            None => Ok(Vec::new()),
            Some((number, record)) => view.images(number, &record),
        })
    }
}

impl Draft<'_> {
    pub(super) fn put_record(&self, number: u64, record: &PersonRecord) -> Result<()> {
        let plain = Zeroizing::new(encode(name::PEOPLE, record)?);
        self.put(PEOPLE, name::PEOPLE, number, &plain)
    }

    fn add_template(
        &mut self,
        number: u64,
        record: &mut PersonRecord,
        new: &NewTemplate,
    ) -> Result<TemplateId> {
        let id = self.state.next_template;
        self.state.next_template += 1;
        self.state.templates += 1;
        let content = TemplateRecord::new(
            &new.embedding,
            new.model,
            new.epoch,
            new.quality,
            new.source,
            new.created_at,
        );
        let plain = Zeroizing::new(encode(name::TEMPLATES, &content)?);
        self.put_pair(TEMPLATES, name::TEMPLATES, (number, id), &plain)?;
        if let Some(crop) = &new.crop {
            let content = CropRecord { side: crop.side, rgb: Blob(crop.rgb.clone()) };
            let plain = Zeroizing::new(encode(name::CROPS, &content)?);
            self.put_pair(CROPS, name::CROPS, (number, id), &plain)?;
            self.state.crops += 1;
        }
        record.templates.push((id, new.crop.is_some()));
        Ok(TemplateId(id))
    }

    fn add_image(&mut self, number: u64, record: &mut PersonRecord, image: &Jpeg) -> Result<()> {
        // The caller has checked that one is free.
        let slot = (0..MAX_IMAGES as u64).find(|s| !record.images.contains(s)).unwrap_or(0);
        let plain = Zeroizing::new(encode(name::IMAGES, &ImageRecord { jpeg: Blob(image.0.clone()) })?);
        self.put_pair(IMAGES, name::IMAGES, (number, slot), &plain)?;
        self.state.images += 1;
        record.images.push(slot);
        record.images.sort_unstable();
        Ok(())
    }
}

impl View<'_> {
    /// The templates of a person, all or of one model.
    pub(super) fn templates(
        &self,
        number: u64,
        record: &PersonRecord,
        model: Option<ModelId>,
    ) -> Result<Vec<Template>> {
        let table = self.txn.open_table(TEMPLATES)?;
        let mut listed = record.templates.iter().map(|(id, _)| *id);
        let mut out = Vec::with_capacity(record.templates.len());
        for row in table.range((number, 0)..=(number, u64::MAX))? {
            let (key, value) = row?;
            let key: Pair = key.value();
            if listed.next() != Some(key.1) {
                return Err(corrupt(name::TEMPLATES, "a record is gone or too many"));
            }
            let content = open_template(self.sealer, key, value.value())?.template;
            if model.is_none_or(|m| m == content.model()) {
                out.push(content.template(key.1)?);
            }
        }
        if listed.next().is_some() {
            return Err(corrupt(name::TEMPLATES, "a record is gone"));
        }
        Ok(out)
    }

    pub(super) fn crops(&self, number: u64, record: &PersonRecord) -> Result<Vec<(TemplateId, Crop)>> {
        let kept = record.templates.iter().filter(|(_, crop)| *crop);
        kept.map(|(id, _)| {
            let content: CropRecord = self.pair(CROPS, name::CROPS, (number, *id))?;
            Ok((TemplateId(*id), Crop { side: content.side, rgb: content.rgb.0 }))
        })
        .collect()
    }

    pub(super) fn images(&self, number: u64, record: &PersonRecord) -> Result<Vec<Jpeg>> {
        let slots = record.images.iter();
        slots
            .map(|slot| {
                let content: ImageRecord = self.pair(IMAGES, name::IMAGES, (number, *slot))?;
                Ok(Jpeg(content.jpeg.0))
            })
            .collect()
    }
}
