//! Changes of the model that makes templates: which one serves, and the templates of the next while they are made.
//!
//! Owns: the record of epochs (sealed, table `m` under `epochs`), table `n` with the templates of the next epoch, and
//! the switch. Does not own: making templates, when a change begins, what the door serves in memory (`app/epochs`).
//!
//! ```text
//!            begin                     put, as often as it takes            switch
//! serving A ───────► serving A, next B ─────────────────────► all made ───────────► serving B
//!     ▲                     │                                                            
//!     └───────── drop ──────┘
//! ```
//!
//! Invariants: one epoch serves at any moment, and a transaction moves from one to the next, so a kill leaves the old
//! or the new and nothing between; a switch is refused while a face that is kept has no template of the next epoch; a
//! template that could not be made again stays what it was, and its model no longer matches; a person who is deleted
//! takes what was made of them along.

use redb::ReadableTable as _;
use zeroize::Zeroizing;

use super::db::Store;
use super::epoch_record::{EpochRecord, EpochsRecord, NextRecord, open_made, open_template};
use super::error::{Result, corrupt};
use super::export::ExportedTemplate;
use super::journal::rfc3339;
use super::people::Crop;
use super::record::{Blob, CropRecord, RemadeRecord, encode};
use super::schema::{CROPS, NEXT, PEOPLE, Pair, Place, RECORD_REMADE, TEMPLATES, name, pair_bytes};
use super::txn::{Draft, View, open_person};
use ostiary_domain::{Embedding, Event, ModelId, Template, Utc};

/// Which models serve a gallery, and which are to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epochs {
    /// What serves.
    pub serving: Epoch,
    /// The set that the configuration named when it was last heeded: it counts again once it changes.
    pub configured: String,
    /// What is being made.
    pub next: Option<Epoch>,
    /// Faces that the next epoch has a template of, or that gave none.
    pub made: u64,
    /// Of those, faces that gave none.
    pub failed: u64,
}

impl Epochs {
    /// The number of the epoch that has that embedder; 0 where none has.
    #[must_use]
    pub fn number_of(&self, model: ModelId) -> u32 {
        let known =
            [Some(&self.serving), self.next.as_ref()].into_iter().flatten().find(|e| e.model == model);
        known.map_or(0, |epoch| epoch.number)
    }
}

/// The templates of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Rises with every change of the embedder.
    pub number: u32,
    /// The set of models.
    pub set: String,
    /// The embedder's hash.
    pub model: ModelId,
    /// Since when it serves, or is being made.
    pub since: Utc,
}

/// A face of which the next epoch has no template yet.
#[derive(Clone, Debug)]
pub struct DueFace {
    /// Where it stands; opaque.
    pub place: (u64, u64),
    /// The aligned face.
    pub crop: Crop,
    /// The model on whose points it was aligned.
    pub aligned_for: ModelId,
}

/// What became of a face.
#[derive(Clone, Debug)]
pub struct MadeTemplate {
    /// As in [`DueFace`].
    pub place: (u64, u64),
    /// The template; `None` where the face gave none.
    pub embedding: Option<Embedding>,
}

/// How a switch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switched {
    /// The next epoch serves.
    Done,
    /// Nothing was changed: so many kept faces have no template yet.
    Unfinished(u64),
    /// Nothing was changed: another epoch, or none, is being made by now.
    Other,
}

impl Store {
    /// Which models serve; `None` in a gallery that no one has told yet. Asks memory alone.
    #[must_use]
    pub fn epochs(&self) -> Option<Epochs> {
        self.memory().epochs.as_ref().map(EpochsRecord::epochs)
    }

