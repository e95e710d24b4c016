//! Everything that is held on one person, for the person (GDPR articles 15 and 20).
//!
//! Owns: the shape of the export. Does not own: who may ask for it, the file format around it.
//! Invariants: nothing that is kept is left out; `Debug` shows nothing of it.

use std::fmt;

use serde::Serialize;

use super::db::Store;
use super::error::{Result, StoreError};
use super::journal::{PIECE, rfc3339};
use super::looks::Look;
use super::punches::PunchLine;
use super::standing::Access;
use ostiary_domain::{About, EventSeq, Exceptions, Person, PersonId, Utc};

/// All that is held on one person. Pictures are standard base64 with padding.
#[derive(Clone, Serialize)]
#[allow(missing_docs, reason = "the names are those of SPEC 2")]
pub struct Export {
    pub id: String,
    pub name: String,
    pub notes: String,
    pub gender: String,
    pub nationality: String,
    pub date_of_birth: String,
    pub status: &'static str,
    pub valid_from: Option<String>,
    pub valid_until: Option<String>,
    pub groups: Vec<String>,
    pub collections: Vec<String>,
    pub consent: Option<ExportedConsent>,
    pub create_date: String,
    pub modified_date: String,
    pub templates: Vec<ExportedTemplate>,
    pub crops: Vec<ExportedCrop>,
    /// JPEG files.
    pub images: Vec<String>,
    /// What an operator has set for the person, by name: `blocked`, `any_time`, `no_apb`, `alone`, `accessible`,
    /// `mode=...`, and `pin` and `duress_pin` where one is kept (as a hash, which is not given out).
    pub access: Vec<String>,
    /// Where the person went last: the side and the time.
    pub last_passage: Option<(String, String)>,
    /// The lines of the attendance book about the person: number, time, what, how, correction of, by, why.
    pub punches: Vec<serde_json::Value>,
    /// Events of the journal about the person, as they are sent.
    pub events: Vec<serde_json::Value>,
    /// Who was shown what of the person: lines of the audit log about them, and about several people whose ids lie
    /// around theirs.
    pub looks: Vec<serde_json::Value>,
}

/// On what ground the face is kept.
#[derive(Clone, Serialize)]
#[allow(missing_docs, reason = "the names are those of SPEC 2")]
pub struct ExportedConsent {
    pub basis: String,
    pub at: String,
    pub by: String,
}

/// A template as numbers: `values[i] * scale`.
#[derive(Clone, Serialize)]
#[allow(missing_docs, reason = "the names are those of SPEC 2")]
pub struct ExportedTemplate {
    pub id: u64,
    pub model_sha256: String,
    pub epoch: u32,
    pub quality: u8,
    pub source: &'static str,
    pub created_at: String,
    pub scale: f32,
    pub values: Vec<i8>,
}

/// An aligned face: `side * side` pixels of RGB, row by row.
#[derive(Clone, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ExportedCrop {
    pub template: u64,
    pub side: u16,
    pub rgb: String,
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Export({}, <redacted>)", self.id)
    }
}

impl Store {
    /// Collects all that is held on one person.
    ///
    /// # Errors
    /// `NoSuchPerson`, or when a record is damaged or missing.
    pub fn export_person(&self, id: &PersonId) -> Result<Export> {
        self.read(|view| {
            let (number, record) = view.person(id)?.ok_or_else(|| StoreError::NoSuchPerson(id.clone()))?;
            let templates = view.templates(number, &record, None)?;
            let crops = view.crops(number, &record)?;
            let images = view.images(number, &record)?;
            let mut out = profile(&record.person()?);
            out.templates = templates
                .iter()
                .map(|t| ExportedTemplate {
                    id: t.id.0,
                    model_sha256: t.model.to_string(),
                    epoch: t.epoch,
                    quality: t.quality,
                    source: t.source.name(),
                    created_at: rfc3339(t.created_at),
                    scale: t.embedding.scale(),
                    values: t.embedding.values().to_vec(),
                })
                .collect();
            out.templates.extend(view.made(number, &templates)?);
            out.crops = crops
                .iter()
                .map(|(template, crop)| ExportedCrop {
                    template: template.0,
                    side: crop.side,
                    rgb: base64(&crop.rgb),
                })
                .collect();
            out.images = images.iter().map(|i| base64(&i.0)).collect();
            out.access = view.access(number)?.map(|a| access_words(&a)).unwrap_or_default();
            out.last_passage = view.passage(number)?.map(|p| (p.side.name().to_owned(), rfc3339(p.at)));
            let lines = view.lines(0, usize::MAX)?.into_iter().filter(|line| line.person == *id);
            out.punches = lines.map(|line| punch_json(&line)).collect();
            out.looks = view
                .looks_between(view.looks.first, view.looks.next)?
                .iter()
                .filter(|look| look.about != About::Everybody && look.about.may_hold(id))
                .map(look_json)
                .collect();
            Ok(out)
        })
        .and_then(|mut out| {
            out.events = self.events_of(id)?;
            Ok(out)
        })
    }

