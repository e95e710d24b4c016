//! Depthwise convolution of 3x3 with stride 1, two output rows at a time, or stride 2, one at a time.
//!
//! Owns: the walk along the rows. Does not own: blocks of channels and everything about other windows (`depthwise`).
//! The input rows are interleaved column by column: a lane then holds a column of four. With stride 1 the upper output
//! takes the first three and the lower one the last three (the fourth weight is zero), so that a column serves the six
//! outputs around it. With stride 2 the fourth row is a repetition of the third, without weight.
//! Limit at 512 bits: with stride 1, 16 outputs take 3 `dot`, a multiplication, 2 conversions, a shuffle and 1.75 other
//! operations, 8.75 in all, of which the machines at hand do two a cycle: 4.4 cycles. With stride 2, 4 shuffles: 5.9.

use std::ops::Range;

use super::depthwise::{Block, in_memory};
use super::isa::{Isa, unpack};
use crate::kernels::{Depthwise, Window, padded};

/// Whether this path is for such a window.
pub(super) fn takes(window: &Window) -> bool {
    let [down, across] = window.stride;
    window.kernel == [3, 3] && window.dilation == [1, 1] && down == across && (down == 1 || down == 2)
}

/// `dot` operations for the outputs that a column serves in one place: upper and lower, or one.
pub(super) fn dots(window: &Window) -> usize {
    if window.stride[0] == 1 { 6 } else { 3 }
}

/// Which tap the weight for row `part` of four is in a dot: column by column, upper output before lower.
pub(super) fn tap(window: &Window, dot: usize, part: usize) -> Option<usize> {
    let (column, lower) = if window.stride[0] == 1 { (dot / 2, dot % 2) } else { (dot, 0) };
    part.checked_sub(lower).filter(|&row| row < 3).map(|row| row * 3 + column)
}

/// The interleaved rows of one column.
type Column<S> = [<S as Isa>::Bytes; 4];

/// Four input rows and their one or two output rows.
struct Rows<'a> {
    op: &'a Depthwise,
    /// What stands outside of the plane.
    outside: *const u8,
    /// Where each input row's channels of the block begin; `outside` for rows beyond the plane.
    from: [*const u8; 4],
    /// From a pixel to the next; 0 for rows beyond the plane.
    step: [usize; 4],
    /// Where the output rows' channels of the block begin; how many there are (1 or 2).
    to: *mut u8,
    count: usize,
}

/// A block of `WIDTH` channels.
///
/// # Safety
/// `check::depthwise` has passed for a window that `takes`, of this stride; `block` is one of `op`, and full.
#[inline(always)]
pub(super) unsafe fn block<S: Isa, const STRIDE: usize>(
    isa: S,
    op: &Depthwise,
    block: &Block<S>,
    input: &[u8],
    out: &mut [u8],
) {
    let [height, width] = op.window.output;
    if width == 0 {
        return;
    }
    for y in (0..height).step_by(3 - STRIDE) {
        // SAFETY: a row of the output, and all its columns.
        unsafe {
            Rows::new::<S, STRIDE>(op, block, input, out, y).one_by_one::<S, STRIDE>(isa, block, width);
        };
    }
}

/// Few channels, repeated in the registers of `block`: several pixels side by side, stride 1. Returns the output
/// columns that it made, those whose taps are all inside, unless they are too few.
///
/// # Safety
/// `check::depthwise` has passed for a window that `takes`, of stride 1; `block` is one of `op`.
#[inline(always)]
pub(super) unsafe fn side_by_side<S: Isa>(
    isa: S,
    op: &Depthwise,
    block: &Block<S>,
    input: &[u8],
    out: &mut [u8],
) -> Range<usize> {
    let window = &op.window;
    let across = S::WIDTH / padded(op.channels);
    let [height, width] = window.output;
    let left = window.pad[1].min(width);
    let right = (window.input[1] + window.pad[1]).saturating_sub(2).min(width);
    if left + across > right {
        return width..width;
    }
    for y in (0..height).step_by(2) {
        // SAFETY: a row of the output; between `left` and `right` all taps are inside.
        unsafe {
            Rows::new::<S, 1>(op, block, input, out, y).side_by_side(isa, block, left..right, across);
        }
    }
    left..right
}

