//! 512-bit registers with the dot product of bytes (AVX-512 VNNI).
//!
//! Owns: the operations of `Isa` as intrinsics. Does not own: loops.
//! Invariant: an `Avx512` exists only where `detect` found F, BW, VL, VBMI and VNNI.

use std::arch::x86_64::*;

use super::isa::{Isa, addresses, registers};

/// Proof that the processor has the instructions.
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    /// The proof, or none.
    pub(super) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi")
            && is_x86_feature_detected!("avx512vnni");
        all.then_some(Self(()))
    }

    /// The proof, on the word of the caller.
    ///
    /// # Safety
    /// `detect` has returned it before.
    pub(super) const unsafe fn detected() -> Self {
        Self(())
    }
}

impl Isa for Avx512 {
    type Int = __m512i;
    type Float = __m512;
    type Bytes = __m512i;
    type Weights = __m512i;

    const LANES: usize = 16;
    const WEIGHTS: usize = 64;
    const ROWS: usize = 8;
    const ACROSS: usize = 2;

    fn lay_out(weights: &[i8], out: &mut [u8]) {
        for (to, &from) in out.iter_mut().zip(weights) {
            *to = from as u8;
        }
    }

    #[inline(always)]
    fn ready(self, bytes: __m512i) -> __m512i {
        bytes
    }

    #[inline(always)]
    fn signed(self, bytes: __m512i) -> __m512i {
        bytes
    }

    #[inline(always)]
    fn straight(self, quad: [__m512i; 4]) -> [__m512i; 4] {
        self.crossed(quad)
    }

