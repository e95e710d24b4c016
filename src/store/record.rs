//! The content of each record, and the way between it and the domain.
//!
//! Owns: the frozen shapes of format 1 in postcard. Does not own: sealing, tables, the domain's rules.
//! Invariants: what is read is outside data, so every bound of the domain is checked again; a record is read
//! whole, with nothing left over; enumerations are stored by their names, so that their order may change.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::error::{Result, StoreError, corrupt};
use super::people::{Filter, Held};
use super::schema::{RECORD_SIGNED, RECORD_V1, name};
use ostiary_domain::{
    BootId, ClockTrust, Consent, DenyReason, DoorId, Embedding, Event, EventKind, EventSeq, GrantCause,
    ModelId, Mono, Now, Person, PersonId, PersonStatus, Template, TemplateId, TemplateSource, Utc,
};

/// Writes a record's content.
pub(super) fn encode<T: Serialize>(table: &'static str, record: &T) -> Result<Vec<u8>> {
    postcard::to_allocvec(record).map_err(|e| corrupt(table, format!("a record cannot be written: {e}")))
}

/// Reads a record's content.
pub(super) fn decode<T: de::DeserializeOwned>(table: &'static str, version: u8, plain: &[u8]) -> Result<T> {
    if version != RECORD_V1 {
        return Err(corrupt(
            table,
            format!("a record has version {version}, this program reads {RECORD_V1}"),
        ));
    }
    match postcard::take_from_bytes(plain) {
        Ok((record, [])) => Ok(record),
        Ok(_) => Err(corrupt(table, "a record is longer than its content")),
        Err(e) => Err(corrupt(table, format!("a record cannot be read: {e}"))),
    }
}

/// A person's profile and what belongs to it.
#[derive(Serialize, Deserialize)]
pub(super) struct PersonRecord {
    pub(super) id: String,
    name: String,
    notes: String,
    gender: String,
    nationality: String,
    date_of_birth: String,
    status: String,
    valid_from: Option<i64>,
    valid_until: Option<i64>,
    groups: Vec<String>,
    collections: Vec<String>,
    consent: Option<(String, i64, String)>,
    pub(super) create_date: i64,
    modified_date: i64,
    /// Ids of the templates, rising, and whether a crop is kept of each.
    pub(super) templates: Vec<(u64, bool)>,
    /// Slots of the images, rising.
    pub(super) images: Vec<u64>,
}

impl PersonRecord {
    pub(super) fn new(person: &Person) -> Self {
        Self {
            id: person.id.as_str().to_owned(),
            name: person.name.as_str().to_owned(),
            notes: person.notes.as_str().to_owned(),
            gender: person.gender.as_str().to_owned(),
            nationality: person.nationality.as_str().to_owned(),
            date_of_birth: person.date_of_birth.as_str().to_owned(),
            status: person.status.name().to_owned(),
            valid_from: person.valid_from.map(|t| t.0),
            valid_until: person.valid_until.map(|t| t.0),
            groups: person.groups.iter().map(|l| l.as_str().to_owned()).collect(),
            collections: person.collections.iter().map(|l| l.as_str().to_owned()).collect(),
            consent: person
                .consent
                .as_ref()
                .map(|c| (c.basis.as_str().to_owned(), c.at.0, c.by.as_str().to_owned())),
            create_date: person.create_date.0,
            modified_date: person.modified_date.0,
            templates: Vec::new(),
            images: Vec::new(),
        }
    }

    pub(super) fn person_id(&self) -> Result<PersonId> {
        PersonId::from_str(&self.id).map_err(|e| corrupt(name::PEOPLE, e.to_string()))
    }

    /// Whether the person is one of those asked for; `needle` is the text of the filter in lower case.
    pub(super) fn passes(&self, filter: &Filter, needle: Option<&str>) -> bool {
        filter.status.is_none_or(|s| s.name() == self.status)
            && filter.collection.as_deref().is_none_or(|c| self.collections.iter().any(|own| own == c))
            && needle
                .is_none_or(|n| self.name.to_lowercase().contains(n) || self.id.to_lowercase().contains(n))
    }

