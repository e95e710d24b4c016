//! Depthwise convolution and max pooling.
//!
//! Owns: the walk over output rows and groups of sixteen channels, the packing of depthwise weights, windows of any
//! shape. Does not own: the fast rows of 3x3 windows (`three`).
//! Invariants: activations become signed bytes (`value ^ 0x80`), 128 times the sum of a channel's weights is in its
//! bias. Every slice has been measured by `check` before a pointer is taken; rows and columns outside of the plane are
//! never addressed.

use core::arch::aarch64::{
    int8x16_t, int32x4_t, uint8x16_t, vaddw_high_s16, vaddw_s16, vdupq_n_u8, veorq_u8, vget_low_s8,
    vget_low_s16, vld1q_s8, vld1q_s32, vld1q_u8, vmaxq_u8, vmlal_high_s8, vmlal_s8, vmull_high_s8, vmull_s8,
    vreinterpretq_s8_u8, vst1q_u8,
};

use super::super::{Aligned, Depthwise, LANES, Packed, Window, check, padded};
use super::requant::{Bounds, Factors, Group, TURN, requantise};
use super::{pairs, three};

/// `Kernels::pack_depthwise`: `[group of 16 channels][tap][channel]`, and behind it the groups once more in the order
/// of `pairs` where the window is one for it; behind the biases a value for each group, how many products may be added
/// in 16 bits.
pub(super) fn pack(weights: &[i8], bias: &[i32], channels: usize, window: &Window) -> Packed {
    check::pack_depthwise(weights, bias, channels, window);
    let width = padded(channels);
    let taps = window.taps();
    let plain = check::product(&[taps, width]);
    let mut bytes = Aligned::zeroed(plain + width / LANES * pairs::bytes(window));
    let mut biases = vec![0; width];
    for (channel, (to, &from)) in biases.iter_mut().zip(bias).enumerate() {
        let column = || weights[channel..].iter().step_by(channels);
        for (tap, &weight) in column().enumerate() {
            bytes.bytes_mut()[(channel / LANES * taps + tap) * LANES + channel % LANES] = weight as u8;
        }
        let sum: i32 = column().map(|&w| i32::from(w)).sum();
        *to = from.wrapping_add(sum.wrapping_mul(128));
    }
    let (plain, paired) = bytes.bytes_mut().split_at_mut(plain);
    biases.extend(plain.chunks_exact((taps * LANES).max(1)).map(|group| three::chain(group, window)));
    biases.resize(width + width / LANES, 1);
    if pairs::fits(window) {
        for (group, to) in plain.chunks_exact(taps * LANES).zip(paired.chunks_exact_mut(pairs::bytes(window)))
        {
            pairs::order(group, to);
        }
    }
    Packed { bytes, bias: biases }
}

/// One output row of one group of channels.
pub(super) struct Row<'a> {
    /// Geometry.
    pub(super) window: &'a Window,
    /// Output row.
    pub(super) y: usize,
    /// First pixel of the plane, at this group.
    pub(super) input: *const u8,
    /// Bytes of a pixel.
    pub(super) step: usize,
    /// Sixteen values for what is outside.
    pub(super) outside: *const u8,
    /// Weights, `[tap][16]`.
    pub(super) weights: *const u8,
    /// Weights in the order of `pairs`, where it fits the window.
    pub(super) pairs: *const u8,
    /// Sixteen biases.
    pub(super) bias: *const i32,
    /// Products that may be added in 16 bits.
    pub(super) chain: i32,
    /// Sixteen factors each.
    pub(super) scale: *const f32,
    pub(super) negative: *const f32,
    /// Bounds of the group.
    pub(super) group: Group,
    /// First output pixel of the row, at this group.
    pub(super) out: *mut u8,
}

