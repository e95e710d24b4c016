//! x86-64: SSE2, which every such processor has. `plain` says what each function means.
#![expect(missing_docs, reason = "`plain` says what each function means")]

use core::arch::x86_64::{
    __m128i, _mm_add_epi16, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_loadu_si128, _mm_mulhi_epu16,
    _mm_packus_epi16, _mm_set1_epi16, _mm_setzero_si128, _mm_shufflelo_epi16, _mm_srli_epi16, _mm_srli_si128,
    _mm_storeu_si128, _mm_sub_epi16, _mm_unpacklo_epi8, _mm_xor_si128,
};

/// Eight values of 16 bits.
#[derive(Clone, Copy)]
pub struct Lanes(__m128i);

// SAFETY of every block below: SSE2 is part of x86-64 itself, so its instructions are there; the two that take a
// pointer are given references to 16 bytes, and ask for no alignment.
impl Lanes {
    #[inline(always)]
    pub fn of(values: &[u16; 8]) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm_loadu_si128(values.as_ptr().cast()) })
    }

    #[inline(always)]
    pub fn of_bytes(bytes: u64) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm_unpacklo_epi8(_mm_setzero_si128(), _mm_cvtsi64_si128(bytes as i64)) })
    }

    #[inline(always)]
    pub fn splat(value: u16) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm_set1_epi16(value as i16) })
    }

    #[inline(always)]
    pub fn part(self, weight: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm_mulhi_epu16(self.0, weight.0) })
    }

    #[inline(always)]
    pub fn sum(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm_add_epi16(self.0, other.0) })
    }

    #[inline(always)]
    pub fn less(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm_sub_epi16(self.0, other.0) })
    }

    #[inline(always)]
    pub fn differing(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm_xor_si128(self.0, other.0) })
    }

    #[inline(always)]
    pub fn folded(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm_add_epi16(self.0, _mm_srli_si128::<6>(self.0)) })
    }

    #[inline(always)]
    pub fn mirrored(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm_shufflelo_epi16::<0b11_00_01_10>(self.0) })
    }

    #[inline(always)]
    pub fn bytes(self) -> u64 {
        // SAFETY: see above.
        unsafe {
            let steps = _mm_srli_epi16::<8>(self.0);
            _mm_cvtsi128_si64(_mm_packus_epi16(steps, steps)) as u64
        }
    }

    #[inline(always)]
    pub fn write(self, values: &mut [u16; 8]) {
        // SAFETY: see above.
        unsafe { _mm_storeu_si128(values.as_mut_ptr().cast(), self.0) }
    }
}
