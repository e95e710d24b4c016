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

/// A text in clear as a needle; `None` when it is too short to mean anything, or is part of every redb file.
pub(super) fn plain_needle(text: &[u8]) -> Option<Needle> {
    /// Words of redb's own that stand in every file.
    const OWN: [&[u8]; 8] = [
        b"redb",
        b"next_savepoint_id",
        b"persistent_savepoints",
        b"data_pages_unreachable",
        b"data_allocated_pages_by_transaction_id",
        b"data_freed_pages",
        b"system_freed_pages",
        b"allocator_state",
    ];
    let own = OWN.iter().any(|word| word.windows(text.len().max(1)).any(|w| w == text));
    (text.len() >= MIN_NEEDLE && !own).then(|| text.to_vec())
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
