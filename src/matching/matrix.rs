//! Templates as rows of one contiguous int8 matrix, and the scan over it.
//!
//! Owns: the layout and the inner loop. Does not own: who the rows belong to beyond an index, what a score means.
//! Invariants: every row has the same length, padded with zeros to a multiple of [`PAD`]; `rows`, `norms` and
//! `owners` describe the same templates in the same order; rows given up are overwritten before they are freed.

use ostiary_domain::Embedding;
use ostiary_domain::limits::MAX_EMBEDDING;

/// Dot products of a probe with every row of a matrix: `out[i]` is the one with the row that begins at
/// `i * probe.len()`, exact. The engine has one for every processor; [`plain`] runs everywhere.
pub type Scan = fn(probe: &[i8], matrix: &[i8], out: &mut [i32]);

/// Rows are padded to this many values: whole vector registers on every machine we name, and a cache line.
const PAD: usize = 64;

/// Rows whose dot products are asked for at once: so many that the asking costs nothing, so few that their scores
/// stay in the nearest cache.
const BLOCK: usize = 256;

/// Rows whose scores are computed before any of them is looked at: the division is then a vector operation too.
const GROUP: usize = 16;

// The probe is copied into an array of MAX_EMBEDDING, so the longest row must be whole blocks of PAD.
const _: () = assert!(MAX_EMBEDDING.is_multiple_of(PAD) && BLOCK.is_multiple_of(GROUP));

/// A probe made ready for a scan: padded as the rows are.
pub(super) struct Probe {
    values: [i8; MAX_EMBEDDING],
    len: usize,
    norm: f32,
}

impl Probe {
    pub(super) fn new(embedding: &Embedding) -> Self {
        let mut values = [0; MAX_EMBEDDING];
        let len = embedding.values().len();
        values[..len].copy_from_slice(embedding.values());
        Self { values, len, norm: embedding.norm() }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }
}

/// Templates, their lengths and their owners.
#[derive(Default)]
pub(super) struct Matrix {
    stride: usize,
    /// Values before the first row, so that every row begins at a cache line.
    start: usize,
    rows: Vec<i8>,
    norms: Vec<f32>,
    owners: Vec<u32>,
}

impl Matrix {
    /// An empty matrix for templates of `len` values.
    pub(super) const fn new(len: usize) -> Self {
        Self {
            stride: len.next_multiple_of(PAD),
            start: 0,
            rows: Vec::new(),
            norms: Vec::new(),
            owners: Vec::new(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.owners.len()
    }

    /// Adds a template. Its length is the one given at [`Matrix::new`]; the caller checked.
    pub(super) fn push(&mut self, embedding: &Embedding, owner: u32) {
        debug_assert_eq!(embedding.values().len().next_multiple_of(PAD), self.stride);
        if self.rows.len() + self.stride > self.rows.capacity() {
            self.grow(self.rows.len() + self.stride);
        }
        let end = self.rows.len() + self.stride;
        self.rows.extend_from_slice(embedding.values());
        self.rows.resize(end, 0);
        self.norms.push(embedding.norm());
        self.owners.push(owner);
    }

    /// Moves to a larger buffer without leaving a copy of the templates in the old one.
    fn grow(&mut self, at_least: usize) {
        let mut larger: Vec<i8> = Vec::with_capacity((at_least + PAD).max(self.rows.capacity() * 3 / 2));
        // An address that cannot be brought to a line is only slower.
        let start = larger.as_ptr().align_offset(PAD).min(PAD);
        larger.resize(start, 0);
        larger.extend_from_slice(&self.rows[self.start..]);
        self.rows.fill(0);
        (self.rows, self.start) = (larger, start);
    }

    /// Drops every template of `gone`; `moved` then takes its number.
    pub(super) fn remove_owner(&mut self, gone: u32, moved: u32) {
        let mut at = 0;
        while at < self.owners.len() {
            if self.owners[at] == gone {
                self.swap_remove(at);
            } else {
                at += 1;
            }
        }
        for owner in self.owners.iter_mut().filter(|owner| **owner == moved) {
            *owner = gone;
        }
    }

    fn swap_remove(&mut self, at: usize) {
        let last = self.owners.len() - 1;
        let end = self.start + last * self.stride;
        self.rows.copy_within(end.., self.start + at * self.stride);
        self.rows[end..].fill(0);
        self.rows.truncate(end);
        self.norms.swap_remove(at);
        self.owners.swap_remove(at);
    }

    /// Calls `visit(score, owner)` for every template whose score is at least the floor; `visit` returns the floor
    /// from there on, which may only rise.
    pub(super) fn scan(
        &self,
        dots: Scan,
        probe: &Probe,
        mut floor: f32,
        mut visit: impl FnMut(f32, u32) -> f32,
    ) -> f32 {
        if self.owners.is_empty() {
            return floor;
        }
        let padded = &probe.values[..self.stride];
        let blocks = self.rows[self.start..].chunks(self.stride * BLOCK);
        for ((rows, norms), owners) in blocks.zip(self.norms.chunks(BLOCK)).zip(self.owners.chunks(BLOCK)) {
            // Of rows that are not there the product is 0 and the length 1.
            let mut products = [0; BLOCK];
            dots(padded, rows, &mut products[..owners.len()]);
            let groups = products.as_chunks::<GROUP>().0.iter();
            for ((dots, norms), owners) in groups.zip(norms.chunks(GROUP)).zip(owners.chunks(GROUP)) {
                let mut lengths = [1.0; GROUP];
                lengths[..norms.len()].copy_from_slice(norms);
                // The same arithmetic as `Embedding::cosine`, in the same order, so that the results are the same
                // bits.
                let scores: [f32; GROUP] =
                    core::array::from_fn(|i| (dots[i] as f32 / (probe.norm * lengths[i])).clamp(-1.0, 1.0));
                for (score, owner) in scores.into_iter().zip(owners) {
                    if score >= floor {
                        floor = visit(score, *owner);
                    }
                }
            }
        }
        floor
    }
}

impl Drop for Matrix {
    /// Freed memory holds no templates.
    fn drop(&mut self) {
        self.rows.fill(0);
    }
}

/// The scan that runs everywhere. Products of i8 fit i16 lanes' 32-bit sums (512 * 128 * 128 < 2^31); the fixed block
/// lets the compiler use its multiply-add of 16-bit pairs (SSE2 `pmaddwd`, NEON `smlal`).
pub(super) fn plain(probe: &[i8], matrix: &[i8], out: &mut [i32]) {
    let mut wide = [0_i16; MAX_EMBEDDING];
    let wide = &mut wide[..probe.len()];
    wide.iter_mut().zip(probe).for_each(|(wide, narrow)| *wide = i16::from(*narrow));
    let (a, _) = wide.as_chunks::<PAD>();
    for (dot, row) in out.iter_mut().zip(matrix.chunks_exact(probe.len())) {
        let (b, _) = row.as_chunks::<PAD>();
        *dot = a
            .iter()
            .zip(b)
            .map(|(a, b)| a.iter().zip(b).map(|(x, y)| i32::from(*x) * i32::from(*y)).sum::<i32>())
            .sum();
    }
}