    pub(super) fn crops(&self) -> usize {
        self.templates.iter().filter(|(_, crop)| *crop).count()
    }

    pub(super) fn held(&self) -> Held {
        Held { templates: self.templates.len(), crops: self.crops(), images: self.images.len() }
    }

    pub(super) fn person(&self) -> Result<Person> {
        Ok(Person {
            id: self.person_id()?,
            name: bounded(name::PEOPLE, &self.name)?,
            notes: bounded(name::PEOPLE, &self.notes)?,
            gender: bounded(name::PEOPLE, &self.gender)?,
            nationality: bounded(name::PEOPLE, &self.nationality)?,
            date_of_birth: bounded(name::PEOPLE, &self.date_of_birth)?,
            status: known(name::PEOPLE, PersonStatus::from_name(&self.status))?,
            valid_from: self.valid_from.map(Utc),
            valid_until: self.valid_until.map(Utc),
            groups: labels(&self.groups)?,
            collections: labels(&self.collections)?,
            consent: match &self.consent {
                None => None,
                Some((basis, at, by)) => Some(Consent {
                    basis: bounded(name::PEOPLE, basis)?,
                    at: Utc(*at),
                    by: bounded(name::PEOPLE, by)?,
                }),
            },
            create_date: Utc(self.create_date),
            modified_date: Utc(self.modified_date),
        })
    }
}

/// One template.
#[derive(Serialize, Deserialize)]
pub(super) struct TemplateRecord {
    model: [u8; 32],
    epoch: u32,
    quality: u8,
    source: String,
    created_at: i64,
    scale: f32,
    values: Blob,
}

impl TemplateRecord {
    pub(super) fn new(
        embedding: &Embedding,
        model: ModelId,
        epoch: u32,
        quality: u8,
        source: TemplateSource,
        created_at: Utc,
    ) -> Self {
        Self {
            model: model.0,
            epoch,
            quality,
            source: source.name().to_owned(),
            created_at: created_at.0,
            scale: embedding.scale(),
            values: Blob(embedding.values().iter().map(|v| v.cast_unsigned()).collect()),
        }
    }

    pub(super) fn template(&self, id: u64) -> Result<Template> {
        let values: Vec<i8> = self.values.0.iter().map(|v| v.cast_signed()).collect();
        Ok(Template {
            id: TemplateId(id),
            embedding: Embedding::from_stored(&values, self.scale)
                .map_err(|e| corrupt(name::TEMPLATES, e.to_string()))?,
            model: ModelId(self.model),
            epoch: self.epoch,
            quality: self.quality,
            source: known(name::TEMPLATES, TemplateSource::from_name(&self.source))?,
            created_at: Utc(self.created_at),
        })
    }

    pub(super) const fn model(&self) -> ModelId {
        ModelId(self.model)
    }

    /// The same face by another model; its quality, source and date are still those of the picture.
    pub(super) fn remade(self, model: ModelId, epoch: u32, scale: f32, values: Blob) -> Self {
        Self { model: model.0, epoch, scale, values, ..self }
    }
}

/// One template that was made again from a kept face: record version 2.
#[derive(Serialize, Deserialize)]
pub(super) struct RemadeRecord {
    pub(super) template: TemplateRecord,
    /// The model on whose points the kept face was aligned.
    pub(super) aligned_for: [u8; 32],
}

/// An aligned face.
#[derive(Serialize, Deserialize)]
pub(super) struct CropRecord {
    pub(super) side: u16,
    pub(super) rgb: Blob,
}

/// A picture as JPEG.
#[derive(Serialize, Deserialize)]
pub(super) struct ImageRecord {
    pub(super) jpeg: Blob,
}

/// One event of the journal.
#[derive(Serialize, Deserialize)]
pub(super) struct EntryRecord {
    pub(super) boot: u64,
    kind: String,
    mono: u64,
    utc: i64,
    trusted: bool,
    door: u8,
    pub(super) person: Option<String>,
    reason: Option<String>,
    cause: Option<String>,
    detail: String,
    pub(super) prev_hash: [u8; 32],
    pub(super) hash: [u8; 32],
}

