//! Matrix products: blocks of rows, panels of columns, and what becomes of the sums.
//!
//! Owns: the blocking that all sets share, the packing of weights, the end of a tile. Does not own: the inner loops
//! (`dot`, `mmla`, `long`), the packing of rows (`pack`).
//! Invariants: rows are packed once for all panels of a turn, into a buffer on the stack; a product deeper than that
//! buffer goes through it in parts, its sums carried from part to part. Nothing is allocated.

use core::arch::aarch64::{int32x4_t, vaddq_s32, vld1q_s32, vst1q_s32, vst1q_u8};
use core::mem::MaybeUninit;

use super::super::{Aligned, LANES, Matmul, Packed, check, padded};
use super::long;
use super::requant::{Bounds, Factors, TURN, requantise};

/// What becomes of sums: bytes, bytes with a slope below zero, themselves, or a part of deeper sums.
pub(super) const BYTES: u8 = 0;
pub(super) const PRELU: u8 = 1;
pub(super) const RAW: u8 = 2;
pub(super) const CARRY: u8 = 3;

/// Depth that the buffer of packed rows holds, and one mask of `long`.
const DEEP: usize = 2048;
/// Rows of the highest block.
const HIGH: usize = 6;
/// Sums of the greatest block and panel.
const SUMS: usize = 96;

/// How one set multiplies.
pub(super) struct Tiles {
    /// Rows of its blocks, most first. Where the last is two, a single row is given twice.
    pub(super) heights: &'static [usize],
    /// Columns of a panel.
    pub(super) columns: usize,
    /// Neighbouring values of a column in packed weights; the depth is padded to a multiple.
    pub(super) unit: usize,
    /// Values of a row that packed rows keep together, a multiple of `unit`.
    pub(super) step: usize,
    /// Whether rows are packed as signed bytes.
    pub(super) signed: bool,
    /// How biases lie.
    pub(super) biases: Biases,
    /// Packs blocks of rows and multiplies them: height, sink, job.
    ///
    /// Safety: the pointers of the job reach as far as its counts say; the processor has what the set needs.
    pub(super) block: unsafe fn(usize, u8, &Job<'_>),
}

/// How a set's inner loop wants the biases.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Biases {
    /// One a column.
    Plain,
    /// Each pair of columns twice.
    Pairs,
    /// One and three zeros a column, and behind them what `long::chains` says of each panel.
    Spread,
}

/// Blocks of rows times some panels.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    /// First row, each readable for `depth` padded to four.
    pub(super) from: *const u8,
    /// Bytes from row to row.
    pub(super) stride: usize,
    /// Values of a row.
    pub(super) depth: usize,
    /// Count of blocks.
    pub(super) blocks: usize,
    /// Room for a block's rows of the depth padded to `step`.
    pub(super) packed: *mut u8,
    weights: *const u8,
    panel_bytes: usize,
    /// Biases of the first panel.
    pub(super) bias: *const i32,
    /// Count of panels.
    pub(super) panels: usize,
    /// Whole steps of depth.
    pub(super) steps: usize,
    /// Units of the step that is not whole.
    pub(super) tail: usize,
    /// Sums of the depth before this part, or null.
    carry: *mut i32,
    /// Factors of the first panel.
    pub(super) scale: *const f32,
    pub(super) negative: *const f32,
    /// Bounds of the turn.
    pub(super) bounds: &'a Bounds,
    /// Column of the turn that the first panel begins with.
    pub(super) first: usize,
    /// The next block's first row and panel of the result: bytes, or sums.
    pub(super) out: *mut u8,
    pub(super) sums: *mut i32,
    /// Values from row to row.
    pub(super) width: usize,
    /// What `long::chains` made of the first panel, and how many words it makes of each.
    pub(super) chains: *const i32,
    pub(super) chain_words: usize,
    /// Which part of the depth this is.
    pub(super) part: usize,
}

impl Job<'_> {
    /// Weights of a panel.
    ///
    /// # Safety
    /// `panel < self.panels`.
    #[inline]
    pub(super) unsafe fn weights(&self, panel: usize) -> *const u8 {
        // SAFETY: within the packed weights, which `run` measured.
        unsafe { self.weights.add(panel * self.panel_bytes) }
    }

    /// On to the next block of `height` rows.
    #[inline]
    pub(super) fn advance(&mut self, height: usize) {
        self.from = self.from.wrapping_add(height * self.stride);
        self.out = self.out.wrapping_add(height * self.width);
        self.sums = self.sums.wrapping_add(height * self.width);
    }

    /// The sums so far.
    ///
    /// # Safety
    /// `carry` is null or has room for the sums.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) unsafe fn carried<const N: usize, const SINK: u8>(
        &self,
        mut sums: [int32x4_t; N],
    ) -> [int32x4_t; N] {
        if !self.carry.is_null() {
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: `carry` holds the sums of a whole block and panel.
                unsafe {
                    *sum = vaddq_s32(*sum, vld1q_s32(self.carry.add(4 * i)));
                    if SINK == CARRY {
                        vst1q_s32(self.carry.add(4 * i), *sum);
                    }
                }
            }
        }
        sums
    }
}