    #[inline(always)]
    fn lookup(self, table: &[u8; 256], input: &[u8], out: &mut [u8]) {
        let whole = input.len() / 64 * 64;
        // SAFETY: four quarters of the table, and `whole` bytes of each slice; `self` proves the instructions.
        unsafe {
            let [a, b, c, d] = {
                let t = table.as_ptr();
                [
                    _mm512_loadu_si512(t.cast()),
                    _mm512_loadu_si512(t.add(64).cast()),
                    _mm512_loadu_si512(t.add(128).cast()),
                    _mm512_loadu_si512(t.add(192).cast()),
                ]
            };
            for at in (0..whole).step_by(64) {
                let index = _mm512_loadu_si512(input.as_ptr().add(at).cast());
                let (low, high) =
                    (_mm512_permutex2var_epi8(a, index, b), _mm512_permutex2var_epi8(c, index, d));
                let found = _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), low, high);
                _mm512_storeu_si512(out.as_mut_ptr().add(at).cast(), found);
            }
        }
        for (to, &from) in out[whole..].iter_mut().zip(&input[whole..]) {
            *to = table[usize::from(from)];
        }
    }

    registers! {
        dot(sums: __m512i, bytes: __m512i, weights: __m512i) -> __m512i { _mm512_dpbusd_epi32(sums, bytes, weights) }
        every_byte(value: u8) -> __m512i { _mm512_set1_epi8(value as i8) }
        every(value: i32) -> __m512i { _mm512_set1_epi32(value) }
        every_float(value: f32) -> __m512 { _mm512_set1_ps(value) }
        add(a: __m512i, b: __m512i) -> __m512i { _mm512_add_epi32(a, b) }
        add_short(a: __m512i, b: __m512i) -> __m512i { _mm512_adds_epi16(a, b) }
        max_byte(a: __m512i, b: __m512i) -> __m512i { _mm512_max_epu8(a, b) }
        min_byte(a: __m512i, b: __m512i) -> __m512i { _mm512_min_epu8(a, b) }
        xor(a: __m512i, b: __m512i) -> __m512i { _mm512_xor_si512(a, b) }
        float(a: __m512i) -> __m512 { _mm512_cvtepi32_ps(a) }
        round(a: __m512) -> __m512i { _mm512_cvtps_epi32(a) }
        times(a: __m512, b: __m512) -> __m512 { _mm512_mul_ps(a, b) }
        plus(a: __m512, b: __m512) -> __m512 { _mm512_add_ps(a, b) }
        least(a: __m512, b: __m512) -> __m512 { _mm512_min_ps(a, b) }
        where_negative(sums: __m512i, a: __m512, b: __m512) -> __m512 {
            // The sign spread over the lane selects; a mask register would cost the port that `dot` needs.
            _mm512_castsi512_ps(_mm512_ternarylogic_epi32::<0xCA>(
                _mm512_srai_epi32::<31>(sums), _mm512_castps_si512(a), _mm512_castps_si512(b),
            ))
        }
        low_bytes(a: __m512i, b: __m512i) -> __m512i { _mm512_unpacklo_epi8(a, b) }
        high_bytes(a: __m512i, b: __m512i) -> __m512i { _mm512_unpackhi_epi8(a, b) }
        low_shorts(a: __m512i, b: __m512i) -> __m512i { _mm512_unpacklo_epi16(a, b) }
        high_shorts(a: __m512i, b: __m512i) -> __m512i { _mm512_unpackhi_epi16(a, b) }
        to_shorts(a: __m512i, b: __m512i) -> __m512i { _mm512_packs_epi32(a, b) }
        to_bytes(a: __m512i, b: __m512i) -> __m512i { _mm512_packus_epi16(a, b) }
        in_order(bytes: __m512i) -> __m512i {
            _mm512_permutexvar_epi32(
                _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), bytes,
            )
        }
        crossed(quad: [__m512i; 4]) -> [__m512i; 4] {{
            let [a, b, c, d] = quad;
            let (ab, cd) = (_mm512_shuffle_i32x4::<0x44>(a, b), _mm512_shuffle_i32x4::<0x44>(c, d));
            let (above, beyond) = (_mm512_shuffle_i32x4::<0xEE>(a, b), _mm512_shuffle_i32x4::<0xEE>(c, d));
            [
                _mm512_shuffle_i32x4::<0x88>(ab, cd),
                _mm512_shuffle_i32x4::<0xDD>(ab, cd),
                _mm512_shuffle_i32x4::<0x88>(above, beyond),
                _mm512_shuffle_i32x4::<0xDD>(above, beyond),
            ]
        }}
        bits(a: __m512) -> __m512i { _mm512_castps_si512(a) }
        of_bits(a: __m512i) -> __m512 { _mm512_castsi512_ps(a) }
        totals(four: [__m512i; 4]) -> [i32; 4] {{
            let [a, b, c, d] = four;
            let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
            let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
            let all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
            let half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64::<1>(all));
            let sums = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half));
            std::mem::transmute::<__m128i, [i32; 4]>(sums)
        }}
    }

    addresses! {
        spread(from: *const u8) -> __m512i { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
        weights(from: *const u8) -> __m512i { _mm512_loadu_si512(from.cast()) }
        load(from: *const u8) -> __m512i { _mm512_loadu_si512(from.cast()) }
        store(value: __m512i, to: *mut u8) { _mm512_storeu_si512(to.cast(), value) }
        load_groups(from: *const u8, groups: usize) -> __m512i {
            _mm512_maskz_loadu_epi32(mask(groups), from.cast())
        }
        repeat_groups(from: *const u8, groups: usize) -> __m512i {
            match groups {
                1 => _mm512_broadcast_i32x4(_mm_loadu_si128(from.cast())),
                2 => _mm512_broadcast_i64x4(_mm256_loadu_si256(from.cast())),
                _ => _mm512_loadu_si512(from.cast()),
            }
        }
        store_groups(value: __m512i, to: *mut u8, groups: usize) {
            _mm512_mask_storeu_epi32(to.cast(), mask(groups), value)
        }
        store_parts(value: __m512i, parts: usize, count: usize, to: *mut u8, stride: usize) {
            match parts {
                1 => _mm512_storeu_si512(to.cast(), value),
                2 => {
                    _mm256_storeu_si256(to.cast(), _mm512_castsi512_si256(value));
                    if count > 1 {
                        _mm256_storeu_si256(to.add(stride).cast(), _mm512_extracti64x4_epi64::<1>(value));
                    }
                }
                _ => {
                    _mm_storeu_si128(to.cast(), _mm512_castsi512_si128(value));
                    if count > 1 {
                        _mm_storeu_si128(to.add(stride).cast(), _mm512_extracti32x4_epi32::<1>(value));
                    }
                    if count > 2 {
                        _mm_storeu_si128(to.add(2 * stride).cast(), _mm512_extracti32x4_epi32::<2>(value));
                    }
                    if count > 3 {
                        _mm_storeu_si128(to.add(3 * stride).cast(), _mm512_extracti32x4_epi32::<3>(value));
                    }
                }
            }
        }
    }
}

/// The first so many groups of four 32-bit lanes.
#[inline(always)]
const fn mask(groups: usize) -> __mmask16 {
    if groups >= 4 { 0xFFFF } else { (1 << (4 * groups)) - 1 }
}
