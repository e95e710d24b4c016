//! The last steps of every operation: from 32-bit sums to bytes, in registers.
//!
//! Owns: `Requant` in vectors of sixteen lanes, and the narrow form of its bounds (`Bounds`).
//! Does not own: which lanes (callers).
//! Invariants: `scvtf`, `fmul`, `fcvtns` round exactly as `Requant::apply` does. The clamp comes after the rounding,
//! on bytes: rounding never reverses an order, so `round(clamp(v, l, h)) = clamp(round(v), round(l), round(h))`, and
//! every narrowing step saturates, so nothing wraps on the way.

use core::arch::aarch64::{
    float32x4_t, int16x8_t, int32x4_t, uint8x16_t, vaddq_s32, vbslq_f32, vcltzq_s32, vcombine_s16,
    vcombine_u8, vcvtnq_s32_f32, vcvtq_f32_s32, vld1q_f32, vld1q_s16, vld1q_s32, vld1q_u8, vmaxq_u8,
    vminq_u8, vmulq_f32, vqaddq_s16, vqmovn_s32, vqmovun_s16, vst1q_s16, vst1q_u8,
};

use super::super::{LANES, Requant};

/// Channels that one table of bounds holds; operations with more go through them in turns.
pub(super) const TURN: usize = 512;

/// Zero points and clamps of up to `TURN` channels, as narrow as the arithmetic that uses them.
pub(super) struct Bounds {
    zero: [i16; TURN],
    low: [u8; TURN],
    high: [u8; TURN],
}

/// What one group of sixteen channels needs.
#[derive(Clone, Copy)]
pub(super) struct Group {
    pub(super) zero: [int16x8_t; 2],
    pub(super) low: uint8x16_t,
    pub(super) high: uint8x16_t,
}

impl Bounds {
    /// Nothing yet.
    pub(super) const fn empty() -> Self {
        Self { zero: [0; TURN], low: [0; TURN], high: [0; TURN] }
    }

    /// Those of `count` channels from `first` on, both multiples of `LANES`.
    #[target_feature(enable = "neon")]
    pub(super) fn fill(&mut self, op: &Requant, first: usize, count: usize) {
        assert!(count <= TURN && count.is_multiple_of(LANES), "lanes come in groups");
        for at in (0..count).step_by(LANES) {
            let group = Group::of(op, first + at);
            // SAFETY: the tables have `TURN` values, `at + LANES <= count <= TURN`.
            unsafe {
                vst1q_s16(self.zero.as_mut_ptr().add(at), group.zero[0]);
                vst1q_s16(self.zero.as_mut_ptr().add(at + 8), group.zero[1]);
                vst1q_u8(self.low.as_mut_ptr().add(at), group.low);
                vst1q_u8(self.high.as_mut_ptr().add(at), group.high);
            }
        }
    }

    /// The sixteen channels from `at` on.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn group(&self, at: usize) -> Group {
        debug_assert!(at + LANES <= TURN, "within the table");
        // SAFETY: callers stay within the `count` that they filled, a multiple of `LANES`.
        unsafe {
            let zero = self.zero.as_ptr().add(at);
            Group {
                zero: [vld1q_s16(zero), vld1q_s16(zero.add(8))],
                low: vld1q_u8(self.low.as_ptr().add(at)),
                high: vld1q_u8(self.high.as_ptr().add(at)),
            }
        }
    }

    /// The bounds of four channels from `at` on, four times over.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn quad(&self, at: usize) -> Group {
        use core::arch::aarch64::{vdupq_n_u32, vdupq_n_u64, vreinterpretq_s16_u64, vreinterpretq_u8_u32};
        debug_assert!(at + 4 <= TURN, "within the table");
        // SAFETY: callers stay within what they filled; the reads need no alignment.
        let (zero, low, high) = unsafe {
            (
                self.zero.as_ptr().add(at).cast::<u64>().read_unaligned(),
                self.low.as_ptr().add(at).cast::<u32>().read_unaligned(),
                self.high.as_ptr().add(at).cast::<u32>().read_unaligned(),
            )
        };
        let zero = vreinterpretq_s16_u64(vdupq_n_u64(zero));
        Group {
            zero: [zero, zero],
            low: vreinterpretq_u8_u32(vdupq_n_u32(low)),
            high: vreinterpretq_u8_u32(vdupq_n_u32(high)),
        }
    }
}

