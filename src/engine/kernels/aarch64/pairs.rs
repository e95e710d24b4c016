//! Two output rows at once of depthwise 3x3 windows with stride 1, with `sdot`.
//!
//! Owns: the interleaving of four input rows, the order of weights for it. Does not own: which rows (`windows`).
//! Invariants: a register of a column holds four rows of four channels, channel by channel. The same register serves
//! the upper output row with weights (w0, w1, w2, 0) and the lower one with (0, w0, w1, w2), and both of them at three
//! places of the window.

use core::arch::aarch64::{
    int8x16_t, int32x4_t, vreinterpretq_s8_s16, vreinterpretq_s16_s8, vst1q_u8, vzip1q_s8, vzip1q_s16,
    vzip2q_s8, vzip2q_s16,
};
use core::arch::asm;

use super::super::{LANES, Window};
use super::requant::{Factors, requantise};
use super::windows::{Row, long, signed};

/// Bytes of weights for a group of sixteen channels: two rows, three columns, sixteen channels, four taps.
const GROUP: usize = 2 * 3 * LANES * 4;

/// Whether a window is of the kind that this file is for.
pub(super) fn fits(window: &Window) -> bool {
    window.kernel == [3, 3] && window.stride == [1, 1] && window.dilation == [1, 1]
}

/// Bytes that `order` makes of a group's weights.
pub(super) fn bytes(window: &Window) -> usize {
    if fits(window) { GROUP } else { 0 }
}

/// A group's weights, `[tap][16]`, as `[column][row][channel][4]`.
pub(super) fn order(weights: &[u8], to: &mut [u8]) {
    for (tap, channels) in weights.as_chunks::<LANES>().0.iter().enumerate() {
        let (i, j) = (tap / 3, tap % 3);
        for (channel, &weight) in channels.iter().enumerate() {
            for row in 0..2 {
                to[((2 * j + row) * LANES + channel) * 4 + i + row] = weight;
            }
        }
    }
}

/// Four input rows of sixteen channels.
type Column = [int8x16_t; 4];

/// Two rows where there are two and the window fits, else one.
///
/// # Safety
/// As `windows::long`; the processor has `dotprod`.
pub(super) unsafe fn rows(row: &Row<'_>, prelu: bool) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        if !fits(row.window) || row.y + 2 > row.window.output[0] || row.window.output[1] == 0 {
            return long(row, prelu);
        }
        if prelu { slide::<true>(row) } else { slide::<false>(row) }
    }
    2
}

/// # Safety
/// As `rows`; the window fits, output row `y + 1` is there, rows are not empty.
#[target_feature(enable = "neon,dotprod")]
unsafe fn slide<const PRELU: bool>(row: &Row<'_>) {
    let Row { window, step, outside, pairs, bias, group, out, .. } = *row;
    // SAFETY: the caller's promise; `source` and the comparison with the width give pixels of the plane only.
    unsafe {
        let factors = Factors::load::<PRELU>(row.scale, row.negative);
        let width = window.input[1];
        // A line that is outside is sixteen values that one never leaves. The fourth is the lower output row's third.
        let line = |y: usize, i: usize| match window.source(0, y, i) {
            Some(y) => (row.input.wrapping_add(y * width * step).wrapping_sub(window.pad[1] * step), step),
            None => (outside, 0),
        };
        let (mut first, first_step) = line(row.y, 0);
        let (mut second, second_step) = line(row.y, 1);
        let (mut third, third_step) = line(row.y, 2);
        let (mut fourth, fourth_step) = line(row.y + 1, 2);
        let nothing = signed(outside);
        let nothing = interleave(nothing, nothing, nothing, nothing);
        let mut at = 0_usize.wrapping_sub(window.pad[1]);
        let mut next = || -> Column {
            let column = if at < width {
                interleave(signed(first), signed(second), signed(third), signed(fourth))
            } else {
                nothing
            };
            at = at.wrapping_add(1);
            first = first.wrapping_add(first_step);
            second = second.wrapping_add(second_step);
            third = third.wrapping_add(third_step);
            fourth = fourth.wrapping_add(fourth_step);
            column
        };
        let mut to = out;
        let below = window.output[1] * step;
        let mut left = window.output[1];
        macro_rules! pixel {
            ($a:ident $b:ident $c:ident) => {
                let [upper, lower] = convolve(pairs, bias, $a, $b, $c);
                vst1q_u8(to, requantise::<PRELU>(upper, &factors, &group));
                vst1q_u8(to.wrapping_add(below), requantise::<PRELU>(lower, &factors, &group));
                to = to.wrapping_add(step);
                left -= 1;
                if left == 0 {
                    return;
                }
            };
        }
        // Written out so that columns change their names, not their registers.
        let (mut a, mut b) = (next(), next());
        loop {
            let c = next();
            pixel!(a b c);
            a = next();
            pixel!(b c a);
            b = next();
            pixel!(c a b);
        }
    }
}

