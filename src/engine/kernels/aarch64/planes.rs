//! Operations value by value: sums and products of planes, tables, sums of channels.
//!
//! Owns: these loops; a group of sixteen channels goes through a block of pixels, so that its constants stay in
//! registers and the block in the first cache. Does not own: how values become bytes (`requant`).
//! Invariant: every slice has been measured by `check` before a pointer is taken.

use core::arch::aarch64::{
    float32x4_t, int16x8_t, uint8x16_t, uint8x16x4_t, vaddq_f32, vaddw_high_u8, vaddw_high_u16, vaddw_u8,
    vaddw_u16, vcombine_s16, vcvtnq_s32_f32, vcvtq_f32_s32, vdupq_n_u8, vdupq_n_u16, vdupq_n_u32,
    vget_low_s16, vget_low_u8, vget_low_u16, vld1q_f32, vld1q_s32, vld1q_u8, vmaxnmq_f32, vmovl_high_s16,
    vmovl_high_u8, vmovl_s16, vmovl_u8, vmull_high_s16, vmull_s16, vmulq_f32, vqmovn_s32, vqtbl4q_u8,
    vqtbx4q_u8, vreinterpretq_s16_u16, vreinterpretq_s32_u32, vst1q_s32, vst1q_u8, vsubq_s16, vsubq_u8,
};

use super::super::{Addition, LANES, Product, check, padded};
use super::requant::{Factors, Group, narrow, requantise};

/// Bytes of a plane that a block of pixels takes.
const BLOCK: usize = 8192;

/// Every group of channels through every block of pixels: offset of the first value, first channel, pixels.
fn blocks(lanes: usize, pixels: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let block = (BLOCK / lanes).max(16);
    for first in (0..pixels).step_by(block) {
        for channel in (0..lanes).step_by(LANES) {
            visit(first * lanes + channel, channel, block.min(pixels - first));
        }
    }
}

/// `Kernels::add`.
pub(super) fn add(op: &Addition, a: &[u8], b: &[u8], out: &mut [u8]) {
    let pixels = check::addition(op, a, b, out);
    let lanes = op.scale_a.len();
    // Where terms can be infinite, two may meet and have no value; the bounds must then be taken before rounding.
    let calm = |scale: &[f32]| scale.iter().all(|s| s.abs() <= 1e30);
    let calm = calm(&op.scale_a) && calm(&op.scale_b);
    blocks(lanes, pixels, |at, channel, count| {
        let (a, b, out) = (a[at..].as_ptr(), b[at..].as_ptr(), out[at..].as_mut_ptr());
        // SAFETY: every aarch64 processor has NEON; the planes have `count` more pixels of `lanes` values from the
        // one on that `at` lies in, and `check::addition` measured the vectors.
        unsafe {
            if calm {
                added::<true>(op, channel, a, b, out, lanes, count);
            } else {
                added::<false>(op, channel, a, b, out, lanes, count);
            }
        }
    });
}

/// # Safety
/// `count` values of sixteen bytes, `step` apart, from `a`, `b` and `out` on; vectors of `op` reach `channel + 16`.
#[target_feature(enable = "neon")]
unsafe fn added<const CALM: bool>(
    op: &Addition,
    channel: usize,
    a: *const u8,
    b: *const u8,
    out: *mut u8,
    step: usize,
    count: usize,
) {
    let group = Group::of(&op.requant, channel);
    // SAFETY: the caller's promise.
    unsafe {
        let scale = |v: &[f32]| {
            let v = v.as_ptr().add(channel);
            [vld1q_f32(v), vld1q_f32(v.add(4)), vld1q_f32(v.add(8)), vld1q_f32(v.add(12))]
        };
        let (scale_a, scale_b) = (scale(&op.scale_a), scale(&op.scale_b));
        let (zero_a, zero_b) = (zeros(&op.zero_a, channel), zeros(&op.zero_b, channel));
        let (low, high) = (&op.requant.low[channel..][..LANES], &op.requant.high[channel..][..LANES]);
        for pixel in 0..count {
            let a = terms(vld1q_u8(a.add(pixel * step)), zero_a, scale_a);
            let b = terms(vld1q_u8(b.add(pixel * step)), zero_b, scale_b);
            let mut sums = [vcvtnq_s32_f32(a[0]); 4];
            for i in 0..4 {
                let mut sum = vaddq_f32(a[i], b[i]);
                if !CALM {
                    // No value: the greater of it and the bound is the bound, as `f32::max` has it.
                    sum = vmaxnmq_f32(sum, vld1q_f32(low.as_ptr().add(4 * i)));
                    sum = core::arch::aarch64::vminnmq_f32(sum, vld1q_f32(high.as_ptr().add(4 * i)));
                }
                sums[i] = vcvtnq_s32_f32(sum);
            }
            vst1q_u8(out.add(pixel * step), narrow(sums, &group));
        }
    }
}

