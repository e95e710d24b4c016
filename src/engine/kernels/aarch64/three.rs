//! Rows of depthwise 3x3 windows with horizontal stride 1 or 2: all nine weights and inputs in registers.
//!
//! Owns: the sliding of the window, and how many products may be added in 16 bits before they are widened. Does not
//! own: which rows (`windows`).
//! Invariants: as in `long`: a chain of products fits in 16 bits where the magnitudes of its weights sum up to 255 at
//! most; packing looks whether three do (a column of the window), or two.

use core::arch::aarch64::{int8x16_t, int32x4_t, vld1q_s8, vld1q_s32, vst1q_u8};
use core::arch::asm;

use super::super::{LANES, Window};
use super::requant::{Factors, requantise};
use super::windows::{Row, signed};

/// Whether a window is of the kind that this file is for.
pub(super) fn fits(window: &Window) -> bool {
    window.kernel == [3, 3] && window.dilation[1] == 1 && matches!(window.stride[1], 1 | 2)
}

/// The order in which taps are added: column by column.
const ORDER: [usize; 9] = [0, 3, 6, 1, 4, 7, 2, 5, 8];

/// How many products of a group's weights, `[tap][16]` in that order, may be added in 16 bits: 3, 2 or 1;
/// for other windows, how many neighbours.
pub(super) fn chain(weights: &[u8], window: &Window) -> i32 {
    if !fits(window) {
        // Two neighbours are 256 at most, and that only where both are -128.
        return if weights.contains(&(i8::MIN as u8)) { 1 } else { 2 };
    }
    let within = |length: usize| {
        ORDER.chunks(length).all(|taps| {
            (0..LANES).all(|lane| {
                taps.iter()
                    .map(|tap| u32::from((weights[tap * LANES + lane] as i8).unsigned_abs()))
                    .sum::<u32>()
                    <= 255
            })
        })
    };
    if within(3) {
        3
    } else if within(2) {
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
    let Row { window, step, outside, weights, bias, group, out, .. } = *row;
    // SAFETY: the caller's promise: nine times sixteen weights, sixteen of everything else; `source` and the comparison
    // with the width give pixels of the plane only.
    unsafe {
        let weight = |tap: usize| vld1q_s8(weights.add(LANES * tap).cast());
        let bias = |i: usize| vld1q_s32(bias.add(4 * i));
        let taps = Taps {
            weights: [
                weight(0),
                weight(1),
                weight(2),
                weight(3),
                weight(4),
                weight(5),
                weight(6),
                weight(7),
                weight(8),
            ],
            bias: [bias(0), bias(1), bias(2), bias(3)],
        };
        let factors = Factors::load::<PRELU>(row.scale, row.negative);
        let width = window.input[1];
        // A line that is outside is sixteen values that one never leaves.
        let line = |i: usize| match window.source(0, row.y, i) {
            Some(y) => (row.input.wrapping_add(y * width * step).wrapping_sub(window.pad[1] * step), step),
            None => (outside, 0),
        };
        let ((mut top, top_step), (mut middle, middle_step), (mut bottom, bottom_step)) =
            (line(0), line(1), line(2));
        let nothing = signed(outside);
        let mut at = 0_usize.wrapping_sub(window.pad[1]);
        let mut next = || -> Column {
            let column = if at < width {
                [signed(top), signed(middle), signed(bottom)]
            } else {
                [nothing, nothing, nothing]
            };
            at = at.wrapping_add(1);
            top = top.wrapping_add(top_step);
            middle = middle.wrapping_add(middle_step);
            bottom = bottom.wrapping_add(bottom_step);
            column
        };
        let mut to = out;
        let mut left = window.output[1];
        if left == 0 {
            return;
        }
        macro_rules! pixel {
            ($a:ident $b:ident $c:ident) => {
                let sums = convolve::<CHAIN>(&taps, $a, $b, $c);
                vst1q_u8(to, requantise::<PRELU>(sums, &factors, &group));
                to = to.wrapping_add(step);
                left -= 1;
                if left == 0 {
                    return;
                }
            };
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

/// The first product of a chain, or a further one; value and weight by their place in the window.
macro_rules! product {
    ($op:literal $at:literal $tap:literal) => {
        concat!(
            $op,
            " {low:v}.8h, {v",
            $at,
            ":v}.8b, {w",
            $tap,
            ":v}.8b\n",
            $op,
            "2 {high:v}.8h, {v",
            $at,
            ":v}.16b, {w",
            $tap,
            ":v}.16b\n",
        )
    };
}

/// A chain of products, added to the sums.
macro_rules! chain {
    ($at:literal $tap:literal $(, $next:literal $next_tap:literal)*) => {
        concat!(
            product!("smull" $at $tap),
            $(product!("smlal" $next $next_tap),)*
            "saddw {s0:v}.4s, {s0:v}.4s, {low:v}.4h\n",
            "saddw2 {s1:v}.4s, {s1:v}.4s, {low:v}.8h\n",
            "saddw {s2:v}.4s, {s2:v}.4s, {high:v}.4h\n",
            "saddw2 {s3:v}.4s, {s3:v}.4s, {high:v}.8h\n",
        )
    };
}

/// Sixteen sums of nine products. Assembly, because a compiler splits the upper halves of weights into registers of
/// their own, of which there are not enough.
#[inline]
#[target_feature(enable = "neon")]
fn convolve<const CHAIN: usize>(taps: &Taps, a: Column, b: Column, c: Column) -> [int32x4_t; 4] {
    let [mut s0, mut s1, mut s2, mut s3] = taps.bias;
    macro_rules! convolution {
        ($($text:expr),*) => {
            // SAFETY: touches its operands only.
            unsafe {
                asm!(
                    $($text,)*
                    v0 = in(vreg) a[0], v1 = in(vreg) a[1], v2 = in(vreg) a[2],
                    v3 = in(vreg) b[0], v4 = in(vreg) b[1], v5 = in(vreg) b[2],
                    v6 = in(vreg) c[0], v7 = in(vreg) c[1], v8 = in(vreg) c[2],
                    w0 = in(vreg) taps.weights[0], w1 = in(vreg) taps.weights[1], w2 = in(vreg) taps.weights[2],
                    w3 = in(vreg) taps.weights[3], w4 = in(vreg) taps.weights[4], w5 = in(vreg) taps.weights[5],
                    w6 = in(vreg) taps.weights[6], w7 = in(vreg) taps.weights[7], w8 = in(vreg) taps.weights[8],
                    s0 = inout(vreg) s0, s1 = inout(vreg) s1, s2 = inout(vreg) s2, s3 = inout(vreg) s3,
                    low = out(vreg) _, high = out(vreg) _,
                    options(pure, nomem, nostack, preserves_flags)
                );
            }
        };
    }
    match CHAIN {
        3 => convolution!(chain!(0 0, 1 3, 2 6), chain!(3 1, 4 4, 5 7), chain!(6 2, 7 5, 8 8)),
        2 => {
            convolution!(chain!(0 0, 1 3), chain!(2 6, 3 1), chain!(4 4, 5 7), chain!(6 2, 7 5), chain!(8 8));
        }
        _ => convolution!(
            chain!(0 0),
            chain!(1 3),
            chain!(2 6),
            chain!(3 1),
            chain!(4 4),
            chain!(5 7),
            chain!(6 2),
            chain!(7 5),
            chain!(8 8)
        ),
    }
    [s0, s1, s2, s3]
}