/// `Kernels::depthwise` of every set; `rows` makes one output row, or two from an even one where it returns 2.
pub(super) fn depthwise(
    op: &Depthwise,
    input: &[u8],
    out: &mut [u8],
    rows: unsafe fn(&Row<'_>, bool) -> usize,
) {
    check::depthwise(op, input, out);
    let (width, taps) = (padded(op.channels), op.window.taps());
    let weights = op.weights.bytes.bytes();
    let paired = pairs::bytes(&op.window);
    assert!(weights.len() == taps * width + width / LANES * paired, "weights are not of this set");
    assert!(op.weights.bias.len() == width + width / LANES, "biases are not of this set");
    assert!(op.window.dilation[1] > 0, "taps lie apart");
    let prelu = !op.requant.negative.is_empty();
    let mut bounds = Bounds::empty();
    for first in (0..width).step_by(TURN) {
        let count = TURN.min(width - first);
        // SAFETY: every aarch64 processor has NEON.
        unsafe { bounds.fill(&op.requant, first, count) };
        let mut y = 0;
        while y < op.window.output[0] {
            let mut made = 1;
            for at in (0..count).step_by(LANES) {
                let channel = first + at;
                // SAFETY: `check::depthwise` measured the planes and vectors, the assertions above weights and
                // biases; `channel + 16` values are in each. The set was made for this processor.
                unsafe {
                    let row = Row {
                        window: &op.window,
                        y,
                        input: input.as_ptr().wrapping_add(channel),
                        step: width,
                        outside: op.outside.as_ptr().add(channel),
                        weights: weights.as_ptr().wrapping_add(channel * taps),
                        pairs: weights.as_ptr().wrapping_add(taps * width + channel / LANES * paired),
                        bias: op.weights.bias.as_ptr().add(channel),
                        chain: op.weights.bias[width + channel / LANES],
                        scale: op.requant.scale.as_ptr().add(channel),
                        negative: op.requant.negative.as_ptr().wrapping_add(channel),
                        group: bounds.group(at),
                        out: out.as_mut_ptr().wrapping_add(y * op.window.output[1] * width + channel),
                    };
                    made = rows(&row, prelu);
                }
            }
            y += made;
        }
    }
}

/// One row with long multiplications.
///
/// # Safety
/// The pointers of the row reach as far as its geometry says.
pub(super) unsafe fn long(row: &Row<'_>, prelu: bool) -> usize {
    // SAFETY: the caller's promise; every aarch64 processor has NEON.
    unsafe {
        match (three::fits(row.window), prelu) {
            (true, false) => three::row::<false>(row),
            (true, true) => three::row::<true>(row),
            (false, false) => any::<false>(row),
            (false, true) => any::<true>(row),
        }
    }
    1
}

/// A window of any shape, tap by tap; two at once where their products fit in 16 bits.
///
/// # Safety
/// As `long`.
#[target_feature(enable = "neon")]
unsafe fn any<const PRELU: bool>(row: &Row<'_>) {
    let Row { window, step, outside, weights, bias, chain, group, .. } = *row;
    let [height, width] = window.kernel;
    let (jump, shift) = (window.dilation[1], window.pad[1]);
    // Taps of a kernel's row from `first` on that lie before `end`.
    let before = |end: usize, first: usize| end.saturating_sub(first).div_ceil(jump).min(width);
    // SAFETY: the caller's promise; `source` gives rows of the plane only, and the taps from `left` to `right` are
    // those that are not before its first column nor behind its last.
    unsafe {
        let factors = Factors::load::<PRELU>(row.scale, row.negative);
        for x in 0..window.output[1] {
            let first = x * window.stride[1];
            let left = before(shift, first);
            let right = before(shift + window.input[1], first).max(left);
            let mut sums: [int32x4_t; 4] = core::array::from_fn(|i| vld1q_s32(bias.add(4 * i)));
            let mut weights = weights;
            for i in 0..height {
                let line =
                    window.source(0, row.y, i).map(|y| row.input.wrapping_add(y * window.input[1] * step));
                let (line, step, jump) = line.map_or((outside, 0, 0), |line| (line, step, jump * step));
                let inside = line
                    .wrapping_add((first + left * window.dilation[1]).wrapping_sub(shift).wrapping_mul(step));
                sums = run(sums, outside, 0, weights, left, chain);
                sums = run(sums, inside, jump, weights.add(left * LANES), right - left, chain);
                sums = run(sums, outside, 0, weights.add(right * LANES), width - right, chain);
                weights = weights.add(width * LANES);
            }
            vst1q_u8(row.out.add(x * step), requantise::<PRELU>(sums, &factors, &group));
        }
    }
}

/// `count` taps whose values lie `jump` apart.
///
/// # Safety
/// That many times sixteen values and weights are readable.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn run(
    sums: [int32x4_t; 4],
    values: *const u8,
    jump: usize,
    weights: *const u8,
    count: usize,
    chain: i32,
) -> [int32x4_t; 4] {
    let (mut values, mut weights, mut left) = (values, weights, count);
    let [mut s0, mut s1, mut s2, mut s3] = sums;
    macro_rules! add {
        ($low:ident $high:ident) => {
            s0 = vaddw_s16(s0, vget_low_s16($low));
            s1 = vaddw_high_s16(s1, $low);
            s2 = vaddw_s16(s2, vget_low_s16($high));
            s3 = vaddw_high_s16(s3, $high);
        };
    }
    // SAFETY: the caller's promise; a step on for each tap.
    unsafe {
        while chain > 1 && left > 1 {
            let (a, b) = (signed(values), signed(values.add(jump)));
            let (v, w) = (vld1q_s8(weights.cast()), vld1q_s8(weights.add(LANES).cast()));
            let low = vmlal_s8(vmull_s8(vget_low_s8(a), vget_low_s8(v)), vget_low_s8(b), vget_low_s8(w));
            let high = vmlal_high_s8(vmull_high_s8(a, v), b, w);
            add!(low high);
            values = values.wrapping_add(2 * jump);
            weights = weights.add(2 * LANES);
            left -= 2;
        }
        while left > 0 {
            let (a, v) = (signed(values), vld1q_s8(weights.cast()));
            let (low, high) = (vmull_s8(vget_low_s8(a), vget_low_s8(v)), vmull_high_s8(a, v));
            add!(low high);
            values = values.wrapping_add(jump);
            weights = weights.add(LANES);
            left -= 1;
        }
    }
    [s0, s1, s2, s3]
}