impl<'a> Rows<'a> {
    /// The input rows that the output row `y`, and with stride 1 the one below, see.
    ///
    /// # Safety
    /// The planes are those that `check::depthwise` saw; `y` is a row of the output.
    #[inline(always)]
    unsafe fn new<S: Isa, const STRIDE: usize>(
        op: &'a Depthwise,
        block: &Block<S>,
        input: &[u8],
        out: &mut [u8],
        y: usize,
    ) -> Self {
        let window = &op.window;
        let lanes = padded(op.channels);
        let [height, width] = window.output;
        let outside = op.outside.as_ptr().wrapping_add(block.first);
        let mut rows = Self {
            op,
            outside,
            from: [outside; 4],
            step: [0; 4],
            // SAFETY: the first pixel of an output row.
            to: unsafe { out.as_mut_ptr().add(y * width * lanes + block.first) },
            count: (height - y).min(3 - STRIDE),
        };
        for r in 0..4 {
            let tap = if STRIDE == 1 { r } else { r.min(2) };
            let row = (y * STRIDE + tap).checked_sub(window.pad[0]);
            if let Some(row) = row.filter(|&row| row < window.input[0]) {
                rows.from[r] = input.as_ptr().wrapping_add(row * window.input[1] * lanes + block.first);
                rows.step[r] = lanes;
            }
        }
        rows
    }

    /// Output columns up to `end`, each a register of channels.
    ///
    /// # Safety
    /// The output has so many, and one at least.
    #[inline(always)]
    unsafe fn one_by_one<S: Isa, const STRIDE: usize>(&self, isa: S, block: &Block<S>, end: usize) {
        let mut x = 0;
        // SAFETY (all blocks): columns are looked up, and as many outputs are made as `end` and `count` leave.
        unsafe {
            let first = self.column(isa, block, x * STRIDE);
            let mut columns = [first; 5];
            if STRIDE == 1 {
                columns[1] = self.column(isa, block, x + 1);
            }
            if STRIDE == 1 && self.count == 1 {
                while x < end {
                    self.outputs::<S, STRIDE, 1, 1>(isa, block, &mut columns, x);
                    x += 1;
                }
            } else if STRIDE == 1 {
                while S::ACROSS == 2 && x + 1 < end {
                    self.outputs::<S, STRIDE, 2, 2>(isa, block, &mut columns, x);
                    x += 2;
                }
                while x < end {
                    self.outputs::<S, STRIDE, 2, 1>(isa, block, &mut columns, x);
                    x += 1;
                }
            } else {
                while S::ACROSS == 2 && x + 1 < end {
                    self.outputs::<S, STRIDE, 1, 2>(isa, block, &mut columns, x);
                    x += 2;
                }
                while x < end {
                    self.outputs::<S, STRIDE, 1, 1>(isa, block, &mut columns, x);
                    x += 1;
                }
            }
        }
    }

    /// `DOWN` times `ACROSS` outputs from column `x` on; `columns` are those that the step before has left, and then
    /// those that this one leaves.
    ///
    /// # Safety
    /// These outputs exist.
    #[inline(always)]
    unsafe fn outputs<S: Isa, const STRIDE: usize, const DOWN: usize, const ACROSS: usize>(
        &self,
        isa: S,
        block: &Block<S>,
        columns: &mut [Column<S>; 5],
        x: usize,
    ) {
        let (kept, new) = (3 - STRIDE, STRIDE * ACROSS);
        for c in kept..kept + new {
            // SAFETY: columns are looked up.
            columns[c] = unsafe { self.column(isa, block, x * STRIDE + c) };
        }
        // SAFETY: the block is one of this path.
        let results = unsafe { sums::<S, STRIDE, DOWN, ACROSS>(isa, in_memory(block), columns) };
        for r in 0..DOWN {
            for c in 0..ACROSS {
                // SAFETY: the caller says that it exists.
                unsafe {
                    let to = self.to.add((r * self.op.window.output[1] + x + c) * padded(self.op.channels));
                    isa.store(results[c][r], to);
                }
            }
        }
        for c in 0..kept {
            columns[c] = columns[c + new];
        }
    }