impl Group {
    /// That of the sixteen channels from `first` on.
    #[target_feature(enable = "neon")]
    pub(super) fn of(op: &Requant, first: usize) -> Self {
        let zero = &op.zero[first..][..LANES];
        // SAFETY: four times four of sixteen values.
        let zero: [int32x4_t; 4] = core::array::from_fn(|i| unsafe { vld1q_s32(zero.as_ptr().add(4 * i)) });
        let narrow = |bounds: &[f32]| {
            let sums = core::array::from_fn(|i| {
                // SAFETY: as above.
                let bound = unsafe { vld1q_f32(bounds.as_ptr().add(4 * i)) };
                vaddq_s32(vcvtnq_s32_f32(bound), zero[i])
            });
            let [first, second] = halves(sums);
            vcombine_u8(vqmovun_s16(first), vqmovun_s16(second))
        };
        let low = narrow(&op.low[first..][..LANES]);
        let high = narrow(&op.high[first..][..LANES]);
        Self { zero: halves(zero), low, high }
    }
}

/// Sixteen 32-bit values, saturated to 16 bits.
#[inline]
#[target_feature(enable = "neon")]
fn halves(v: [int32x4_t; 4]) -> [int16x8_t; 2] {
    [vcombine_s16(vqmovn_s32(v[0]), vqmovn_s32(v[1])), vcombine_s16(vqmovn_s32(v[2]), vqmovn_s32(v[3]))]
}

/// Sixteen rounded values to bytes: zero point, saturation, clamp.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn narrow(rounded: [int32x4_t; 4], group: &Group) -> uint8x16_t {
    let [first, second] = halves(rounded);
    let first = vqmovun_s16(vqaddq_s16(first, group.zero[0]));
    let second = vqmovun_s16(vqaddq_s16(second, group.zero[1]));
    vminq_u8(vmaxq_u8(vcombine_u8(first, second), group.low), group.high)
}

/// Four sums times their factor, rounded.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn scaled<const PRELU: bool>(
    sum: int32x4_t,
    scale: float32x4_t,
    negative: float32x4_t,
) -> int32x4_t {
    let factor = if PRELU { vbslq_f32(vcltzq_s32(sum), negative, scale) } else { scale };
    vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(sum), factor))
}

/// Factors of sixteen channels.
#[derive(Clone, Copy)]
pub(super) struct Factors {
    scale: [float32x4_t; 4],
    negative: [float32x4_t; 4],
}

impl Factors {
    /// From sixteen values each; `negative` is not read without `PRELU`.
    ///
    /// # Safety
    /// `scale`, and with `PRELU` `negative`, point to sixteen values.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) unsafe fn load<const PRELU: bool>(scale: *const f32, negative: *const f32) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let four = |p: *const f32| {
                [vld1q_f32(p), vld1q_f32(p.add(4)), vld1q_f32(p.add(8)), vld1q_f32(p.add(12))]
            };
            let scale = four(scale);
            Self { scale, negative: if PRELU { four(negative) } else { scale } }
        }
    }
}

/// Sixteen sums to bytes.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn requantise<const PRELU: bool>(
    sums: [int32x4_t; 4],
    factors: &Factors,
    group: &Group,
) -> uint8x16_t {
    let part = |i: usize| scaled::<PRELU>(sums[i], factors.scale[i], factors.negative[i]);
    narrow([part(0), part(1), part(2), part(3)], group)
}