/// What becomes of a panel of sixteen columns: `N / 4` rows of four vectors.
///
/// # Safety
/// `panel < job.panels`, and the job's pointers reach as far as its counts say.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn finish<const N: usize, const SINK: u8>(
    sums: [int32x4_t; N],
    job: &Job<'_>,
    panel: usize,
) {
    let column = panel * LANES;
    // SAFETY: the caller's promise; a row has all columns of its panels.
    unsafe {
        let sums = job.carried::<N, SINK>(sums);
        if SINK == RAW {
            let mut row = job.sums.add(column);
            for four in sums.as_chunks::<4>().0 {
                for (i, sum) in four.iter().enumerate() {
                    vst1q_s32(row.add(4 * i), *sum);
                }
                row = row.add(job.width);
            }
        } else if SINK != CARRY {
            let group = job.bounds.group(job.first + column);
            let mut row = job.out.add(column);
            macro_rules! rows {
                ($prelu:literal) => {{
                    let factors =
                        Factors::load::<$prelu>(job.scale.add(column), job.negative.wrapping_add(column));
                    for four in sums.as_chunks::<4>().0 {
                        vst1q_u8(row, requantise::<$prelu>(*four, &factors, &group));
                        row = row.add(job.width);
                    }
                }};
            }
            if SINK == PRELU { rows!(true) } else { rows!(false) }
        }
    }
}

/// Weights and biases as `tiles` read them.
pub(super) fn pack(tiles: &Tiles, weights: &[i8], bias: &[i32], columns: usize, depth: usize) -> Packed {
    check::pack_matmul(weights, bias, columns, depth);
    let Tiles { columns: wide, unit, .. } = *tiles;
    let panel = check::product(&[wide, depth.next_multiple_of(unit)]);
    let mut packed = Aligned::zeroed(check::product(&[padded(columns) / wide, panel]));
    let bytes = packed.bytes_mut();
    let mut biases = vec![0; padded(columns)];
    for (column, row) in weights.chunks_exact(depth.max(1)).enumerate() {
        let first = column / wide * panel + column % wide * unit;
        for (k, &weight) in row.iter().enumerate() {
            bytes[first + k / unit * unit * wide + k % unit] = weight as u8;
        }
    }
    for (column, (to, &from)) in biases.iter_mut().zip(bias).enumerate() {
        let row = &weights[column * depth..][..depth];
        let sum: i32 = row.iter().map(|&w| i32::from(w)).sum();
        // A value is 128 more than the signed byte that stands for it.
        *to = if tiles.signed { from.wrapping_add(sum.wrapping_mul(128)) } else { from };
    }
    let bias = match tiles.biases {
        Biases::Plain => biases,
        Biases::Pairs => biases.as_chunks::<2>().0.iter().flat_map(|&[a, b]| [a, b, a, b]).collect(),
        Biases::Spread => {
            let mut spread: Vec<i32> = biases.iter().flat_map(|&b| [b, 0, 0, 0]).collect();
            spread.extend(packed.bytes().chunks_exact(panel.max(1)).flat_map(long::chains));
            spread.resize(padded(columns) * 4 + padded(columns) / wide * long::words(depth), 1);
            spread
        }
    };
    Packed { bytes: packed, bias }
}

/// Rows times columns to bytes.
pub(super) fn bytes(tiles: &Tiles, op: &Matmul, a: &[u8], a_stride: usize, rows: usize, out: &mut [u8]) {
    check::matmul(op, a, a_stride, rows, out.len());
    let sink = if op.requant.negative.is_empty() { BYTES } else { PRELU };
    run(tiles, op, a, a_stride, rows, (out.as_mut_ptr(), core::ptr::null_mut()), sink);
}

/// Rows times columns, the sums themselves.
pub(super) fn raw(tiles: &Tiles, op: &Matmul, a: &[u8], a_stride: usize, rows: usize, out: &mut [i32]) {
    check::matmul(op, a, a_stride, rows, out.len());
    run(tiles, op, a, a_stride, rows, (core::ptr::null_mut(), out.as_mut_ptr()), RAW);
}

