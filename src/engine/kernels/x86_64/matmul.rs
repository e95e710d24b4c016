//! Matrix products, in tiles of rows times two registers of columns.
//!
//! Owns: the layout of packed weights, `[register of columns][depth / 4][lane][4]`, and the order of the tiles. Does
//! not own: narrowing (`requant`).
//! Limit: one `dot` a cycle on the machines at hand (64 products in 512 bits). A tile of 8 rows and two registers does
//! 16 of them for 10 loads, so that loads, narrowing and stores fit into the shadow of the products.

use super::isa::Isa;
use super::requant::{Narrow, is_plain, quad};
use crate::kernels::{Aligned, Matmul, Packed, check, padded};

/// Bytes of the left side that a pass over all columns works on; between 16 and 256 KiB it makes no difference here.
const PANEL: usize = 32 << 10;

/// `Kernels::pack_matmul`.
pub(super) fn pack<S: Isa>(weights: &[i8], bias: &[i32], columns: usize, depth: usize) -> Packed {
    check::pack_matmul(weights, bias, columns, depth);
    let lanes = padded(columns);
    let steps = depth.div_ceil(4);
    let mut bytes = Aligned::zeroed(check::product(&[lanes / S::LANES, steps, S::WEIGHTS]));
    let mut packed = bytes.bytes_mut().chunks_exact_mut(S::WEIGHTS);
    for first in (0..lanes).step_by(S::LANES) {
        for step in 0..steps {
            let mut group = [0; 64];
            for (at, weight) in group[..4 * S::LANES].iter_mut().enumerate() {
                let (column, k) = (first + at / 4, 4 * step + at % 4);
                if column < columns && k < depth {
                    *weight = weights[column * depth + k];
                }
            }
            S::lay_out(&group[..4 * S::LANES], packed.next().expect("a place for every group"));
        }
    }
    let mut all = bias.to_vec();
    all.resize(lanes, 0);
    Packed { bytes, bias: all }
}

/// Where a tile reads and what it multiplies.
#[derive(Clone, Copy)]
struct Tile {
    a: *const u8,
    a_stride: usize,
    weights: *const u8,
    steps: usize,
}

impl Tile {
    /// Sums of `R` rows and `C` registers of columns.
    ///
    /// # Safety
    /// `R` rows of `4 * steps` bytes are readable from `a` on, and `C` times `steps` groups of weights.
    #[inline(always)]
    unsafe fn sums<S: Isa, const R: usize, const C: usize>(
        self,
        isa: S,
        bias: [S::Int; C],
    ) -> [[S::Int; C]; R] {
        let mut sums = [bias; R];
        for step in 0..self.steps {
            // SAFETY: `step` is below `steps`, so all of it lies in what the caller vouches for.
            unsafe {
                let mut weights = [isa.weights(self.weights.add(step * S::WEIGHTS)); C];
                for c in 1..C {
                    weights[c] = isa.weights(self.weights.add((c * self.steps + step) * S::WEIGHTS));
                }
                for r in 0..R {
                    let bytes = isa.spread(self.a.add(r * self.a_stride + 4 * step));
                    for c in 0..C {
                        sums[r][c] = isa.dot(sums[r][c], bytes, weights[c]);
                    }
                }
            }
        }
        sums
    }
}

/// Where sums go.
trait Finish<S: Isa>: Copy {
    /// What is kept for some registers of columns while the rows go by.
    type Columns: Copy;

    /// For `C` registers of columns from `first` on.
    fn columns<const C: usize>(self, isa: S, first: usize) -> Self::Columns;

    /// Takes the sums of `R` rows from `row` on.
    ///
    /// # Safety
    /// The output has these rows, and these columns from `first` on.
    unsafe fn rows<const R: usize, const C: usize>(
        self,
        isa: S,
        columns: &Self::Columns,
        row: usize,
        first: usize,
        sums: &[[S::Int; C]; R],
    );
}

/// To bytes.
#[derive(Clone, Copy)]
struct ToBytes<'a> {
    op: &'a Matmul,
    plain: bool,
    out: *mut u8,
    width: usize,
}

impl<S: Isa> Finish<S> for ToBytes<'_> {
    type Columns = Narrow<S>;

    #[inline(always)]
    fn columns<const C: usize>(self, isa: S, first: usize) -> Narrow<S> {
        Narrow::new(isa, &self.op.requant, self.plain, from::<S, C>(first), false)
    }

    #[inline(always)]
    unsafe fn rows<const R: usize, const C: usize>(
        self,
        isa: S,
        columns: &Narrow<S>,
        row: usize,
        first: usize,
        sums: &[[S::Int; C]; R],
    ) {
        // A quad is 4 / C rows; the last one may be in part a repetition, which is not stored.
        let each = 4 / C;
        let mut r = 0;
        while r < R {
            let mut quad = [isa.every(0); 4];
            for q in 0..4 {
                quad[q] = sums[(r + q / C).min(R - 1)][q % C];
            }
            let bytes = isa.in_order(columns.bytes(isa, quad));
            // Where these columns are all there are, rows follow each other without a gap.
            // SAFETY: rows `row + r` and on, as many as `R` leaves, exist by the caller's word.
            unsafe {
                let to = self.out.add((row + r) * self.width + first);
                if each <= R - r && self.width == C * S::LANES {
                    isa.store(bytes, to);
                } else {
                    isa.store_parts(bytes, each, each.min(R - r), to, self.width);
                }
            }
            r += each;
        }
    }
}

/// As they are.
#[derive(Clone, Copy)]
struct Raw {
    out: *mut i32,
    width: usize,
}

impl<S: Isa> Finish<S> for Raw {
    type Columns = ();

    #[inline(always)]
    fn columns<const C: usize>(self, _: S, _: usize) {}

