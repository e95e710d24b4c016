//! A person as other doors and managers know them: what is shared, its digest, and taking it over.
//!
//! Owns: which parts of a person are shared, their form, comparing galleries, making a person what another door says.
//! Does not own: the merge and the seal (`link/fleet`), when something is shared (`app/fleet`).
//! Shared: the profile, exceptions, hashes of PINs, templates. Not shared: pictures, crops, passages, dates of writing.
//! Invariants: two doors that hold the same shared parts give the same digest; a person is taken over one change at a
//! time with all others, and is in memory as on disk before the call returns.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Desk, OrRefuse as _};
use crate::domain::person::Consent;
use crate::domain::{
    Embedding, EventKind, Exceptions, Mode, ModelId, Person, PersonId, Template, TemplateId, TemplateSource,
    Utc,
};
use crate::link::fleet::{Look, Member};
use crate::link::wire::{Code, DigestQuery, Document, Profile, Refusal, Reply, SyncQuery, hex};
use crate::store::{Access, NewTemplate};

use super::people::parse;

const MOST_DIGESTS: u16 = 1_000;
const MOST_COMPARED: usize = 2_000;

/// What is shared beside templates. Unknown fields are refused: a door that dropped one would answer with less.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "marks of a person, each apart from the others")]
struct Shared {
    profile: Profile,
    consent_at: Option<i64>,
    consent_by: Option<String>,
    blocked: bool,
    any_time: bool,
    no_anti_passback: bool,
    alone: bool,
    accessible: bool,
    mode: Option<String>,
    pin: Option<String>,
    duress: Option<String>,
}

impl Desk {
    /// A person's shared parts, with revision 0; `None` when there is nobody of that id.
    ///
    /// # Errors
    /// When a record is damaged.
    pub fn member(&self, id: &str) -> Result<Option<Member>, Refusal> {
        let id = parse(id)?;
        let store = &self.house.store;
        let Some(person) = store.person(&id).or_refuse()? else { return Ok(None) };
        let (access, _) = store.access(&id).or_refuse()?;
        let mut looks: Vec<Look> = store.templates(&id).or_refuse()?.iter().map(look).collect();
        looks.sort_by(|a, b| (a.created_at, a.model, &a.values).cmp(&(b.created_at, b.model, &b.values)));
        let profile = serde_json::to_string(&shared(&person, &access))
            .map_err(|e| Refusal::new(Code::Internal, format!("a person has no JSON form: {e}")))?;
        Ok(Some(Member { id: id.to_string(), rev: 0, gone: false, profile, looks }))
    }

    /// Makes a person what another door says; a tombstone erases.
    ///
    /// # Errors
    /// When it cannot be read (a newer program), or the disk refuses.
    pub fn adopt(&self, member: &Member) -> Result<(), Refusal> {
        let id = parse(&member.id)?;
        if member.gone {
            return match self.delete_person(id.as_str(), format_args!("by the group")) {
                Err(refusal) if refusal.code == Code::NotFound => Ok(()),
                Err(refusal) => Err(refusal),
                Ok(_) => Ok(()),
            };
        }
        let shared: Shared = serde_json::from_str(&member.profile).map_err(|e| {
            Refusal::new(
                Code::Malformed,
                format!("another door's person cannot be read; update the doors: {e}"),
            )
        })?;
        let _changing = self.changing();
        let now = self.house.clock.now().utc;
        let (person, access) = parts(&id, &shared, now)?;
        let store = &self.house.store;
        let held = store.templates(&id).or_refuse()?;
        let (mut new, mut kept) = (Vec::new(), Vec::new());
        for theirs in &member.looks {
            match held.iter().find(|t| look(t) == *theirs && !kept.contains(&t.id)) {
                Some(known) => kept.push(known.id),
                None => new.push(template(theirs)?),
            }
        }
        let old: Vec<TemplateId> = held.iter().map(|t| t.id).filter(|t| !kept.contains(t)).collect();
        let changed = || self.event(EventKind::PersonChanged).of(&id).with(format_args!("by the group"));
        if !old.is_empty() && !store.has_person(&id) {
            return Err(Refusal::new(Code::Internal, "templates without a person"));
        }
        // Old looks go first only where there is no room for both.
        let crowded = held.len() + new.len() > crate::domain::limits::MAX_TEMPLATES;
        if crowded {
            store.delete_looks(&id, &old, false, &[changed()]).or_refuse()?;
        }
        store.enrol(&person, &new, &[], &[changed()]).or_refuse()?;
        store.put_access(&id, &access, &[]).or_refuse()?;
        if !crowded && !old.is_empty() {
            store.delete_looks(&id, &old, false, &[changed()]).or_refuse()?;
        }
        self.house.recognition.standings().set_access(&id, &access);
        self.refresh(&id)?;
        self.warn_of_twin(&id, &new);
        Ok(())
    }

    /// Two doors that did not hear of each other may have enrolled one face under two ids; neither then opens.
    fn warn_of_twin(&self, id: &PersonId, new: &[NewTemplate]) {
        let Some((other, distance)) = self.nearest_to(id, new.iter().map(|t| &t.embedding)) else { return };
        if distance < 0.0 {
            let event = self.event(EventKind::Duplicate).of(id);
            let event = event.with(format_args!("came from the group; the same face is enrolled as {other}"));
            if let Err(error) = self.house.store.append(&[event]) {
                tracing::error!(%error, "a duplicate in the group could not be noted");
            }
        }
    }

