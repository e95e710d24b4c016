//! Depthwise convolution of 3x3 with stride 1, two output rows at a time.
//!
//! Owns: the walk along a pair of rows. Does not own: blocks of channels and everything about other windows
//! (`depthwise`).
//! The four input rows that two output rows see are interleaved column by column: a lane then holds a column of four,
//! of which the upper output takes the first three and the lower one the last three (the fourth weight is zero). A
//! column serves the six outputs around it.
//! Limit: per 16 outputs 3 `dot`, a multiplication, a quarter of 8 shuffles: about 4 cycles of the two ports that
//! multiply, at 512 bits.

use super::depthwise::{Block, load, repeats, store};
use super::isa::{Isa, unpack};
use crate::engine::kernels::{Depthwise, Window, padded};

/// Columns times upper and lower output.
pub(super) const DOTS: usize = 6;

/// Whether this path is for such a window.
pub(super) fn takes(window: &Window) -> bool {
    window.kernel == [3, 3] && window.stride == [1, 1] && window.dilation == [1, 1]
}

/// Which tap the weight for row `part` of four is in a dot: column `dot / 2`, upper output or lower.
pub(super) fn tap(dot: usize, part: usize) -> Option<usize> {
    part.checked_sub(dot % 2).filter(|&row| row < 3).map(|row| row * 3 + dot / 2)
}

/// The interleaved rows of one column.
type Column<S> = [<S as Isa>::Bytes; 4];

/// Four input rows and two output rows.
struct Rows<'a> {
    op: &'a Depthwise,
    /// Where each input row's channels of the block begin; `outside` for rows beyond the plane.
    from: [*const u8; 4],
    /// From a pixel to the next; 0 for rows beyond the plane.
    step: [usize; 4],
    /// Where the output rows' channels of the block begin; how many there are (1 or 2).
    to: *mut u8,
    count: usize,
}

/// All rows of one block of channels.
///
/// # Safety
/// `check::depthwise` has passed for a window that `takes`; `block` is one of `op`; with `FULL` all its lanes exist.
#[inline(always)]
pub(super) unsafe fn block<S: Isa, const PLAIN: bool, const FULL: bool>(
    isa: S,
    op: &Depthwise,
    block: Block<S>,
    input: &[u8],
    out: &mut [u8],
) {
    let window = &op.window;
    let lanes = padded(op.channels);
    let [height, width] = window.output;
    // SAFETY: `outside` has the block's channels.
    let nothing = unsafe {
        let outside = load::<S, FULL>(isa, op.outside.as_ptr().add(block.first), block.groups);
        ready(isa, [outside; 4])
    };
    // Pixels that a register holds beside each other, and from where to where all of their taps are inside.
    let across = if repeats::<S>(lanes) { S::WIDTH / lanes } else { usize::MAX };
    let left = window.pad[1].min(width);
    let right = (window.input[1] + window.pad[1]).saturating_sub(2).min(width);
    for y in (0..height).step_by(2) {
        let mut rows = Rows {
            op,
            from: [op.outside.as_ptr().wrapping_add(block.first); 4],
            step: [0; 4],
            // SAFETY: the first pixel of an output row.
            to: unsafe { out.as_mut_ptr().add(y * width * lanes + block.first) },
            count: (height - y).min(2),
        };
        for r in 0..4 {
            if let Some(row) = (y + r).checked_sub(window.pad[0]).filter(|&row| row < window.input[0]) {
                rows.from[r] = input.as_ptr().wrapping_add(row * window.input[1] * lanes + block.first);
                rows.step[r] = lanes;
            }
        }
        // SAFETY: `rows` are of these planes; `side_by_side` is given what lies between `left` and `right`.
        unsafe {
            let mut beside = width..width;
            if !FULL && left.saturating_add(across) <= right {
                beside = left..right;
                rows.side_by_side::<S, PLAIN>(isa, &block, left..right, across);
            }
            for range in [0..beside.start, beside.end..width] {
                if !range.is_empty() {
                    rows.one_by_one::<S, PLAIN, FULL>(isa, &block, &nothing, range);
                }
            }
        }
    }
}

