//! 256-bit registers: with the dot product of bytes in either encoding, and without it (AVX2).
//!
//! Owns: the operations of `Isa` as intrinsics, once, and the three ways to a dot product. Does not own: loops.
//! Invariant: a value of these types exists only where `detect` found its instructions.

use std::arch::x86_64::*;

use super::isa::{Isa, addresses, registers};

/// A type of 256-bit registers; what differs is given.
macro_rules! narrow {
    ($(#[$doc:meta])* $name:ident, $($feature:tt)&&+, $($different:item)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(super) struct $name(());

        impl $name {
            /// The proof, or none.
            pub(super) fn detect() -> Option<Self> {
                let all = true $(&& is_x86_feature_detected!($feature))+;
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

        impl Isa for $name {
            type Int = __m256i;
            type Float = __m256;

            const LANES: usize = 8;
            const ACROSS: usize = 1;

            $($different)*

            registers! {
                every_byte(value: u8) -> __m256i { _mm256_set1_epi8(value as i8) }
                every(value: i32) -> __m256i { _mm256_set1_epi32(value) }
                every_float(value: f32) -> __m256 { _mm256_set1_ps(value) }
                add(a: __m256i, b: __m256i) -> __m256i { _mm256_add_epi32(a, b) }
                add_short(a: __m256i, b: __m256i) -> __m256i { _mm256_adds_epi16(a, b) }
                max_byte(a: __m256i, b: __m256i) -> __m256i { _mm256_max_epu8(a, b) }
                min_byte(a: __m256i, b: __m256i) -> __m256i { _mm256_min_epu8(a, b) }
                xor(a: __m256i, b: __m256i) -> __m256i { _mm256_xor_si256(a, b) }
                float(a: __m256i) -> __m256 { _mm256_cvtepi32_ps(a) }
                round(a: __m256) -> __m256i { _mm256_cvtps_epi32(a) }
                times(a: __m256, b: __m256) -> __m256 { _mm256_mul_ps(a, b) }
                plus(a: __m256, b: __m256) -> __m256 { _mm256_add_ps(a, b) }
                least(a: __m256, b: __m256) -> __m256 { _mm256_min_ps(a, b) }
                where_negative(sums: __m256i, a: __m256, b: __m256) -> __m256 {
                    _mm256_blendv_ps(b, a, _mm256_castsi256_ps(sums))
                }
                low_bytes(a: __m256i, b: __m256i) -> __m256i { _mm256_unpacklo_epi8(a, b) }
                high_bytes(a: __m256i, b: __m256i) -> __m256i { _mm256_unpackhi_epi8(a, b) }
                low_shorts(a: __m256i, b: __m256i) -> __m256i { _mm256_unpacklo_epi16(a, b) }
                high_shorts(a: __m256i, b: __m256i) -> __m256i { _mm256_unpackhi_epi16(a, b) }
                to_shorts(a: __m256i, b: __m256i) -> __m256i { _mm256_packs_epi32(a, b) }
                to_bytes(a: __m256i, b: __m256i) -> __m256i { _mm256_packus_epi16(a, b) }
                in_order(bytes: __m256i) -> __m256i {
                    _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
                }
                crossed(quad: [__m256i; 4]) -> [__m256i; 4] {
                    [
                        _mm256_permute2x128_si256::<0x20>(quad[0], quad[2]),
                        _mm256_permute2x128_si256::<0x31>(quad[0], quad[2]),
                        _mm256_permute2x128_si256::<0x20>(quad[1], quad[3]),
                        _mm256_permute2x128_si256::<0x31>(quad[1], quad[3]),
                    ]
                }
                straight(quad: [__m256i; 4]) -> [__m256i; 4] {
                    [
                        _mm256_permute2x128_si256::<0x20>(quad[0], quad[1]),
                        _mm256_permute2x128_si256::<0x20>(quad[2], quad[3]),
                        _mm256_permute2x128_si256::<0x31>(quad[0], quad[1]),
                        _mm256_permute2x128_si256::<0x31>(quad[2], quad[3]),
                    ]
                }
                bits(a: __m256) -> __m256i { _mm256_castps_si256(a) }
                of_bits(a: __m256i) -> __m256 { _mm256_castsi256_ps(a) }
                totals(four: [__m256i; 4]) -> [i32; 4] {{
                    let [a, b, c, d] = four;
                    let all = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
                    let sums = _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256::<1>(all));
                    std::mem::transmute::<__m128i, [i32; 4]>(sums)
                }}
            }

            addresses! {
                load(from: *const u8) -> __m256i { _mm256_loadu_si256(from.cast()) }
                store(value: __m256i, to: *mut u8) { _mm256_storeu_si256(to.cast(), value) }
                load_groups(from: *const u8, groups: usize) -> __m256i {
                    match groups {
                        0 => _mm256_setzero_si256(),
                        1 => _mm256_zextsi128_si256(_mm_loadu_si128(from.cast())),
                        _ => _mm256_loadu_si256(from.cast()),
                    }
                }
                repeat_groups(from: *const u8, groups: usize) -> __m256i {
                    match groups {
                        1 => _mm256_broadcastsi128_si256(_mm_loadu_si128(from.cast())),
                        _ => _mm256_loadu_si256(from.cast()),
                    }
                }
                store_groups(value: __m256i, to: *mut u8, groups: usize) {
                    match groups {
                        0 => {}
                        1 => _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(value)),
                        _ => _mm256_storeu_si256(to.cast(), value),
                    }
                }
                store_parts(value: __m256i, parts: usize, count: usize, to: *mut u8, stride: usize) {
                    match parts {
                        1 => _mm256_storeu_si256(to.cast(), value),
                        2 => {
                            _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(value));
                            if count > 1 {
                                let second = _mm256_extracti128_si256::<1>(value);
                                _mm_storeu_si128(to.add(stride).cast(), second);
                            }
                        }
                        _ => unreachable!("a group of channels is two registers"),
                    }
                }
            }
        }
    };
}