/// `(values - zero) * scale`.
#[inline]
#[target_feature(enable = "neon")]
fn terms(values: uint8x16_t, zero: [int16x8_t; 2], scale: [float32x4_t; 4]) -> [float32x4_t; 4] {
    let [first, second] = centred(values, zero);
    let wide = [
        vmovl_s16(vget_low_s16(first)),
        vmovl_high_s16(first),
        vmovl_s16(vget_low_s16(second)),
        vmovl_high_s16(second),
    ];
    core::array::from_fn(|i| vmulq_f32(vcvtq_f32_s32(wide[i]), scale[i]))
}

/// Values less their zero points.
#[inline]
#[target_feature(enable = "neon")]
fn centred(values: uint8x16_t, zero: [int16x8_t; 2]) -> [int16x8_t; 2] {
    let first = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(values)));
    let second = vreinterpretq_s16_u16(vmovl_high_u8(values));
    [vsubq_s16(first, zero[0]), vsubq_s16(second, zero[1])]
}

/// Zero points of sixteen channels.
///
/// # Safety
/// `zero` has `channel + 16` values.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn zeros(zero: &[i32], channel: usize) -> [int16x8_t; 2] {
    // SAFETY: the caller's promise.
    let four = |i: usize| unsafe { vqmovn_s32(vld1q_s32(zero.as_ptr().add(channel + 4 * i))) };
    [vcombine_s16(four(0), four(1)), vcombine_s16(four(2), four(3))]
}

/// `Kernels::multiply`.
pub(super) fn multiply(op: &Product, a: &[u8], b: &[u8], out: &mut [u8]) {
    let pixels = check::multiplication(op, a, b, out);
    let lanes = op.zero_a.len();
    blocks(lanes, pixels, |at, channel, count| {
        // SAFETY: as in `add`; `b` is a plane like the others.
        unsafe {
            product(
                op,
                channel,
                a[at..].as_ptr(),
                (b[at..].as_ptr(), lanes),
                out[at..].as_mut_ptr(),
                lanes,
                count,
            );
        }
    });
}

/// `Kernels::multiply_pixel`.
pub(super) fn multiply_pixel(op: &Product, a: &[u8], pixel: &[u8], out: &mut [u8]) {
    let pixels = check::pixel(op, a, pixel, out);
    let lanes = op.zero_a.len();
    blocks(lanes, pixels, |at, channel, count| {
        // SAFETY: as in `add`; the one pixel has all channels and is read again and again.
        unsafe {
            product(
                op,
                channel,
                a[at..].as_ptr(),
                (pixel[channel..].as_ptr(), 0),
                out[at..].as_mut_ptr(),
                lanes,
                count,
            );
        }
    });
}

/// # Safety
/// As `added`; `b` is a pointer and its own step.
unsafe fn product(
    op: &Product,
    channel: usize,
    a: *const u8,
    b: (*const u8, usize),
    out: *mut u8,
    step: usize,
    count: usize,
) {
    // SAFETY: the caller's promise; every aarch64 processor has NEON.
    unsafe {
        if op.requant.negative.is_empty() {
            multiplied::<false>(op, channel, a, b, out, step, count);
        } else {
            multiplied::<true>(op, channel, a, b, out, step, count);
        }
    }
}