impl EntryRecord {
    pub(super) fn new(boot: BootId, event: &Event, prev_hash: [u8; 32], hash: [u8; 32]) -> Self {
        Self {
            boot: boot.0,
            kind: event.kind.name().to_owned(),
            mono: event.at.mono.0,
            utc: event.at.utc.0,
            trusted: match event.at.trust {
                ClockTrust::Trusted => true,
                ClockTrust::Untrusted => false,
            },
            door: event.door.0,
            person: event.person.as_ref().map(|p| p.as_str().to_owned()),
            reason: event.reason.map(|r| r.name().to_owned()),
            cause: event.cause.map(|c| c.name().to_owned()),
            detail: event.detail.as_str().to_owned(),
            prev_hash,
            hash,
        }
    }

    pub(super) fn event(&self) -> Result<Event> {
        let optional = |text: &Option<String>| text.clone();
        Ok(Event {
            kind: known(name::JOURNAL, EventKind::from_name(&self.kind))?,
            at: Now {
                mono: Mono(self.mono),
                utc: Utc(self.utc),
                trust: if self.trusted { ClockTrust::Trusted } else { ClockTrust::Untrusted },
            },
            door: DoorId(self.door),
            person: optional(&self.person)
                .map(|p| PersonId::from_str(&p))
                .transpose()
                .map_err(|e| corrupt(name::JOURNAL, e.to_string()))?,
            reason: optional(&self.reason)
                .map(|r| known(name::JOURNAL, DenyReason::from_name(&r)))
                .transpose()?,
            cause: optional(&self.cause)
                .map(|c| known(name::JOURNAL, GrantCause::from_name(&c)))
                .transpose()?,
            detail: bounded(name::JOURNAL, &self.detail)?,
        })
    }
}

/// One event of the journal that ends a block, with the signature over the chain up to it: record version 2.
#[derive(Serialize, Deserialize)]
pub(super) struct SignedRecord {
    pub(super) entry: EntryRecord,
    pub(super) signature: Blob,
}

/// Reads either version of a journal record.
pub(super) fn decode_entry(version: u8, plain: &[u8]) -> Result<(EntryRecord, Option<[u8; 64]>)> {
    if version != RECORD_SIGNED {
        return decode(name::JOURNAL, version, plain).map(|record| (record, None));
    }
    let record: SignedRecord = decode(name::JOURNAL, RECORD_V1, plain)?;
    let signature = record.signature.0.as_slice().try_into();
    let signature = signature.map_err(|_| corrupt(name::JOURNAL, "a signature has not 64 bytes"))?;
    Ok((record.entry, Some(signature)))
}

/// One event as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub seq: EventSeq,
    /// The start of the store in which it was written.
    pub boot: BootId,
    /// What happened.
    pub event: Event,
    /// Hash of the event before it; zeros for the first.
    pub prev_hash: [u8; 32],
    /// SHA-256 of its canonical form, which holds `prev_hash`.
    pub hash: [u8; 32],
    /// The device's Ed25519 signature over the chain up to here, at the end of each block.
    pub signature: Option<[u8; 64]>,
}

/// Bytes that serde takes as one run.
pub(super) struct Blob(pub(super) Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl de::Visitor<'_> for Bytes {
            type Value = Blob;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

fn bounded<const N: usize>(table: &'static str, text: &str) -> Result<heapless::String<N>> {
    heapless::String::try_from(text)
        .map_err(|_| corrupt(table, format!("a text of {} bytes, at most {N} are kept", text.len())))
}

fn labels<const N: usize, const M: usize>(texts: &[String]) -> Result<heapless::Vec<heapless::String<N>, M>> {
    let mut out = heapless::Vec::new();
    for text in texts {
        out.push(bounded(name::PEOPLE, text)?)
            .map_err(|_| corrupt(name::PEOPLE, format!("{} labels, at most {M} are kept", texts.len())))?;
    }
    Ok(out)
}

fn known<T>(table: &'static str, value: Option<T>) -> Result<T, StoreError> {
    value.ok_or_else(|| corrupt(table, "a word that this program does not know"))
}