    /// Output columns `range`, several pixels of few channels in a register; the last register may repeat some.
    ///
    /// # Safety
    /// As `one_by_one`; all taps of `range` are inside, and it is at least `across` long.
    #[inline(always)]
    unsafe fn side_by_side<S: Isa>(&self, isa: S, block: &Block<S>, range: Range<usize>, across: usize) {
        let lanes = padded(self.op.channels);
        let mut x = range.start;
        while x < range.end {
            x = x.min(range.end - across);
            let column = x - self.op.window.pad[1];
            // SAFETY: `across` pixels from `column`, `column + 1` and `column + 2` on are in the row (a row beyond the
            // plane is read at `outside`, as often as needed); as many outputs from `x` on.
            unsafe {
                let one = self.pixels(isa, block, column);
                let two = self.pixels(isa, block, column + 1);
                let three = self.pixels(isa, block, column + 2);
                let columns = [one, two, three, three, three];
                let results = sums::<S, 1, 2, 1>(isa, in_memory(block), &columns);
                for r in 0..self.count {
                    let to = self.to.add((r * self.op.window.output[1] + x) * lanes);
                    isa.store(if r == 0 { results[0][0] } else { results[0][1] }, to);
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
    unsafe fn column<S: Isa>(&self, isa: S, block: &Block<S>, x: usize) -> Column<S> {
        let column = x.wrapping_sub(self.op.window.pad[1]);
        let inside = column < self.op.window.input[1];
        let mut rows = block.bias;
        for r in 0..4 {
            // No branch: which columns are outside is known too late to be guessed well in narrow planes.
            let from = if inside { self.from[r] } else { self.outside };
            let offset = if inside { column * self.step[r] } else { 0 };
            // SAFETY: a pixel of the row, or `outside`.
            rows[r] = unsafe { isa.load(from.add(offset)) };
        }
        ready(isa, rows)
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

/// Bytes of `ACROSS` times `DOWN` outputs (each 1 or 2), from three columns each: `[across][down]`.
///
/// # Safety
/// The block has the weights of this path.
#[inline(always)]
unsafe fn sums<S: Isa, const STRIDE: usize, const DOWN: usize, const ACROSS: usize>(
    isa: S,
    block: &Block<S>,
    columns: &[Column<S>; 5],
) -> [[S::Int; DOWN]; ACROSS] {
    let mut results = [[block.bias[0]; DOWN]; ACROSS];
    for half in 0..2 {
        // Two registers of the quad for each output, so that columns and sums stay in registers.
        let mut halves = [[[isa.every_float(0.0); 2]; DOWN]; ACROSS];
        for pair in 0..2 {
            let q = 2 * half + pair;
            let mut sums = [[block.bias[q]; DOWN]; ACROSS];
            for j in 0..3 {
                for r in 0..DOWN {
                    // SAFETY: there are three dots of four registers for each of `3 - STRIDE` rows.
                    let weights = unsafe {
                        isa.weights(block.weights.add(((j * (3 - STRIDE) + r) * 4 + q) * S::WEIGHTS))
                    };
                    for c in 0..ACROSS {
                        sums[c][r] = isa.dot(sums[c][r], columns[j + c * STRIDE][q], weights);
                    }
                }
            }
            for c in 0..ACROSS {
                for r in 0..DOWN {
                    halves[c][r][pair] = isa.float(sums[c][r]);
                }
            }
        }
        let shorts = block.narrow.shorts(isa, half, halves);
        for c in 0..ACROSS {
            for r in 0..DOWN {
                results[c][r] = if half == 0 {
                    shorts[c][r]
                } else {
                    block.narrow.join(isa, results[c][r], shorts[c][r])
                };
            }
        }
    }
    results
}