    #[inline(always)]
    unsafe fn rows<const R: usize, const C: usize>(
        self,
        isa: S,
        (): &(),
        row: usize,
        first: usize,
        sums: &[[S::Int; C]; R],
    ) {
        for r in 0..R {
            for c in 0..C {
                // SAFETY: this row and register of columns exist by the caller's word.
                unsafe {
                    let to = self.out.add((row + r) * self.width + first + c * S::LANES);
                    isa.store(sums[r][c], to.cast());
                }
            }
        }
    }
}

/// `Kernels::matmul`.
#[inline(always)]
pub(super) fn bytes<S: Isa>(isa: S, op: &Matmul, a: &[u8], a_stride: usize, rows: usize, out: &mut [u8]) {
    check::matmul(op, a, a_stride, rows, out.len());
    let width = padded(op.columns);
    let finish = ToBytes { op, plain: is_plain(&op.requant, width), out: out.as_mut_ptr(), width };
    // SAFETY: `check::matmul` saw that the output holds `rows` rows of `width` bytes.
    unsafe { all(isa, op, a, a_stride, rows, finish) };
}

/// `Kernels::matmul_raw`.
#[inline(always)]
pub(super) fn raw<S: Isa>(isa: S, op: &Matmul, a: &[u8], a_stride: usize, rows: usize, out: &mut [i32]) {
    check::matmul(op, a, a_stride, rows, out.len());
    // SAFETY: as above, of 32-bit values.
    unsafe { all(isa, op, a, a_stride, rows, Raw { out: out.as_mut_ptr(), width: padded(op.columns) }) };
}

/// All tiles: panel by panel of rows, and in each the columns two registers at a time.
///
/// # Safety
/// `check::matmul` has passed, and `finish` has room for `rows` rows of `padded(op.columns)` values.
#[inline(always)]
unsafe fn all<S: Isa, F: Finish<S>>(isa: S, op: &Matmul, a: &[u8], a_stride: usize, rows: usize, finish: F) {
    let lanes = padded(op.columns);
    let steps = op.depth.div_ceil(4);
    let weights = op.weights.bytes.bytes();
    assert!(weights.len() == lanes / S::LANES * steps * S::WEIGHTS, "weights are not of this set");
    let panel = (PANEL / op.depth.max(1)).next_multiple_of(S::ROWS).max(S::ROWS);
    for from in (0..rows).step_by(panel) {
        let rows = from..rows.min(from + panel);
        for first in (0..lanes).step_by(2 * S::LANES) {
            // SAFETY: `first` is below `lanes`, whose registers of weights all exist; row `from` is one of `rows`, of
            // which the check saw that each is readable for `4 * steps` bytes.
            unsafe {
                let tile = Tile {
                    a: a.as_ptr(),
                    a_stride,
                    weights: weights.as_ptr().add(first / S::LANES * steps * S::WEIGHTS),
                    steps,
                };
                // A group of channels is one register of 512 bits, or two of 256.
                if S::LANES == 8 || first + S::LANES < lanes {
                    columns::<S, F, 2>(isa, op, tile, rows.clone(), first, finish);
                } else {
                    columns::<S, F, 1>(isa, op, tile, rows.clone(), first, finish);
                }
            }
        }
    }
}

/// All rows of a panel times `C` registers of columns.
///
/// # Safety
/// `tile` reads row 0 and the weights of `first`; all `rows` are readable, and `finish` has room for them.
#[inline(always)]
unsafe fn columns<S: Isa, F: Finish<S>, const C: usize>(
    isa: S,
    op: &Matmul,
    tile: Tile,
    rows: std::ops::Range<usize>,
    first: usize,
    finish: F,
) {
    let bias = quad(isa, &op.weights.bias, from::<S, C>(first), false);
    let bias: [S::Int; C] = *bias.first_chunk().expect("C is 1 or 2");
    let kept = finish.columns::<C>(isa, first);
    let mut row = rows.start;
    // SAFETY (all tiles): each is taken only while so many rows are left.
    while rows.end - row >= S::ROWS {
        unsafe {
            match S::ROWS {
                8 => one::<S, F, 8, C>(isa, tile, &bias, &kept, row, first, finish),
                6 => one::<S, F, 6, C>(isa, tile, &bias, &kept, row, first, finish),
                _ => one::<S, F, 4, C>(isa, tile, &bias, &kept, row, first, finish),
            }
        }
        row += if S::ROWS > 4 { S::ROWS } else { 4 };
    }
    if rows.end - row >= 4 {
        unsafe { one::<S, F, 4, C>(isa, tile, &bias, &kept, row, first, finish) };
        row += 4;
    }
    while row < rows.end {
        unsafe { one::<S, F, 1, C>(isa, tile, &bias, &kept, row, first, finish) };
        row += 1;
    }
}

/// Where the registers of a quad begin that holds `C` registers of columns again and again.
#[inline(always)]
const fn from<S: Isa, const C: usize>(first: usize) -> [usize; 4] {
    [first, first + 1 % C * S::LANES, first + 2 % C * S::LANES, first + 3 % C * S::LANES]
}

/// One tile.
///
/// # Safety
/// As `columns`; `R` rows from `row` on exist.
#[inline(always)]
unsafe fn one<S: Isa, F: Finish<S>, const R: usize, const C: usize>(
    isa: S,
    tile: Tile,
    bias: &[S::Int; C],
    kept: &F::Columns,
    row: usize,
    first: usize,
    finish: F,
) {
    // SAFETY: passed on.
    unsafe {
        let tile = Tile { a: tile.a.add(row * tile.a_stride), ..tile };
        let sums = tile.sums::<S, R, C>(isa, *bias);
        finish.rows::<R, C>(isa, kept, row, first, &sums);
    }
}