/// Sixteen values as signed bytes.
///
/// # Safety
/// Sixteen bytes are readable.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn signed(from: *const u8) -> int8x16_t {
    // SAFETY: the caller's promise.
    vreinterpretq_s8_u8(veorq_u8(unsafe { vld1q_u8(from) }, vdupq_n_u8(0x80)))
}

/// `Kernels::max_pool`.
pub(super) fn max_pool(window: &Window, channels: usize, input: &[u8], out: &mut [u8]) {
    check::window(window, channels, input, out);
    // SAFETY: every aarch64 processor has NEON; `check::window` measured both planes.
    unsafe { pooled(window, padded(channels), input.as_ptr(), out.as_mut_ptr()) };
}

/// # Safety
/// Both planes have the size that the window says, pixels of `width` bytes.
#[target_feature(enable = "neon")]
unsafe fn pooled(window: &Window, width: usize, input: *const u8, out: *mut u8) {
    let mut out = out;
    for y in 0..window.output[0] {
        for x in 0..window.output[1] {
            for channel in (0..width).step_by(LANES) {
                let mut greatest: uint8x16_t = vdupq_n_u8(0);
                for y in (0..window.kernel[0]).filter_map(|i| window.source(0, y, i)) {
                    for x in (0..window.kernel[1]).filter_map(|j| window.source(1, x, j)) {
                        // SAFETY: `source` gives pixels of the plane only.
                        let values =
                            unsafe { vld1q_u8(input.add((y * window.input[1] + x) * width + channel)) };
                        greatest = vmaxq_u8(greatest, values);
                    }
                }
                // SAFETY: the output pixel (y, x).
                unsafe { vst1q_u8(out.add(channel), greatest) };
            }
            out = out.wrapping_add(width);
        }
    }
}
