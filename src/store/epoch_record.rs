//! What is on the disk of a change of models: the record of epochs, and templates of the next one.
//!
//! Owns: their shapes, sealing and opening, the check at the start. Does not own: what may become of them (`epochs`).
//! Invariant: table `n` holds as many rows as the record says, or the gallery is damaged.

use redb::{ReadableDatabase as _, ReadableTableMetadata as _};
use serde::{Deserialize, Serialize};

use super::db::Shared;
use super::epochs::{Epoch, Epochs};
use super::error::{Result, corrupt};
use super::record::{Blob, RemadeRecord, TemplateRecord, decode, encode};
use super::schema::{EPOCHS_KEY, META, NEXT, Pair, Place, RECORD_REMADE, RECORD_V1, name, pair_bytes};
use super::seal::Sealer;
use ostiary_domain::{ModelId, Utc};

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EpochsRecord {
    pub(super) serving: EpochRecord,
    pub(super) configured: String,
    pub(super) next: Option<EpochRecord>,
    /// Rows of table `n`.
    pub(super) made: u64,
    pub(super) failed: u64,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EpochRecord {
    pub(super) number: u32,
    pub(super) set: String,
    pub(super) model: [u8; 32],
    pub(super) since: i64,
}

/// A template of the next epoch; without values the face gave none.
#[derive(Serialize, Deserialize)]
pub(super) struct NextRecord {
    pub(super) epoch: u32,
    pub(super) values: Option<(f32, Blob)>,
}

impl EpochRecord {
    pub(super) fn new(epoch: &Epoch) -> Self {
        Self { number: epoch.number, set: epoch.set.clone(), model: epoch.model.0, since: epoch.since.0 }
    }

    pub(super) fn epoch(&self) -> Epoch {
        Epoch {
            number: self.number,
            set: self.set.clone(),
            model: ModelId(self.model),
            since: Utc(self.since),
        }
    }
}

impl EpochsRecord {
    pub(super) fn epochs(&self) -> Epochs {
        Epochs {
            serving: self.serving.epoch(),
            configured: self.configured.clone(),
            next: self.next.as_ref().map(EpochRecord::epoch),
            made: self.made,
            failed: self.failed,
        }
    }
}

/// Opens a template of either version.
pub(super) fn open_template(sealer: &Sealer, key: Pair, sealed: &[u8]) -> Result<RemadeRecord> {
    let (version, plain) = sealer.open(&Place { table: name::TEMPLATES, key: &pair_bytes(key) }, sealed)?;
    if version == RECORD_REMADE {
        return decode(name::TEMPLATES, RECORD_V1, &plain);
    }
    let template: TemplateRecord = decode(name::TEMPLATES, version, &plain)?;
    let aligned_for = template.model().0;
    Ok(RemadeRecord { template, aligned_for })
}

pub(super) fn open_made(sealer: &Sealer, place: Pair, sealed: &[u8]) -> Result<NextRecord> {
    let (version, plain) = sealer.open(&Place { table: name::NEXT, key: &pair_bytes(place) }, sealed)?;
    decode(name::NEXT, version, &plain)
}

const fn epochs_place() -> Place<'static> {
    Place { table: name::META, key: b"epochs" }
}

/// Seals the record of epochs into its place.
pub(super) fn write_epochs(
    txn: &redb::WriteTransaction,
    sealer: &Sealer,
    record: Option<&EpochsRecord>,
) -> Result<()> {
    // So that readers always find it.
    txn.open_table(NEXT)?;
    let Some(record) = record else { return Ok(()) };
    let sealed = sealer.seal(&epochs_place(), RECORD_V1, &encode(name::META, record)?)?;
    txn.open_table(META)?.insert(EPOCHS_KEY, sealed.as_slice())?;
    Ok(())
}

impl Shared {
    /// Reads the record of epochs and holds table `n` against it; makes the table in an older gallery.
    pub(super) fn load_epochs(&self) -> Result<Option<EpochsRecord>> {
        let txn = self.database()?.begin_read()?;
        let kept = txn.open_table(META)?.get(EPOCHS_KEY)?.map(|sealed| sealed.value().to_vec());
        let rows = match txn.open_table(NEXT) {
            Ok(table) => table.len()?,
            Err(redb::TableError::TableDoesNotExist(_)) => {
                drop(txn);
                let txn = self.database()?.begin_write()?;
                txn.open_table(NEXT)?;
                txn.commit()?;
                0
            }
            Err(e) => return Err(e.into()),
        };
        let record: Option<EpochsRecord> = match kept {
            None => None,
            Some(sealed) => {
                let (version, plain) = self.sealer.open(&epochs_place(), &sealed)?;
                Some(decode(name::META, version, &plain)?)
            }
        };
        let expected = record.as_ref().map_or(0, |r| r.made);
        if rows != expected {
            return Err(corrupt(name::NEXT, format!("{rows} records where {expected} were written")));
        }
        Ok(record)
    }
}