    /// Every event kept that names the person, as it is sent. In pieces, so that a door at work writes meanwhile.
    fn events_of(&self, id: &PersonId) -> Result<Vec<serde_json::Value>> {
        let (mut out, mut next) = (Vec::new(), 1);
        loop {
            let batch = self.read_events(EventSeq(next), PIECE)?;
            let Some(last) = batch.last() else { return Ok(out) };
            next = last.seq.0 + 1;
            let about = batch.iter().filter(|entry| entry.event.person.as_ref() == Some(id));
            // The text is our own and always JSON.
            out.extend(about.filter_map(|entry| serde_json::from_str(&entry.json()).ok()));
        }
    }
}

impl Store {
    /// How many events kept name the person.
    pub(super) fn events_about(&self, id: &PersonId) -> Result<u64> {
        self.events_of(id).map(|events| events.len() as u64)
    }
}

fn profile(person: &Person) -> Export {
    let date = |t: Utc| rfc3339(t);
    let texts = |labels: &[heapless::String<{ ostiary_domain::limits::MAX_LABEL }>]| {
        labels.iter().map(ToString::to_string).collect()
    };
    Export {
        id: person.id.to_string(),
        name: person.name.to_string(),
        notes: person.notes.to_string(),
        gender: person.gender.to_string(),
        nationality: person.nationality.to_string(),
        date_of_birth: person.date_of_birth.to_string(),
        status: person.status.name(),
        valid_from: person.valid_from.map(date),
        valid_until: person.valid_until.map(date),
        groups: texts(&person.groups),
        collections: texts(&person.collections),
        consent: person.consent.as_ref().map(|c| ExportedConsent {
            basis: c.basis.to_string(),
            at: date(c.at),
            by: c.by.to_string(),
        }),
        create_date: date(person.create_date),
        modified_date: date(person.modified_date),
        templates: Vec::new(),
        crops: Vec::new(),
        images: Vec::new(),
        access: Vec::new(),
        last_passage: None,
        punches: Vec::new(),
        events: Vec::new(),
        looks: Vec::new(),
    }
}

fn access_words(access: &Access) -> Vec<String> {
    let Exceptions { blocked, any_time, no_apb, alone, accessible, mode } = access.exceptions;
    let marks = [
        (blocked, "blocked"),
        (any_time, "any_time"),
        (no_apb, "no_apb"),
        (alone, "alone"),
        (accessible, "accessible"),
        (access.pin.is_some(), "pin"),
        (access.duress.is_some(), "duress_pin"),
    ];
    let mut words: Vec<String> =
        marks.iter().filter(|(set, _)| *set).map(|(_, word)| (*word).to_owned()).collect();
    words.extend(mode.map(|m| format!("mode={}", m.name())));
    words
}

fn look_json(look: &Look) -> serde_json::Value {
    serde_json::json!({
        "number": look.number,
        "time": rfc3339(look.at),
        "who": look.who,
        "what": look.what.name(),
        "alone": matches!(look.about, About::One(_)),
        "detail": look.detail,
    })
}

fn punch_json(line: &PunchLine) -> serde_json::Value {
    serde_json::json!({
        "number": line.number,
        "time": rfc3339(line.at),
        "kind": line.kind.map(ostiary_domain::PunchKind::name),
        "job": line.job,
        "source": line.source.name(),
        "takes_back": line.voids,
        "by": line.by,
        "why": line.why,
    })
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |g, b| g << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let symbol = ALPHABET[(group >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(symbol) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_of_the_rfc() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
