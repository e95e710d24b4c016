//! Rows of depthwise 3x3 windows with horizontal stride 1 or 2: all nine weights and inputs in registers.
//!
//! Owns: the sliding of the window, and how many products may be added in 16 bits before they are widened. Does not
//! own: which rows (`windows`).
//! Invariants: as in `long`: a chain of products fits in 16 bits where the magnitudes of its weights sum up to 255 at
//! most; packing looks whether three do (a column of the window), or two.

use core::arch::aarch64::{
    int8x16_t, int32x4_t, vaddw_high_s16, vaddw_s16, vget_low_s8, vget_low_s16, vld1q_s8, vld1q_s32,
    vmlal_high_s8, vmlal_s8, vmull_high_s8, vmull_s8, vst1q_u8,
};

use super::super::{LANES, Window};
use super::requant::{Factors, requantise};
use super::windows::{Row, signed};

/// The order in which taps are added: column by column.
const ORDER: [usize; 9] = [0, 3, 6, 1, 4, 7, 2, 5, 8];

/// How many products of a group's weights, `[tap][16]` in that order, may be added in 16 bits: 3, 2 or 1.
pub(super) fn chain(weights: &[u8], window: &Window) -> i32 {
    if window.kernel != [3, 3] {
        return 1;
    }
    let fits = |length: usize| {
        ORDER.chunks(length).all(|taps| {
            (0..LANES).all(|lane| {
                taps.iter()
                    .map(|tap| u32::from((weights[tap * LANES + lane] as i8).unsigned_abs()))
                    .sum::<u32>()
                    <= 255
            })
        })
    };
    if fits(3) {
        3
    } else if fits(2) {
        2
    } else {
        1
    }
}

/// Three values above each other.
type Column = [int8x16_t; 3];

/// What a row's arithmetic reads again and again.
struct Taps {
    weights: [int8x16_t; 9],
    bias: [int32x4_t; 4],
}

/// One output row.
///
/// # Safety
/// The pointers of the row reach as far as its geometry says; the window is 3x3, its horizontal dilation 1 and its
/// horizontal stride 1 or 2.
#[target_feature(enable = "neon")]
pub(super) unsafe fn row<const PRELU: bool>(row: &Row<'_>) {
    // SAFETY: the caller's promise.
    unsafe {
        match (row.chain, row.window.stride[1]) {
            (3, 1) => slide::<PRELU, 3, 1>(row),
            (2, 1) => slide::<PRELU, 2, 1>(row),
            (_, 1) => slide::<PRELU, 1, 1>(row),
            (3, _) => slide::<PRELU, 3, 2>(row),
            (2, _) => slide::<PRELU, 2, 2>(row),
            (_, _) => slide::<PRELU, 1, 2>(row),
        }
    }
}

/// # Safety
/// As `row`.
#[target_feature(enable = "neon")]
unsafe fn slide<const PRELU: bool, const CHAIN: usize, const STRIDE: usize>(row: &Row<'_>) {
    let window = row.window;
    // SAFETY: the caller's promise: nine times sixteen weights, sixteen of everything else; `source` and the comparison
    // with the width give pixels of the plane only.
    unsafe {
        let taps = Taps {
            weights: core::array::from_fn(|i| vld1q_s8(row.weights.add(LANES * i).cast())),
            bias: core::array::from_fn(|i| vld1q_s32(row.bias.add(4 * i))),
        };
        let factors = Factors::load::<PRELU>(row.scale, row.negative);
        let width = window.input[1];
        // A line that is outside is sixteen values that one never leaves.
        let lines: [(*const u8, usize); 3] = core::array::from_fn(|i| {
            let line = window.source(0, row.y, i);
            line.map_or((row.outside, 0), |y| (row.input.add(y * width * row.step), row.step))
        });
        let column = |at: usize| -> Column {
            if at < width {
                lines.map(|(line, step)| signed(line.add(at * step)))
            } else {
                [signed(row.outside); 3]
            }
        };
        let mut at = 0_usize.wrapping_sub(window.pad[1]);
        let mut to = row.out;
        let mut left = window.output[1];
        let mut next = || {
            let column = column(at);
            at = at.wrapping_add(1);
            column
        };
        macro_rules! pixel {
            ($a:ident $b:ident $c:ident) => {
                let sums = convolve::<CHAIN>(&taps, [$a, $b, $c]);
                vst1q_u8(to, requantise::<PRELU>(sums, &factors, &row.group));
                to = to.wrapping_add(row.step);
                left -= 1;
                if left == 0 {
                    return;
                }
            };
        }
        if left == 0 {
            return;
        }
        // Written out so that columns change their names, not their registers.
        if STRIDE == 1 {
            let (mut a, mut b) = (next(), next());
            loop {
                let c = next();
                pixel!(a b c);
                a = next();
                pixel!(b c a);
                b = next();
                pixel!(c a b);
            }
        } else {
            let mut a = next();
            loop {
                let (b, c) = (next(), next());
                pixel!(a b c);
                let b = next();
                a = next();
                pixel!(c b a);
            }
        }
    }
}

/// Sixteen sums of nine products.
#[inline]
#[target_feature(enable = "neon")]
fn convolve<const CHAIN: usize>(taps: &Taps, columns: [Column; 3]) -> [int32x4_t; 4] {
    let mut sums = taps.bias;
    let mut first = 0;
    while first < 9 {
        let value = columns[first / 3][first % 3];
        let weights = taps.weights[ORDER[first]];
        let mut low = vmull_s8(vget_low_s8(value), vget_low_s8(weights));
        let mut high = vmull_high_s8(value, weights);
        let mut tap = first + 1;
        while tap < 9 && tap < first + CHAIN {
            let value = columns[tap / 3][tap % 3];
            let weights = taps.weights[ORDER[tap]];
            low = vmlal_s8(low, vget_low_s8(value), vget_low_s8(weights));
            high = vmlal_high_s8(high, value, weights);
            tap += 1;
        }
        sums = [
            vaddw_s16(sums[0], vget_low_s16(low)),
            vaddw_high_s16(sums[1], low),
            vaddw_s16(sums[2], vget_low_s16(high)),
            vaddw_high_s16(sums[3], high),
        ];
        first = tap;
    }
    sums
}
