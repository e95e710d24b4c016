//! Looking for byte patterns in the raw bytes of a file.
//!
//! Owns: the search. Does not own: which patterns mean what.
//! Invariant: every byte of the part is looked at, also across the borders of the pieces it is read in.

use std::collections::{HashMap, HashSet};

use super::error::Result;
use super::medium::{Medium, Part};

/// Bytes to look for, at least [`MIN_NEEDLE`].
pub(super) type Needle = Vec<u8>;

/// Shorter texts occur by chance in random bytes and prove nothing: 5 bytes once in 2^40.
pub(super) const MIN_NEEDLE: usize = 6;

/// Texts of redb's and our own that stand in every gallery file, an empty one too. Names of redb's tables follow
/// each other without a gap, in this order.
const IN_EVERY_FILE: [&str; 21] = [
    "redb",
    // Our own documents (`documents`) and keys: those of a gallery in use.
    "doc/accounts",
    "doc/collections",
    "doc/identity",
    "doc/rules",
    "doc/tokens",
    "extraformatlooksstateOSTIARY",
    "AllocatorStateKey",
    "DynamicCollection",
    "InternalTableDefinition",
    "PageList",
    "TransactionIdWithPagination",
    "SavepointId",
    "SerializedSavepoint",
    "allocator_state",
    "data_pages_allocated",
    "data_pages_unreachable",
    "next_savepoint_id",
    "persistent_savepoints",
    "system_pages_unreachable",
    // Our own tables, of one letter each (schema.rs).
    "abcijklmnpt",
];

/// A text in clear as a needle; `None` when it is too short to mean anything, or stands in every gallery file.
pub(super) fn plain_needle(text: &str) -> Option<Needle> {
    let everywhere = IN_EVERY_FILE.iter().enumerate().any(|(i, first)| {
        let mut neighbours = IN_EVERY_FILE[i + 1..].iter();
        first.contains(text) || neighbours.any(|second| format!("{first}{second}").contains(text))
    });
    (text.len() >= MIN_NEEDLE && !everywhere).then(|| text.as_bytes().to_vec())
}

/// What a search found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Bytes looked at.
    pub(super) bytes: u64,
    /// How often any needle was found.
    pub(super) occurrences: u64,
    /// How many different needles were found.
    pub(super) distinct: u64,
}

/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// Looks for every needle at every byte of a part.
pub(super) fn count(medium: &dyn Medium, part: Part, needles: &[Needle]) -> Result<Count> {
    let length = medium.len(part)?.unwrap_or(0);
    let longest = needles.iter().map(Vec::len).max().unwrap_or(1);
    let mut by_head: HashMap<[u8; 4], Vec<usize>> = HashMap::new();
    // One bit for each pair of first bytes, so that nearly every position costs one look.
    let mut starts = vec![0_u64; 1 << 10];
    for (i, needle) in needles.iter().enumerate() {
        let Some(head) = needle.first_chunk::<4>() else { continue };
        by_head.entry(*head).or_default().push(i);
        let pair = usize::from(head[0]) << 8 | usize::from(head[1]);
        starts[pair >> 6] |= 1 << (pair & 63);
    }
    let mut found = Count::default();
    let mut distinct = HashSet::new();
    let mut buffer = vec![0_u8; PIECE + longest];
    while found.bytes < length {
        // Each piece is read with as much of the next as a needle that begins in it may need.
        let own = (length - found.bytes).min(PIECE as u64) as usize;
        let with_next = (length - found.bytes).min((PIECE + longest - 1) as u64) as usize;
        let piece = &mut buffer[..with_next];
        medium.read(part, found.bytes, piece)?;
        for at in 0..own {
            let rest = &piece[at..];
            let Some(head) = rest.first_chunk::<4>() else { break };
            let pair = usize::from(head[0]) << 8 | usize::from(head[1]);
            if starts[pair >> 6] & (1 << (pair & 63)) == 0 {
                continue;
            }
            for i in by_head.get(head).into_iter().flatten() {
                if rest.starts_with(&needles[*i]) {
                    found.occurrences += 1;
                    distinct.insert(*i);
                }
            }
        }
        found.bytes += own as u64;
    }
    found.distinct = distinct.len() as u64;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileMedium, Options, SealKey, Store};

    /// If redb comes to write other words, a person of that id could not be deleted: this says so first.
    #[test]
    fn every_word_of_an_empty_gallery_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("g.redb");
        let store = Store::open(&path, SealKey::from_bytes([1; 32]), Options::default()).unwrap();
        store.append(&[]).unwrap();
        drop(store);
        let bytes = std::fs::read(&path).unwrap();
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"._@-".contains(b);
        for run in bytes.split(|b| !allowed(b)) {
            // Ten such bytes do not occur by chance in the few hundred random ones of an empty gallery; a few beside
            // a known text do.
            for word in run.windows(10) {
                let word = String::from_utf8(word.to_vec()).unwrap();
                let known = (0..=4).any(|at| plain_needle(&word[at..at + MIN_NEEDLE]).is_none());
                assert!(known, "{word} in {}", String::from_utf8_lossy(run));
            }
        }
        assert!(plain_needle("employee-7").is_some() && plain_needle("anna.k").is_some());
    }

    #[test]
    fn a_needle_across_two_pieces_is_found_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("g.redb");
        let mut bytes = vec![0xa5_u8; 2 * PIECE + 10];
        let needle = b"needle in a stack".to_vec();
        for at in [0, PIECE - 5, PIECE + 100, 2 * PIECE + 10 - needle.len()] {
            bytes[at..at + needle.len()].copy_from_slice(&needle);
        }
        std::fs::write(&path, &bytes).unwrap();
        let absent = b"not to be found".to_vec();
        let found = count(&FileMedium::new(&path), Part::Main, &[needle, absent]).unwrap();
        assert_eq!(found, Count { bytes: bytes.len() as u64, occurrences: 4, distinct: 1 });
    }
}
