//! Small sealed documents by name: keys, collections, whatever is one record and not one per person.
//!
//! Owns: reading and writing them, and their part in a rewriting of the file. Does not own: what is inside.
//! Kept in table `m` under `doc/<name>`, sealed like every record, so that one cannot take another's place. They are
//! not counted in `state`: a document that was removed by hand is one that was never written.
//! Invariant: a document and the events beside it are on the disk together or not at all.

use redb::{ReadableTable, WriteTransaction};
use zeroize::Zeroizing;

use super::db::Store;
use super::error::{Result, corrupt};
use super::schema::{META, Place, RECORD_V1, name};
use super::seal::Sealer;
use super::txn::{Draft, View};
use ostiary_domain::Event;

/// Largest document, bytes.
pub const MAX_DOCUMENT_BYTES: usize = 1 << 20;
const PREFIX: &str = "doc/";

impl Store {
    /// The document of that name, as it was written; `None` before the first time.
    ///
    /// # Errors
    /// When its record is damaged.
    pub fn document(&self, name: &'static str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        self.read(|view| view.document(name))
    }

    /// Writes a document with its events in one transaction.
    ///
    /// # Errors
    /// When it is over 1 MiB, or the disk refuses.
    pub fn put_document(&self, name: &'static str, content: &[u8], events: &[Event]) -> Result<()> {
        self.write(|draft| {
            draft.put_document(name, content)?;
            draft.append(events)?;
            Ok(())
        })
    }
}

impl Store {
    /// Every document of a numbered kind, in the order of the numbers.
    ///
    /// # Errors
    /// When a record is damaged.
    pub fn numbered(&self, kind: &'static str) -> Result<Vec<(u32, Zeroizing<Vec<u8>>)>> {
        let from = format!("{PREFIX}{kind}/");
        self.read(|view| {
            let table = view.txn.open_table(META)?;
            let mut all = Vec::new();
            for row in table.range(from.as_str()..)? {
                let (key, sealed) = row?;
                let Some(number) = key.value().strip_prefix(from.as_str()) else { break };
                let number = u32::from_str_radix(number, 16)
                    .map_err(|_| corrupt(name::META, format!("{kind} has a number that is none")))?;
                let place = Place { table: name::META, key: key.value().as_bytes() };
                all.push((number, view.sealer.open(&place, sealed.value())?.1));
            }
            Ok(all)
        })
    }

    /// Writes one document of a numbered kind.
    ///
    /// # Errors
    /// As [`Store::put_document`].
    pub fn put_numbered(&self, kind: &'static str, number: u32, content: &[u8]) -> Result<()> {
        self.write(|draft| draft.put_document(&format!("{kind}/{number:08x}"), content))
    }
}

impl View<'_> {
    pub(super) fn document(&self, document: &'static str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let key = format!("{PREFIX}{document}");
        let table = self.txn.open_table(META)?;
        let Some(sealed) = table.get(key.as_str())? else { return Ok(None) };
        let place = Place { table: name::META, key: key.as_bytes() };
        self.sealer.open(&place, sealed.value()).map(|(_, plain)| Some(plain))
    }
}

impl Draft<'_> {
    /// Writes a document as a part of this transaction.
    pub(super) fn put_document(&self, document: &str, content: &[u8]) -> Result<()> {
        if content.len() > MAX_DOCUMENT_BYTES {
            return Err(corrupt(name::META, format!("{document} has over {MAX_DOCUMENT_BYTES} bytes")));
        }
        let key = format!("{PREFIX}{document}");
        let sealed =
            self.sealer.seal(&Place { table: name::META, key: key.as_bytes() }, RECORD_V1, content)?;
        self.txn.open_table(META)?.insert(key.as_str(), sealed.as_slice())?;
        Ok(())
    }
}

/// Takes every document along into a fresh file, each opened on the way.
pub(super) fn copy_documents(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
    to: &WriteTransaction,
    sealer: &Sealer,
) -> Result<()> {
    let mut target = to.open_table(META)?;
    for row in meta.iter()? {
        let (key, value) = row?;
        if key.value().starts_with(PREFIX) {
            sealer.open(&Place { table: name::META, key: key.value().as_bytes() }, value.value())?;
            target.insert(key.value(), value.value())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{Options, SealKey, Store};
    use ostiary_domain::{DoorId, Event, EventKind, Now, Person, PersonId, Utc};

    #[test]
    fn numbered_documents_keep_their_order_and_their_kind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("g.redb");
        let store = Store::open(&path, SealKey::from_bytes([1; 32]), Options::default()).unwrap();
        for number in [300, 2, 0] {
            store.put_numbered("fleet", number, &[number as u8]).unwrap();
        }
        store.put_numbered("fleets", 7, b"another kind").unwrap();
        store.put_document("fleet", b"not numbered", &[]).unwrap();
        store.put_numbered("fleet", 2, b"again").unwrap();
        let all: Vec<_> =
            store.numbered("fleet").unwrap().into_iter().map(|(n, c)| (n, c.to_vec())).collect();
        assert_eq!(all, [(0, vec![0]), (2, b"again".to_vec()), (300, vec![44])]);
        assert!(store.numbered("none").unwrap().is_empty());
    }

    #[test]
    fn a_document_survives_restarts_and_erasures_and_is_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("g.redb");
        let open = || Store::open(&path, SealKey::from_bytes([1; 32]), Options::default()).unwrap();
        let store = open();
        assert!(store.document("tokens").unwrap().is_none());
        let event = Event::new(EventKind::ConfigChanged, DoorId(1), Now::default());
        store.put_document("tokens", b"a secret text of some length", &[event]).unwrap();
        store.put_document("other", b"something else", &[]).unwrap();
        let id: PersonId = "somebody".parse().unwrap();
        let name = heapless::String::try_from("Some Body").unwrap();
        store.put_person(&Person::new(id.clone(), name, Utc(1)), &[]).unwrap();
        store.delete_person(&id, &[]).unwrap();
        drop(store);
        let store = open();
        assert_eq!(store.document("tokens").unwrap().unwrap().as_slice(), b"a secret text of some length");
        assert_eq!(store.document("other").unwrap().unwrap().as_slice(), b"something else");
        assert_eq!(store.counts().events, 1);
        drop(store);
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(13).any(|w| w == b"a secret text"));
    }
}