/// Four rows, channel by channel.
#[inline]
#[target_feature(enable = "neon")]
fn interleave(a: int8x16_t, b: int8x16_t, c: int8x16_t, d: int8x16_t) -> Column {
    let (ab_low, ab_high) = (vreinterpretq_s16_s8(vzip1q_s8(a, b)), vreinterpretq_s16_s8(vzip2q_s8(a, b)));
    let (cd_low, cd_high) = (vreinterpretq_s16_s8(vzip1q_s8(c, d)), vreinterpretq_s16_s8(vzip2q_s8(c, d)));
    [
        vreinterpretq_s8_s16(vzip1q_s16(ab_low, cd_low)),
        vreinterpretq_s8_s16(vzip2q_s16(ab_low, cd_low)),
        vreinterpretq_s8_s16(vzip1q_s16(ab_high, cd_high)),
        vreinterpretq_s8_s16(vzip2q_s16(ab_high, cd_high)),
    ]
}

/// A column's products for both output rows: where its weights begin, its registers.
macro_rules! column {
    ($upper0:literal $upper1:literal $lower0:literal $lower1:literal; $c0:ident $c1:ident $c2:ident $c3:ident) => {
        concat!(
            "ldp {w0:q}, {w1:q}, [{weights}, #",
            $upper0,
            "]\n",
            "sdot {s0:v}.4s, {w0:v}.16b, {",
            stringify!($c0),
            ":v}.16b\n",
            "sdot {s1:v}.4s, {w1:v}.16b, {",
            stringify!($c1),
            ":v}.16b\n",
            "ldp {w0:q}, {w1:q}, [{weights}, #",
            $upper1,
            "]\n",
            "sdot {s2:v}.4s, {w0:v}.16b, {",
            stringify!($c2),
            ":v}.16b\n",
            "sdot {s3:v}.4s, {w1:v}.16b, {",
            stringify!($c3),
            ":v}.16b\n",
            "ldp {w0:q}, {w1:q}, [{weights}, #",
            $lower0,
            "]\n",
            "sdot {s4:v}.4s, {w0:v}.16b, {",
            stringify!($c0),
            ":v}.16b\n",
            "sdot {s5:v}.4s, {w1:v}.16b, {",
            stringify!($c1),
            ":v}.16b\n",
            "ldp {w0:q}, {w1:q}, [{weights}, #",
            $lower1,
            "]\n",
            "sdot {s6:v}.4s, {w0:v}.16b, {",
            stringify!($c2),
            ":v}.16b\n",
            "sdot {s7:v}.4s, {w1:v}.16b, {",
            stringify!($c3),
            ":v}.16b\n",
        )
    };
}

/// Sixteen sums of the upper output row and of the lower.
///
/// # Safety
/// `weights` points to `GROUP` bytes, `bias` to sixteen sums.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn convolve(
    weights: *const u8,
    bias: *const i32,
    a: Column,
    b: Column,
    c: Column,
) -> [[int32x4_t; 4]; 2] {
    let (s0, s1, s2, s3, s4, s5, s6, s7): (
        int32x4_t,
        int32x4_t,
        int32x4_t,
        int32x4_t,
        int32x4_t,
        int32x4_t,
        int32x4_t,
        int32x4_t,
    );
    // SAFETY: reads what the caller promises, writes its operands only.
    unsafe {
        asm!(
            "ldp {s0:q}, {s1:q}, [{bias}]",
            "ldp {s2:q}, {s3:q}, [{bias}, #32]",
            "ldp {s4:q}, {s5:q}, [{bias}]",
            "ldp {s6:q}, {s7:q}, [{bias}, #32]",
            column!(0 32 64 96; a0 a1 a2 a3),
            column!(128 160 192 224; b0 b1 b2 b3),
            column!(256 288 320 352; c0 c1 c2 c3),
            weights = in(reg) weights, bias = in(reg) bias,
            a0 = in(vreg) a[0], a1 = in(vreg) a[1], a2 = in(vreg) a[2], a3 = in(vreg) a[3],
            b0 = in(vreg) b[0], b1 = in(vreg) b[1], b2 = in(vreg) b[2], b3 = in(vreg) b[3],
            c0 = in(vreg) c[0], c1 = in(vreg) c[1], c2 = in(vreg) c[2], c3 = in(vreg) c[3],
            s0 = out(vreg) s0, s1 = out(vreg) s1, s2 = out(vreg) s2, s3 = out(vreg) s3,
            s4 = out(vreg) s4, s5 = out(vreg) s5, s6 = out(vreg) s6, s7 = out(vreg) s7,
            w0 = out(vreg) _, w1 = out(vreg) _,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    [[s0, s1, s2, s3], [s4, s5, s6, s7]]
}