    /// Notes what serves, in a gallery that was not told yet; otherwise only what the configuration names.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn settle_epoch(&self, serving: &Epoch, configured: &str) -> Result<()> {
        self.write(|draft| {
            match &mut draft.epochs {
                Some(record) => configured.clone_into(&mut record.configured),
                None => {
                    draft.epochs = Some(EpochsRecord {
                        serving: EpochRecord::new(serving),
                        configured: configured.to_owned(),
                        next: None,
                        made: 0,
                        failed: 0,
                    });
                }
            }
            Ok(())
        })
    }

    /// Begins to make an epoch with another set, or goes on with it: what was made of the same model is kept, what was
    /// made of another is dropped.
    ///
    /// # Errors
    /// When nothing serves yet, or the disk refuses.
    pub fn begin_epoch(
        &self,
        set: &str,
        model: ModelId,
        configured: &str,
        now: Utc,
        events: &[Event],
    ) -> Result<()> {
        self.write(|draft| {
            let mut record = draft.told()?;
            let number = record.serving.number + u32::from(record.serving.model != model.0);
            let same = record.next.as_ref().is_some_and(|n| n.model == model.0 && n.number == number);
            if !same {
                draft.clear_made(&mut record)?;
            }
            let since = record.next.as_ref().filter(|_| same).map_or(now.0, |n| n.since);
            record.next = Some(EpochRecord { number, set: set.to_owned(), model: model.0, since });
            configured.clone_into(&mut record.configured);
            draft.epochs = Some(record);
            draft.append(events)?;
            Ok(())
        })
    }

    /// Stays with what serves: drops the epoch that is being made. `false` when none is.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn drop_epoch(&self, configured: &str, events: &[Event]) -> Result<bool> {
        self.write(|draft| {
            let mut record = draft.told()?;
            let was = record.next.take().is_some();
            draft.clear_made(&mut record)?;
            configured.clone_into(&mut record.configured);
            draft.epochs = Some(record);
            if was {
                draft.append(events)?;
            }
            Ok(was)
        })
    }

    /// At most `limit` faces behind `after` that the next epoch lacks, and how far the search came; `None` at the end.
    /// New faces may come before that place meanwhile, so a change has made everything only when a search from the
    /// beginning finds nothing, which [`Store::switch_epoch`] does.
    ///
    /// # Errors
    /// When a record is damaged.
    pub fn due_faces(&self, after: u64, limit: usize) -> Result<(Vec<DueFace>, Option<u64>)> {
        let Some(next) = self.epochs().and_then(|e| e.next) else { return Ok((Vec::new(), None)) };
        self.read(|view| {
            let (people, made) = (view.txn.open_table(PEOPLE)?, view.txn.open_table(NEXT)?);
            let mut due = Vec::new();
            for (seen, row) in people.range(after + 1..)?.enumerate() {
                let (key, value) = row?;
                let number = key.value();
                // A person's faces come together or in the next batch, and a batch holds the lock for a moment only.
                if due.len() >= limit || seen >= MOST_LOOKED_AT {
                    return Ok((due, Some(number - 1)));
                }
                let record = open_person(view.sealer, number, value.value())?;
                for (id, _) in record.templates.iter().filter(|(_, crop)| *crop) {
                    if made.get((number, *id))?.is_some() {
                        continue;
                    }
                    let template = view.remade((number, *id))?;
                    if template.template.model() == next.model {
                        continue;
                    }
                    let crop: CropRecord = view.pair(CROPS, name::CROPS, (number, *id))?;
                    due.push(DueFace {
                        place: (number, *id),
                        crop: Crop { side: crop.side, rgb: crop.rgb.0 },
                        aligned_for: ModelId(template.aligned_for),
                    });
                }
            }
            Ok((due, None))
        })
    }

    /// Keeps templates of the next epoch, `number` by `model`; those whose face was deleted meanwhile are passed over. `false` when
    /// another epoch, or none, is being made by now: nothing is kept then.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put_made(&self, number: u32, model: ModelId, made: &[MadeTemplate]) -> Result<bool> {
        let wanted = |epochs: &EpochsRecord| {
            epochs.next.as_ref().is_some_and(|n| n.number == number && n.model == model.0)
        };
        if made.is_empty() {
            return Ok(self.memory().epochs.as_ref().is_some_and(wanted));
        }
        self.write(|draft| {
            let Some(mut record) = draft.epochs.clone() else { return Ok(false) };
            if !wanted(&record) {
                return Ok(false);
            }
            for face in made {
                if draft.txn.open_table(CROPS)?.get(face.place)?.is_none() {
                    continue;
                }
                let values = face
                    .embedding
                    .as_ref()
                    .map(|e| (e.scale(), Blob(e.values().iter().map(|v| v.cast_unsigned()).collect())));
                let failed = values.is_none();
                let plain = Zeroizing::new(encode(name::NEXT, &NextRecord { epoch: number, values })?);
                let new = draft.txn.open_table(NEXT)?.get(face.place)?.is_none();
                draft.put_pair(NEXT, name::NEXT, face.place, &plain)?;
                record.made += u64::from(new);
                record.failed += u64::from(new && failed);
            }
            draft.epochs = Some(record);
            Ok(true)
        })
    }

    /// Lets the epoch that is being made serve, in one transaction, if every kept face has its template.
    ///
    /// # Errors
    /// When a record is damaged, or the disk refuses: then the old epoch serves.
    pub fn switch_epoch(&self, next: &Epoch, now: Utc, events: &[Event]) -> Result<Switched> {
        self.write(|draft| {
            let Some(mut record) = draft.epochs.clone() else { return Ok(Switched::Other) };
            if record.next.as_ref().map(EpochRecord::epoch).as_ref() != Some(next) {
                return Ok(Switched::Other);
            }
            let missing = draft.missing(next.model)?;
            if missing > 0 {
                return Ok(Switched::Unfinished(missing));
            }
            draft.take_over(next)?;
            draft.clear_made(&mut record)?;
            record.serving = EpochRecord { since: now.0, ..EpochRecord::new(next) };
            record.next = None;
            draft.epochs = Some(record);
            draft.state.revision += 1;
            draft.append(events)?;
            Ok(Switched::Done)
        })
    }
}