/// Every block of rows times every panel.
fn run(
    tiles: &Tiles,
    op: &Matmul,
    a: &[u8],
    a_stride: usize,
    rows: usize,
    out: (*mut u8, *mut i32),
    sink: u8,
) {
    let width = padded(op.columns);
    let panel_bytes = check::product(&[tiles.columns, op.depth.next_multiple_of(tiles.unit)]);
    let (values, chain_words) = match tiles.biases {
        Biases::Plain => (1, 0),
        Biases::Pairs => (2, 0),
        Biases::Spread => (4, long::words(op.depth)),
    };
    let (weights, bias) = (op.weights.bytes.bytes(), &op.weights.bias);
    assert!(weights.len() == width / tiles.columns * panel_bytes, "weights are not of this set");
    assert!(bias.len() == width * values + width / tiles.columns * chain_words, "biases are not of this set");
    let units = op.depth.div_ceil(tiles.unit);
    let mut bounds = Bounds::empty();
    let mut buffer = MaybeUninit::<Buffer>::uninit();
    let buffer = buffer.as_mut_ptr().cast::<u8>();
    for first in (0..width).step_by(TURN) {
        let count = TURN.min(width - first);
        if sink != RAW {
            // SAFETY: every aarch64 processor that this program is built for has NEON.
            unsafe { bounds.fill(&op.requant, first, count) };
        }
        let mut row = 0;
        while row < rows {
            let left = rows - row;
            let height = tiles.heights.iter().copied().find(|&h| h <= left).unwrap_or(2);
            let (blocks, once) = ((left / height).max(1), height <= left);
            // SAFETY: `check::matmul` measured the rows of `a` and the result, the assertions above weights and
            // biases; `first + count` columns and `row + blocks * height` rows are within them. A row that is
            // given twice is written twice to the same place. The set was made for this processor.
            unsafe {
                let job = Job {
                    from: a.as_ptr().add(row * a_stride),
                    stride: if once { a_stride } else { 0 },
                    depth: op.depth,
                    blocks,
                    packed: buffer,
                    weights: weights.as_ptr().add(first / tiles.columns * panel_bytes),
                    panel_bytes,
                    bias: bias.as_ptr().add(first * values),
                    panels: count / tiles.columns,
                    steps: units / (tiles.step / tiles.unit),
                    tail: units % (tiles.step / tiles.unit),
                    carry: core::ptr::null_mut(),
                    scale: op.requant.scale.as_ptr().wrapping_add(first),
                    negative: op.requant.negative.as_ptr().wrapping_add(first),
                    bounds: &bounds,
                    first: 0,
                    out: out.0.wrapping_add(row * width + first),
                    sums: out.1.wrapping_add(row * width + first),
                    width: if once { width } else { 0 },
                    chains: bias.as_ptr().wrapping_add(width * values + first / tiles.columns * chain_words),
                    chain_words,
                    part: 0,
                };
                if op.depth <= DEEP {
                    (tiles.block)(height, sink, &job);
                } else {
                    deep(tiles, job, height, values, sink);
                }
            }
            row += if once { blocks * height } else { left };
        }
    }
}

/// Room for packed rows, aligned for the widest loads.
#[repr(C, align(64))]
struct Buffer([u8; HIGH * DEEP]);

/// Blocks whose depth the buffer does not hold: block by block, panel by panel, part by part.
///
/// # Safety
/// As for `Tiles::block`, but for the room for packed rows.
#[cold]
unsafe fn deep(tiles: &Tiles, mut job: Job<'_>, height: usize, values: usize, sink: u8) {
    let nothing = [0; 4 * LANES];
    for _ in 0..job.blocks {
        for panel in 0..job.panels {
            let mut carry = [0; SUMS];
            for from in (0..job.depth).step_by(DEEP) {
                let depth = DEEP.min(job.depth - from);
                let units = depth.div_ceil(tiles.unit);
                let column = panel * tiles.columns;
                // SAFETY: parts begin at multiples of `step`, so a panel's weights for them begin at `columns` times
                // their first value; the rest is the caller's promise.
                unsafe {
                    let part = Job {
                        from: job.from.add(from),
                        depth,
                        blocks: 1,
                        weights: job.weights(panel).add(tiles.columns * from),
                        bias: if from == 0 { job.bias.add(column * values) } else { nothing.as_ptr() },
                        panels: 1,
                        steps: units / (tiles.step / tiles.unit),
                        tail: units % (tiles.step / tiles.unit),
                        carry: carry.as_mut_ptr(),
                        scale: job.scale.wrapping_add(column),
                        negative: job.negative.wrapping_add(column),
                        first: job.first + column,
                        out: job.out.wrapping_add(column),
                        sums: job.sums.wrapping_add(column),
                        chains: job.chains.wrapping_add(panel * job.chain_words),
                        part: from / DEEP,
                        ..job
                    };
                    let last = from + depth == job.depth;
                    (tiles.block)(height, if last { sink } else { CARRY }, &part);
                }
            }
        }
        job.advance(height);
    }
}