impl Rows<'_> {
    /// Output columns `range`, each a register of channels.
    ///
    /// # Safety
    /// The rows are those of planes that `check::depthwise` saw, and `range` is within the output.
    #[inline(always)]
    unsafe fn one_by_one<S: Isa, const PLAIN: bool, const FULL: bool>(
        &self,
        isa: S,
        block: &Block<S>,
        nothing: &Column<S>,
        range: std::ops::Range<usize>,
    ) {
        let lanes = padded(self.op.channels);
        let mut x = range.start;
        // SAFETY (all blocks): `column` looks whether a column exists; outputs are stored while they are in `range`.
        let mut columns = unsafe {
            let first = self.column::<S, FULL>(isa, block, nothing, x);
            let second = self.column::<S, FULL>(isa, block, nothing, x + 1);
            [first, second, second, second]
        };
        while x < range.end {
            columns[2] = unsafe { self.column::<S, FULL>(isa, block, nothing, x + 2) };
            if S::ACROSS == 2 {
                columns[3] = unsafe { self.column::<S, FULL>(isa, block, nothing, x + 3) };
            }
            let results = unsafe { sums::<S, PLAIN>(isa, block, &columns, S::ACROSS) };
            for r in 0..self.count {
                for c in 0..S::ACROSS {
                    if x + c < range.end {
                        unsafe {
                            let to = self.to.add((r * self.op.window.output[1] + x + c) * lanes);
                            store::<S, FULL>(isa, results[c][r], to, block.groups);
                        }
                    }
                }
            }
            x += S::ACROSS;
            columns = if S::ACROSS == 2 {
                [columns[2], columns[3], columns[3], columns[3]]
            } else {
                [columns[1], columns[2], columns[2], columns[2]]
            };
        }
    }

    /// Output columns `range`, several pixels of few channels in a register; the last register may repeat some.
    ///
    /// # Safety
    /// As `one_by_one`; all taps of `range` are inside, and it is at least `across` long.
    #[inline(always)]
    unsafe fn side_by_side<S: Isa, const PLAIN: bool>(
        &self,
        isa: S,
        block: &Block<S>,
        range: std::ops::Range<usize>,
        across: usize,
    ) {
        let lanes = padded(self.op.channels);
        let mut x = range.start;
        while x < range.end {
            x = x.min(range.end - across);
            let column = x - self.op.window.pad[1];
            // SAFETY: `across` pixels from `column`, `column + 1` and `column + 2` on are in the row (a row beyond the
            // plane is read at `outside`, as often as needed); as many outputs from `x` on.
            unsafe {
                let one = self.pixels::<S>(isa, block, column);
                let two = self.pixels::<S>(isa, block, column + 1);
                let three = self.pixels::<S>(isa, block, column + 2);
                let results = sums::<S, PLAIN>(isa, block, &[one, two, three, three], 1);
                for r in 0..self.count {
                    let to = self.to.add((r * self.op.window.output[1] + x) * lanes);
                    isa.store(results[0][r], to);
                }
            }
            x += across;
        }
    }

    /// Input column `x - pad`, or what stands outside.
    ///
    /// # Safety
    /// As `one_by_one`.
    #[inline(always)]
    unsafe fn column<S: Isa, const FULL: bool>(
        &self,
        isa: S,
        block: &Block<S>,
        nothing: &Column<S>,
        x: usize,
    ) -> Column<S> {
        match x.checked_sub(self.op.window.pad[1]) {
            Some(column) if column < self.op.window.input[1] => {
                let mut rows = block.bias;
                for r in 0..4 {
                    // SAFETY: a pixel of the row, or `outside` again and again.
                    rows[r] = unsafe {
                        load::<S, FULL>(isa, self.from[r].add(column * self.step[r]), block.groups)
                    };
                }
                ready(isa, rows)
            }
            _ => *nothing,
        }
    }

    /// A register of pixels of each row, from `column` on.
    ///
    /// # Safety
    /// They are in the row.
    #[inline(always)]
    unsafe fn pixels<S: Isa>(&self, isa: S, block: &Block<S>, column: usize) -> Column<S> {
        let mut rows = block.bias;
        for r in 0..4 {
            // SAFETY: pixels of the row; `outside` is one pixel only, and is repeated.
            rows[r] = unsafe {
                if self.step[r] == 0 {
                    isa.repeat_groups(self.from[r], block.groups)
                } else {
                    isa.load(self.from[r].add(column * self.step[r]))
                }
            };
        }
        ready(isa, rows)
    }
}

/// Four rows interleaved.
#[inline(always)]
fn ready<S: Isa>(isa: S, rows: [S::Int; 4]) -> Column<S> {
    let [a, b, c, d] = unpack(isa, rows);
    [isa.ready(a), isa.ready(b), isa.ready(c), isa.ready(d)]
}

/// Bytes of `across` (1 or 2) outputs, upper and lower, from three columns each, one further on for the second.
///
/// # Safety
/// The block has the weights of this path.
#[inline(always)]
unsafe fn sums<S: Isa, const PLAIN: bool>(
    isa: S,
    block: &Block<S>,
    columns: &[Column<S>; 4],
    across: usize,
) -> [[S::Int; 2]; 2] {
    let mut results = [[block.bias[0]; 2]; 2];
    for half in 0..2 {
        // Two registers of the quad for each output, so that columns and sums stay in registers.
        let mut sums = [[[block.bias[0]; 2]; 2]; 2];
        for pair in 0..2 {
            let q = 2 * half + pair;
            for c in 0..across {
                sums[c][0][pair] = block.bias[q];
                sums[c][1][pair] = block.bias[q];
            }
            for j in 0..3 {
                // SAFETY: `DOTS` times four groups of weights.
                let (upper, lower) = unsafe {
                    let weights = block.weights.add((8 * j + q) * S::WEIGHTS);
                    (isa.weights(weights), isa.weights(weights.add(4 * S::WEIGHTS)))
                };
                for c in 0..across {
                    sums[c][0][pair] = isa.dot(sums[c][0][pair], columns[j + c][q], upper);
                    sums[c][1][pair] = isa.dot(sums[c][1][pair], columns[j + c][q], lower);
                }
            }
        }
        for c in 0..across {
            for r in 0..2 {
                let shorts = block.narrow.shorts::<PLAIN>(isa, half, sums[c][r]);
                results[c][r] =
                    if half == 0 { shorts } else { block.narrow.join(isa, results[c][r], shorts) };
            }
        }
    }
    results
}