/// People looked at for one batch of faces.
const MOST_LOOKED_AT: usize = 256;

impl View<'_> {
    /// What the next epoch holds of a person with these templates.
    pub(super) fn made(&self, number: u64, templates: &[Template]) -> Result<Vec<ExportedTemplate>> {
        let (table, mut out) = (self.txn.open_table(NEXT)?, Vec::new());
        let Some(next) = self.epochs.and_then(|e| e.next.as_ref()) else { return Ok(out) };
        for held in templates {
            let place = (number, held.id.0);
            let Some(sealed) = table.get(place)? else { continue };
            let made = open_made(self.sealer, place, sealed.value())?;
            let Some((scale, values)) = made.values else { continue };
            out.push(ExportedTemplate {
                id: held.id.0,
                model_sha256: ModelId(next.model).to_string(),
                epoch: next.number,
                quality: held.quality,
                source: held.source.name(),
                created_at: rfc3339(held.created_at),
                scale,
                values: values.0.iter().map(|v| v.cast_signed()).collect(),
            });
        }
        Ok(out)
    }

    /// A template with the model on whose points its face was aligned.
    fn remade(&self, key: Pair) -> Result<RemadeRecord> {
        let table = self.txn.open_table(TEMPLATES)?;
        let sealed = table.get(key)?.ok_or_else(|| corrupt(name::TEMPLATES, "a record is gone"))?;
        open_template(self.sealer, key, sealed.value())
    }
}

impl Draft<'_> {
    fn told(&self) -> Result<EpochsRecord> {
        self.epochs.clone().ok_or_else(|| corrupt(name::META, "no model serves this gallery yet"))
    }

    /// Empties table `n`.
    fn clear_made(&self, record: &mut EpochsRecord) -> Result<()> {
        self.txn.delete_table(NEXT)?;
        self.txn.open_table(NEXT)?;
        (record.made, record.failed) = (0, 0);
        Ok(())
    }

    /// Kept faces that have neither a template of `model` nor one made.
    fn missing(&self, model: ModelId) -> Result<u64> {
        let (people, made) = (self.txn.open_table(PEOPLE)?, self.txn.open_table(NEXT)?);
        let templates = self.txn.open_table(TEMPLATES)?;
        let mut missing = 0;
        for row in people.iter()? {
            let (key, value) = row?;
            let number = key.value();
            let record = open_person(self.sealer, number, value.value())?;
            for (id, _) in record.templates.iter().filter(|(_, crop)| *crop) {
                let place = (number, *id);
                if made.get(place)?.is_some() {
                    continue;
                }
                let sealed =
                    templates.get(place)?.ok_or_else(|| corrupt(name::TEMPLATES, "a record is gone"))?;
                let held = open_template(self.sealer, place, sealed.value())?;
                missing += u64::from(held.template.model() != model);
            }
        }
        Ok(missing)
    }

    /// Puts every template that was made into the old one's place.
    fn take_over(&self, next: &Epoch) -> Result<()> {
        let (made, mut templates) = (self.txn.open_table(NEXT)?, self.txn.open_table(TEMPLATES)?);
        for row in made.iter()? {
            let (key, value) = row?;
            let place = key.value();
            let made = open_made(self.sealer, place, value.value())?;
            if made.epoch != next.number {
                return Err(corrupt(name::NEXT, "a record is of another epoch"));
            }
            let Some((scale, values)) = made.values else { continue };
            let held = {
                let sealed =
                    templates.get(place)?.ok_or_else(|| corrupt(name::TEMPLATES, "a record is gone"))?;
                open_template(self.sealer, place, sealed.value())?
            };
            // As it is read back: what is written must be a template.
            let remade = RemadeRecord {
                template: held.template.remade(next.model, next.number, scale, values),
                aligned_for: held.aligned_for,
            };
            remade.template.template(place.1)?;
            let plain = Zeroizing::new(encode(name::TEMPLATES, &remade)?);
            let at = Place { table: name::TEMPLATES, key: &pair_bytes(place) };
            let sealed = self.sealer.seal(&at, RECORD_REMADE, &plain)?;
            templates.insert(place, sealed.as_slice())?;
        }
        Ok(())
    }

    /// Removes what was made of a template that goes; answers its sealed bytes.
    pub(super) fn take_made(&mut self, place: Pair) -> Result<Option<Vec<u8>>> {
        let Some(record) = &mut self.epochs else { return Ok(None) };
        let mut table = self.txn.open_table(NEXT)?;
        let Some(value) = table.remove(place)? else { return Ok(None) };
        let sealed = value.value().to_vec();
        let made = open_made(self.sealer, place, &sealed)?;
        record.made = record.made.saturating_sub(1);
        record.failed = record.failed.saturating_sub(u64::from(made.values.is_none()));
        drop(value);
        Ok(Some(sealed))
    }
}