/// # Safety
/// As `product`.
#[target_feature(enable = "neon")]
unsafe fn multiplied<const PRELU: bool>(
    op: &Product,
    channel: usize,
    a: *const u8,
    b: (*const u8, usize),
    out: *mut u8,
    step: usize,
    count: usize,
) {
    let group = Group::of(&op.requant, channel);
    // SAFETY: the caller's promise.
    unsafe {
        let (zero_a, zero_b) = (zeros(&op.zero_a, channel), zeros(&op.zero_b, channel));
        let scale = op.requant.scale.as_ptr().add(channel);
        let factors = Factors::load::<PRELU>(scale, op.requant.negative.as_ptr().wrapping_add(channel));
        for pixel in 0..count {
            let [a0, a1] = centred(vld1q_u8(a.add(pixel * step)), zero_a);
            let [b0, b1] = centred(vld1q_u8(b.0.add(pixel * b.1)), zero_b);
            let products = [
                vmull_s16(vget_low_s16(a0), vget_low_s16(b0)),
                vmull_high_s16(a0, b0),
                vmull_s16(vget_low_s16(a1), vget_low_s16(b1)),
                vmull_high_s16(a1, b1),
            ];
            vst1q_u8(out.add(pixel * step), requantise::<PRELU>(products, &factors, &group));
        }
    }
}

/// `Kernels::sum`.
pub(super) fn sum(channels: usize, input: &[u8], out: &mut [i32]) {
    let pixels = check::sum(channels, input, out);
    let lanes = padded(channels);
    for channel in (0..lanes).step_by(LANES) {
        // SAFETY: every aarch64 processor has NEON; `check::sum` measured the plane and the result.
        unsafe {
            summed(input.as_ptr().wrapping_add(channel), lanes, pixels, out[channel..][..LANES].as_mut_ptr());
        }
    }
}

/// # Safety
/// `count` values of sixteen bytes, `step` apart, from `input` on; room for sixteen sums.
#[target_feature(enable = "neon")]
unsafe fn summed(input: *const u8, step: usize, count: usize, out: *mut i32) {
    let mut sums = [vdupq_n_u32(0); 4];
    for first in (0..count).step_by(256) {
        // 256 * 255 fits in 16 bits.
        let mut short = [vdupq_n_u16(0); 2];
        for pixel in first..count.min(first + 256) {
            // SAFETY: the caller's promise.
            let values = unsafe { vld1q_u8(input.add(pixel * step)) };
            short = [vaddw_u8(short[0], vget_low_u8(values)), vaddw_high_u8(short[1], values)];
        }
        for (i, short) in short.into_iter().enumerate() {
            sums[2 * i] = vaddw_u16(sums[2 * i], vget_low_u16(short));
            sums[2 * i + 1] = vaddw_high_u16(sums[2 * i + 1], short);
        }
    }
    for (i, sum) in sums.into_iter().enumerate() {
        // SAFETY: as above.
        unsafe { vst1q_s32(out.add(4 * i), vreinterpretq_s32_u32(sum)) };
    }
}

/// `Kernels::lookup`.
pub(super) fn lookup(table: &[u8; 256], input: &[u8], out: &mut [u8]) {
    check::lookup(input, out);
    let whole = input.len() - input.len() % LANES;
    // SAFETY: every aarch64 processor has NEON; `whole` is within both.
    unsafe { looked_up(table, input.as_ptr(), whole, out.as_mut_ptr()) };
    for (to, &from) in out[whole..].iter_mut().zip(&input[whole..]) {
        *to = table[usize::from(from)];
    }
}

/// # Safety
/// `count` bytes, a multiple of sixteen, from `input` and `out` on.
#[target_feature(enable = "neon")]
unsafe fn looked_up(table: &[u8; 256], input: *const u8, count: usize, out: *mut u8) {
    // SAFETY: sixteen vectors are 256 bytes; the rest is the caller's promise.
    unsafe {
        let quarter = |i: usize| {
            let at = |j: usize| vld1q_u8(table.as_ptr().add(64 * i + 16 * j));
            uint8x16x4_t(at(0), at(1), at(2), at(3))
        };
        let quarters = [quarter(0), quarter(1), quarter(2), quarter(3)];
        let next = vdupq_n_u8(64);
        for at in (0..count).step_by(LANES) {
            // An index out of its quarter's range leaves what earlier quarters found.
            let mut index = vld1q_u8(input.add(at));
            let mut found = vqtbl4q_u8(quarters[0], index);
            for quarter in &quarters[1..] {
                index = vsubq_u8(index, next);
                found = vqtbx4q_u8(found, *quarter, index);
            }
            vst1q_u8(out.add(at), found);
        }
    }
}