    /// Digests: of the whole gallery, and of a page of people.
    pub(super) fn digest(&self, query: &DigestQuery) -> Result<Reply, Refusal> {
        if query.limit > MOST_DIGESTS {
            return Err(Refusal::invalid("limit", "\"limit\" must be 0 to 1000"));
        }
        let counts = self.house.store.counts();
        let (mut all, mut page) = (blake3::Hasher::new(), Vec::new());
        for id in self.house.store.ids() {
            let Some(member) = self.member(id.as_str())? else { continue };
            let digest = member.stamp().digest;
            all.update(id.as_str().as_bytes()).update(&[0]).update(&digest);
            let behind = query.after.as_deref().is_none_or(|after| id.as_str() > after);
            if behind && page.len() < usize::from(query.limit) {
                page.push(json!({ "id": id.as_str(), "digest": hex(&digest) }));
            }
        }
        Ok(document(&json!({
            "revision": counts.revision,
            "people": counts.people,
            "templates": counts.templates,
            "model": self.house.recognition.gallery().model().to_string(),
            "digest": hex(all.finalize().as_bytes()),
            "persons": page,
        })))
    }

    /// What a manager must send, fetch or delete so that both hold the same.
    pub(super) fn differences(&self, query: &SyncQuery) -> Result<Reply, Refusal> {
        if query.people.len() > MOST_COMPARED {
            return Err(Refusal::invalid("people", "at most 2000 people are compared at once"));
        }
        let within = |id: &str| {
            query.after.as_deref().is_none_or(|after| id > after)
                && query.upto.as_deref().is_none_or(|upto| id <= upto)
        };
        let mut theirs: BTreeMap<&str, &str> =
            query.people.iter().map(|(id, digest)| (id.as_str(), digest.as_str())).collect();
        let (mut changed, mut extra) = (Vec::new(), Vec::new());
        for id in self.house.store.ids().iter().filter(|id| within(id.as_str())) {
            match theirs.remove(id.as_str()) {
                None => extra.push(id.to_string()),
                Some(digest) => {
                    let held = self.member(id.as_str())?.map(|m| hex(&m.stamp().digest));
                    if held.as_deref() != Some(digest) {
                        changed.push(id.to_string());
                    }
                }
            }
        }
        let missing: Vec<&str> = theirs.into_keys().collect();
        Ok(document(&json!({ "missing": missing, "changed": changed, "extra": extra })))
    }
}

fn document(value: &serde_json::Value) -> Reply {
    Reply::Document(Document(value.to_string()))
}

fn shared(person: &Person, access: &Access) -> Shared {
    let texts =
        |labels: &[crate::domain::person::Label]| Some(labels.iter().map(ToString::to_string).collect());
    let text = |t: &str| Some(t.to_owned());
    let Exceptions { blocked, any_time, no_apb, alone, accessible, mode } = access.exceptions;
    Shared {
        profile: Profile {
            name: text(&person.name),
            notes: text(&person.notes),
            gender: text(&person.gender),
            nationality: text(&person.nationality),
            date_of_birth: text(&person.date_of_birth),
            status: text(person.status.name()),
            groups: texts(&person.groups),
            collections: texts(&person.collections),
            valid_from: person.valid_from.map(|t| crate::link::wire::Moment(t.0)),
            valid_until: person.valid_until.map(|t| crate::link::wire::Moment(t.0)),
            consent: person.consent.as_ref().map(|c| c.basis.to_string()),
        },
        consent_at: person.consent.as_ref().map(|c| c.at.0),
        consent_by: person.consent.as_ref().map(|c| c.by.to_string()),
        blocked,
        any_time,
        no_anti_passback: no_apb,
        alone,
        accessible,
        mode: mode.map(|m| m.name().to_owned()),
        pin: access.pin.clone(),
        duress: access.duress.clone(),
    }
}

fn parts(id: &PersonId, shared: &Shared, now: Utc) -> Result<(Person, Access), Refusal> {
    let mut person = Person::new(id.clone(), heapless::String::new(), now);
    shared.profile.apply(&mut person, now, "group")?;
    if let (Some(basis), Some(at), Some(by)) =
        (&shared.profile.consent, shared.consent_at, &shared.consent_by)
    {
        let basis = crate::domain::clipped(basis);
        person.consent = Some(Consent { basis, at: Utc(at), by: crate::domain::clipped(by) });
    }
    let wrong = || Refusal::invalid("mode", "another door's person has a mode this program does not know");
    let mode = shared.mode.as_deref().map(|m| Mode::from_name(m).ok_or_else(wrong)).transpose()?;
    let exceptions = Exceptions {
        blocked: shared.blocked,
        any_time: shared.any_time,
        no_apb: shared.no_anti_passback,
        alone: shared.alone,
        accessible: shared.accessible,
        mode,
    };
    Ok((person, Access { exceptions, pin: shared.pin.clone(), duress: shared.duress.clone() }))
}

fn look(t: &Template) -> Look {
    Look {
        model: t.model.0,
        epoch: t.epoch,
        quality: t.quality,
        source: t.source.name().to_owned(),
        created_at: t.created_at.0,
        scale: t.embedding.scale(),
        values: t.embedding.values().to_vec(),
    }
}

fn template(look: &Look) -> Result<NewTemplate, Refusal> {
    let source = TemplateSource::from_name(&look.source)
        .ok_or_else(|| Refusal::invalid("source", "another door's template has a source unknown here"))?;
    let embedding = Embedding::from_stored(&look.values, look.scale)
        .map_err(|e| Refusal::invalid("values", e.to_string()))?;
    Ok(NewTemplate {
        embedding,
        model: ModelId(look.model),
        epoch: look.epoch,
        quality: look.quality,
        source,
        created_at: Utc(look.created_at),
        crop: None,
    })
}
