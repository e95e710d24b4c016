//! aarch64: NEON, which every such processor has. `plain` says what each function means.
#![expect(missing_docs, reason = "`plain` says what each function means")]

use core::arch::aarch64::{
    uint16x8_t, vaddq_u16, vcreate_u8, vdupq_n_u16, veorq_u16, vextq_u16, vget_lane_u64, vget_low_u16,
    vld1q_u16, vmull_high_u16, vmull_u16, vreinterpret_u64_u8, vreinterpretq_u16_u32, vrev64q_u16,
    vshll_n_u8, vshrn_n_u16, vst1q_u16, vsubq_u16, vuzp2q_u16,
};

/// Eight values of 16 bits.
#[derive(Clone, Copy)]
pub struct Lanes(uint16x8_t);

// SAFETY of every block below: NEON is part of aarch64 as Rust targets it, so its instructions are there; the two
// that take a pointer are given references to eight values.
impl Lanes {
    #[inline(always)]
    pub fn of(values: &[u16; 8]) -> Self {
        // SAFETY: see above.
        Self(unsafe { vld1q_u16(values.as_ptr()) })
    }

    #[inline(always)]
    pub fn of_bytes(bytes: u64) -> Self {
        // SAFETY: see above.
        Self(unsafe { vshll_n_u8::<8>(vcreate_u8(bytes)) })
    }

    #[inline(always)]
    pub fn splat(value: u16) -> Self {
        // SAFETY: see above.
        Self(unsafe { vdupq_n_u16(value) })
    }

    #[inline(always)]
    pub fn part(self, weight: Self) -> Self {
        // SAFETY: see above.
        unsafe {
            let low = vmull_u16(vget_low_u16(self.0), vget_low_u16(weight.0));
            let high = vmull_high_u16(self.0, weight.0);
            // The upper half of each product.
            Self(vuzp2q_u16(vreinterpretq_u16_u32(low), vreinterpretq_u16_u32(high)))
        }
    }

    #[inline(always)]
    pub fn sum(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { vaddq_u16(self.0, other.0) })
    }

    #[inline(always)]
    pub fn less(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { vsubq_u16(self.0, other.0) })
    }

    #[inline(always)]
    pub fn differing(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { veorq_u16(self.0, other.0) })
    }

    #[inline(always)]
    pub fn folded(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { vaddq_u16(self.0, vextq_u16::<3>(self.0, vdupq_n_u16(0))) })
    }

    #[inline(always)]
    pub fn mirrored(self) -> Self {
        // SAFETY: see above.
        unsafe {
            // Four lanes turned about, and moved down by the one that came first.
            let turned = vrev64q_u16(self.0);
            Self(vextq_u16::<1>(turned, turned))
        }
    }

    #[inline(always)]
    pub fn bytes(self) -> u64 {
        // SAFETY: see above.
        unsafe { vget_lane_u64::<0>(vreinterpret_u64_u8(vshrn_n_u16::<8>(self.0))) }
    }

    #[inline(always)]
    pub fn write(self, values: &mut [u16; 8]) {
        // SAFETY: see above.
        unsafe { vst1q_u16(values.as_mut_ptr(), self.0) }
    }
}