/// What differs where there is a dot product of bytes: only its encoding.
macro_rules! vnni {
    ($(#[$doc:meta])* $name:ident, $($feature:tt)&&+, $dot:ident) => {
        narrow! {
            $(#[$doc])* $name, $($feature)&&+,
            type Bytes = __m256i;
            type Weights = __m256i;
            const WEIGHTS: usize = 32;
            const ROWS: usize = 6;

            fn lay_out(weights: &[i8], out: &mut [u8]) {
                for (to, &from) in out.iter_mut().zip(weights) {
                    *to = from as u8;
                }
            }

            #[inline(always)]
            fn ready(self, bytes: __m256i) -> __m256i {
                bytes
            }

            #[inline(always)]
            fn signed(self, bytes: __m256i) -> __m256i {
                bytes
            }

            registers! {
                dot(sums: __m256i, bytes: __m256i, weights: __m256i) -> __m256i { $dot(sums, bytes, weights) }
            }

            addresses! {
                spread(from: *const u8) -> __m256i { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
                weights(from: *const u8) -> __m256i { _mm256_loadu_si256(from.cast()) }
            }
        }
    };
}

vnni! {
    /// AVX-VNNI: processors without AVX-512.
    AvxVnni, "avx2" && "avxvnni", _mm256_dpbusd_avx_epi32
}

#[cfg(test)]
vnni! {
    /// The same instructions as AVX-512 encodes them.
    Avx512Vnni256, "avx2" && "avx512f" && "avx512vl" && "avx512vnni", _mm256_dpbusd_epi32
}

narrow! {
    /// AVX2: bytes widened to 16 bits, the even ones and the odd ones, so that a product of pairs cannot saturate (as
    /// `vpmaddubsw` does from 2 * 255 * 65 on).
    Avx2, "avx2",
    type Bytes = [__m256i; 2];
    type Weights = [__m256i; 2];
    const WEIGHTS: usize = 64;
    const ROWS: usize = 4;

    fn lay_out(weights: &[i8], out: &mut [u8]) {
        for (lane, four) in weights.as_chunks::<4>().0.iter().enumerate() {
            for (pair, place) in [(0, 4 * lane), (1, 32 + 4 * lane)] {
                out[place..place + 2].copy_from_slice(&i16::from(four[pair]).to_le_bytes());
                out[place + 2..place + 4].copy_from_slice(&i16::from(four[pair + 2]).to_le_bytes());
            }
        }
    }

    registers! {
        dot(sums: __m256i, bytes: [__m256i; 2], weights: [__m256i; 2]) -> __m256i {
            _mm256_add_epi32(
                _mm256_add_epi32(sums, _mm256_madd_epi16(bytes[0], weights[0])),
                _mm256_madd_epi16(bytes[1], weights[1]),
            )
        }
        ready(bytes: __m256i) -> [__m256i; 2] {
            [_mm256_and_si256(bytes, _mm256_set1_epi16(0xFF)), _mm256_srli_epi16::<8>(bytes)]
        }
        signed(bytes: __m256i) -> [__m256i; 2] {
            [_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(bytes)), _mm256_srai_epi16::<8>(bytes)]
        }
    }

    #[inline(always)]
    unsafe fn spread(self, from: *const u8) -> [__m256i; 2] {
        // SAFETY: the caller vouches for four bytes.
        self.ready(self.every(unsafe { from.cast::<i32>().read_unaligned() }))
    }

    addresses! {
        weights(from: *const u8) -> [__m256i; 2] {
            [_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast())]
        }
    }
}
